"""Choose the photographs to label next: the model is uncertain of them, and they differ."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container_doors.core.errors import DatasetError
from container_doors.core.ports import Detections, Progress
from container_doors.data.diversity import Choice, Vector, describe, farthest_first
from container_doors.data.labelled import labelled_photographs
from container_doors.data.layout import UNLABELLED
from container_doors.data.pool import spread
from container_doors.data.safe_names import Names
from container_doors.data.unlabelled import Whole, whole_photographs
from container_doors.evaluation.uncertainty import LEAST_CONFIDENCE, uncertainty
from container_doors.steps.data.export import require_free
from container_doors.steps.data.published_boxes import OpenPublished, PublishedModel, open_published

_LEAST_WANTED = 0.1
"""The weight of a photograph that the model is certain of: it may be wrong, where all is new."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A photograph to label, and why."""

    photograph: Path
    uncertainty: float | None
    """In [0, 1]; None without the model."""
    confidence: float | None
    """Of the box nearest to the threshold; None without the model, or without a box."""
    distance: float | None
    """To the nearest labelled or earlier chosen photograph; None if there is none."""
    nearest: Path | None
    reason: str


@dataclass(frozen=True, slots=True)
class NextReport:
    """What was chosen, from how many, and what was left out."""

    chosen: list[Chosen]
    candidates: int
    labelled: int
    problems: list[str]


def choose_next(
    dataset: Path,
    unlabelled: Path | None,
    count: int,
    *,
    open_detector: OpenPublished | None,
    copy_to: Path | None = None,
    progress: Progress,
) -> NextReport:
    """Choose photographs; the same files give the same choice.

    Args:
        dataset: The data set, for what is labelled already; it may be absent.
        unlabelled: The photographs to choose from. None: those of the data set.
        count: How many; fewer, if the others are the same pictures as these or labelled ones.
        open_detector: Opens the published model; None: choose by difference alone.
        copy_to: A new or empty folder that gets copies.
        progress: Receives the progress.

    Raises:
        RunError: If the model is to be asked, and none is published.
        DatasetError: If there is no photograph, or something is in the way.
    """
    if copy_to is not None:
        require_free(copy_to)
    model = None if open_detector is None else open_published(open_detector)
    folder = dataset / "images" / UNLABELLED if unlabelled is None else unlabelled
    whole, problems = whole_photographs(folder, lambda *at: progress.step("reading", *at))
    labelled = labelled_photographs(dataset)
    described = spread(
        describe,
        [*labelled, *(one.path for one in whole)],
        workers=None,
        on_progress=lambda *at: progress.step("comparing", *at),
    )
    known = [one for one in zip(labelled, described, strict=False) if one[1] is not None]
    here = list(zip(whole, described[len(labelled) :], strict=True))
    asked = [one.path for one, vector in here if vector is not None]
    found = None if model is None else model.detect(asked, progress)
    chosen = _choose(known, [one for one in here if one[1] is not None], found, model, count)
    if copy_to is not None:
        _copy([one.photograph for one in chosen], copy_to)
    return NextReport(chosen, len(asked), len(labelled), problems)


def _choose(
    known: Sequence[tuple[Path, Vector | None]],
    here: Sequence[tuple[Whole, Vector | None]],
    found: Sequence[Detections] | None,
    model: PublishedModel | None,
    count: int,
) -> list[Chosen]:
    confidences = None if found is None else [list(one.confidences) for one in found]
    threshold = model.conf_threshold if model else 0.0
    uncertain = (
        None if confidences is None else [uncertainty(one, threshold) for one in confidences]
    )
    weights = [1.0] * len(here) if uncertain is None else [_LEAST_WANTED + one for one in uncertain]
    names = [*(path for path, _ in known), *(one.path for one, _ in here)]
    return [
        _chosen(
            one,
            names,
            here[one.index][0].path,
            None if uncertain is None else uncertain[one.index],
            None if confidences is None else (confidences[one.index], threshold),
        )
        for one in farthest_first(_stacked(here), _stacked(known), weights, count)
    ]


def _stacked(described: Sequence[tuple[object, Vector | None]]) -> NDArray[np.float32]:
    vectors = [vector for _, vector in described if vector is not None]
    return np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)


def _chosen(
    choice: Choice,
    names: Sequence[Path],
    photograph: Path,
    uncertain: float | None,
    seen: tuple[Sequence[float], float] | None,
) -> Chosen:
    nearest = None if choice.nearest is None else names[choice.nearest]
    confidence = None
    reasons = []
    if seen is not None:
        confidences, threshold = seen
        confidence = max(
            (one for one in confidences if one >= LEAST_CONFIDENCE),
            key=lambda one: uncertainty([one], threshold),
            default=None,
        )
        reasons.append(_model_reason(confidence, threshold))
    if nearest is not None:
        reasons.append(f"differs by {choice.distance:.2f} from the nearest, {nearest}")
    else:
        reasons.append("the first: nothing is labelled yet")
    distance = None if isnan(choice.distance) else choice.distance
    return Chosen(photograph, uncertain, confidence, distance, nearest, "; ".join(reasons))


def _model_reason(confidence: float | None, threshold: float) -> str:
    if confidence is None:
        return "no box of any confidence"
    return f"a box of confidence {confidence:.2f}, threshold {threshold:.2f}"


def _copy(photographs: Sequence[Path], out: Path) -> None:
    """Copy photographs to a folder, in one step; the numbers in their names keep the order."""
    names = Names([])
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch) / "copy"
        folder.mkdir()
        for path in photographs:
            name = names.new(path.name, path.suffix.removeprefix(".").lower(), path.parent.name)
            shutil.copyfile(path, folder / name)
        try:
            folder.replace(out)
        except OSError as error:
            raise DatasetError(
                f"{out}: expected a new or empty folder, found {error.strerror}",
                hint="name another one: --copy DIR",
            ) from None
