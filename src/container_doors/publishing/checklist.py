"""Section 7.3 of the specification as checks: is the synced model complete and usable?"""

from collections.abc import Sequence
from pathlib import Path

from container_doors.core.ports import Remote
from container_doors.core.printable import shortened
from container_doors.core.records import Check, Metadata, Mismatch

_EXPECTED_MB = {"n": 5.4, "s": 19.2, "m": 40.6, "l": 51.3, "x": 114.5}
"""Size in MB of YOLO11 with one class, in half precision, without its optimizer."""

_TOLERANCE = 0.15
_AGAIN = "run doors sync again; if that does not help, doors version where it was trained"


def size_check(metadata: Metadata, weights: Path) -> Check:
    """Check that ``best.pt`` exists and has the size of its network."""
    name = "size"
    if not weights.is_file():
        return Check(name, "", (Mismatch(str(weights), "the model", "no such file", _AGAIN),))
    size_mb = weights.stat().st_size / 1e6
    network = shortened(metadata.model_architecture, 40)
    expected_mb = _EXPECTED_MB.get(metadata.model_architecture[-1:])
    holds = f"{weights} has {size_mb:.1f} MB"
    if expected_mb is None:
        return Check(name, holds, not_checked=f"{holds}; unknown for {network}")
    if abs(size_mb - expected_mb) > _TOLERANCE * expected_mb:
        expected = f"about {expected_mb:.0f} MB, as {network} has"
        return Check(name, holds, (Mismatch(str(weights), expected, f"{size_mb:.1f} MB", _AGAIN),))
    return Check(name, f"{holds}, as {network} has")


def metrics_check(metadata: Metadata) -> Check:
    """Check that every figure of the specification was measured on each split that has doors."""
    missing = [
        f"{split}_{figure}"
        for split, scores in sorted(metadata.evaluation.splits.items())
        for figure in ("mAP50", "mAP50_95")
        if scores.doors and f"{split}_{figure}" not in metadata.metrics
    ]
    found = "  ".join(
        f"{name} {value:.3f}"
        for name, value in sorted(metadata.metrics.items())
        if name.endswith(("_mAP50", "_mAP50_95"))
    )
    hint = "doors metadata, where it was trained"
    return Check(
        "metrics",
        found or "no split has a door",
        tuple(Mismatch("metadata.json: metrics", name, "nothing", hint) for name in missing),
    )


def history_check(metadata: Metadata, tables: Sequence[tuple[Path, int]]) -> Check:
    """Compare the number of epochs in every table on this machine.

    Args:
        metadata: Of the model.
        tables: Each file that has one line per epoch, with its number of epochs.
    """
    name, epochs = "history", metadata.epochs_finished
    if not tables:
        return Check(name, "", not_checked=f"no table of its {epochs} epochs on this machine")
    hint = "download the outputs again: doors sync --from DIR"
    return Check(
        name,
        f"{epochs} epochs in {', '.join(str(path) for path, _ in tables)}",
        tuple(
            Mismatch(str(path), f"{epochs} epochs", f"{count}", hint)
            for path, count in tables
            if count != epochs
        ),
    )


def tracking_check(metadata: Metadata, remote: Remote | None) -> Check:
    """Compare the epochs and results on the tracking server with the trained model.

    Args:
        metadata: Of the model.
        remote: What the server has; None if it has no such run.
    """
    hint = f"doors track sync {metadata.experiment_name}, where it was trained"
    expected = f"{metadata.epochs_finished} epochs and the results"
    if remote is None:
        found = Mismatch("W&B", expected, "no such run", hint)
        return Check("tracking", "", (found,))
    best = metadata.artifacts["best.pt"].sha256
    is_whole = remote.last_epoch >= metadata.epochs_finished and remote.results_of == best
    reported = (
        f"{remote.last_epoch} epochs{'' if remote.results_of == best else ', not its results'}"
    )
    mismatches = () if is_whole else (Mismatch(remote.url, expected, reported, hint),)
    return Check(
        "tracking", f"{remote.last_epoch} epochs and the results: {remote.url}", mismatches
    )
