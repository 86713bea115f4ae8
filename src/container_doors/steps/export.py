"""Exports the published model to other formats, and keeps those with what was measured of them."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.errors import DatasetError, MissingToolError, RunError, WeightsError
from container_doors.core.files import copy_folder
from container_doors.core.ports import Network, Progress
from container_doors.core.predictions import ModelFile
from container_doors.core.records import Latency
from container_doors.data.layout import Layout, read_layout
from container_doors.evaluation.latency import latency
from container_doors.prediction.exporting import BuildExport, Built, Quantize
from container_doors.prediction.exports import (
    EXPORTS,
    EXPORTS_JSON,
    PYTORCH,
    Export,
    Exports,
    read_exports,
)
from container_doors.prediction.opening import NetworkFile, Runtimes
from container_doors.publishing.hashing import artifact, file_sha256
from container_doors.publishing.publication import recover, replacement
from container_doors.steps.export_verdicts import Val, calibrating, judge
from container_doors.steps.find_and_time import FoundAndTimed, find_and_time
from container_doors.steps.open_model import BEST, read_model

FASTEST = "fastest"
OPENVINO, INT8 = "openvino", "openvino-int8"
USED_HERE = ("onnx", OPENVINO, INT8)
"""The formats that ``doors predict`` opens, and that the fastest is one of."""


@dataclass(frozen=True, slots=True)
class Exporting:
    """What exporting needs from outside."""

    build: BuildExport
    quantize: Quantize
    networks: Runtimes
    machine: str
    """The processor, for people."""
    clock: Callable[[], float] = time.perf_counter
    """In seconds."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What to export, and what to measure it on."""

    formats: tuple[str, ...]
    """Names, and perhaps :data:`FASTEST`: all that are used here, of which one is kept."""
    data: Path
    """The folder of the data set; measured on val, calibrated on train."""
    photographs: int | None = None
    """Of val, at most; None: all."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported and kept."""

    tried: Mapping[str, Export]
    """All that was measured, also what is not kept."""
    kept: Exports
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why formats that were asked for were not made."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with earlier exports, which are not kept."""
    faults: tuple[str, ...] = ()
    """Formats that were asked for by name, and are not made, or do not find the same doors."""


def export_model(
    folder: Path, settings: ExportSettings, *, outside: Exporting, progress: Progress
) -> ExportReport:
    """Export the model in a folder, and keep the result beside it.

    The folder is replaced as one step, at the end: a kill leaves it as it was. What was exported
    of the same weights before is kept, and measured again, so that all times can be compared.

    Raises:
        RunError: If there is no model, or another one was published meanwhile.
        WeightsError: If its weights are damaged.
        DatasetError: If val has no photograph, or one cannot be read.
        MissingToolError: If no format can be made, or PyTorch is not installed.
    """
    recover(folder)
    model = read_model(folder)
    sha256 = _checked_sha256(folder / BEST, model)
    val = Val(_read_layout(settings.data), model, most=settings.photographs)
    with TemporaryDirectory() as scratch:
        making = _Making(folder / BEST, model, val, Path(scratch), outside, progress)
        asked = [name for name in settings.formats if name != FASTEST]
        is_fastest = FASTEST in settings.formats
        built = making.build([*asked, *(USED_HERE if is_fastest else ())])
        if not built:
            raise MissingToolError("nothing can be exported: " + "; ".join(making.missing.values()),
                                   hint="install what is missing, then run this again")  # fmt: skip
        before = _Before.of(folder, sha256, without=built)
        networks = {
            PYTORCH: _open(outside, folder / BEST, PYTORCH, model, {BEST: sha256}),
            **{name: making.open(name, one) for name, one in built.items()},
            **before.open(outside, model),
        }
        progress.say(f"{', '.join(networks)}: {len(val.photographs)} photographs of val")
        seen = find_and_time(
            networks,
            val.photographs,
            model=model,
            clock=outside.clock,
            progress=progress,
        )
        measured = _Measured(seen, val, model, outside.machine)
        tried = {
            name: measured.judged(name, export)
            for name, export in {**_exports(built, sha256), **before.formats}.items()
        }
        kept = Exports(
            formats=_to_keep(tried, asked, before, measured if is_fastest else None),
            pytorch=measured.latency(PYTORCH),
        )
        sources = {
            f"{name}/{file}": path for name in built for file, path in built[name].files.items()
        }
        _publish(folder, sha256, kept, sources)
    faults = tuple(
        name for name in asked if name in making.missing or _is_fault(tried[name], name)
    ) + tuple(before.dropped)
    return ExportReport(tried, kept, making.missing, before.dropped, faults)


def _is_fault(export: Export, name: str) -> bool:
    if name == INT8:
        return not export.accepted
    return export.parity is None or not export.parity.holds


def _checked_sha256(weights: Path, model: ModelFile) -> str:
    if not weights.is_file():
        raise RunError(f"no weights at {weights}", hint="doors sync fetches the published ones")
    found, expected = file_sha256(weights), model.weights.get(BEST)
    if found != expected:
        raise WeightsError(
            f"{weights} has changed: expected sha256 {(expected or 'of no file')[:12]}, found "
            f"{found[:12]}; it was not exported",
            hint="doors sync fetches the published one",
        )
    return found


def _read_layout(data: Path) -> Layout:
    layout, findings = read_layout(data)
    if layout is None or "val" not in layout.splits:
        raise DatasetError(
            f"{data}: {findings[0]}",
            hint=f"see all faults: doors data validate --path {data}",
        )
    return layout


def _open(
    outside: Exporting, path: Path, name: str, model: ModelFile, sha256: Mapping[str, str]
) -> Network:
    runtime = outside.networks.of_file(path) or ""
    asked = NetworkFile(path, name, model.image_size_px, "cpu", sha256)
    return outside.networks.by_name[runtime].open(asked).network


class _Making:
    """Makes formats in a temporary folder, each once, and notes why one cannot be made."""

    def __init__(
        self,
        weights: Path,
        model: ModelFile,
        val: Val,
        scratch: Path,
        outside: Exporting,
        progress: Progress,
    ) -> None:
        self.missing: dict[str, str] = {}
        self._weights, self._model, self._val = weights, model, val
        self._scratch, self._outside, self._progress = scratch, outside, progress
        self._made: dict[str, Built] = {}

    def build(self, names: Sequence[str]) -> dict[str, Built]:
        """Make the formats that can be made."""
        built = {}
        for name in dict.fromkeys(names):
            try:
                built[name] = self._quantized() if name == INT8 else self._exported(name)
            except MissingToolError as error:
                self.missing[name] = f"{name}: {error.problem} ({error.hint})"
            except DatasetError as error:
                self.missing[name] = f"{name}: {error.problem} ({error.hint})"
        return built

    def open(self, name: str, built: Built) -> Network:
        """Open what was made."""
        if built.network is not None:
            return built.network
        path = next(path for path in built.files.values() if self._outside.networks.of_file(path))
        return _open(self._outside, path, name, self._model, {})

    def _exported(self, name: str) -> Built:
        if name not in self._made:
            self._progress.say(f"{name}: exporting")
            self._made[name] = self._outside.build(
                self._weights,
                name,
                self._folder(name),
                image_size_px=self._model.image_size_px,
            )
        return self._made[name]

    def _quantized(self) -> Built:
        examples = calibrating(self._val)
        source = self._exported(OPENVINO).files["model.xml"]
        self._progress.say(
            f"{INT8}: calibrating on {len(examples.calibration)} photographs of train, which takes "
            "minutes"
        )
        return self._outside.quantize(source, self._folder(INT8), examples)

    def _folder(self, name: str) -> Path:
        folder = self._scratch / name
        folder.mkdir()
        return folder


@dataclass(frozen=True, slots=True)
class _Before:
    """Earlier exports of the same weights."""

    folder: Path
    formats: dict[str, Export]
    dropped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, sha256: str, *, without: Mapping[str, object]) -> "_Before":
        """Read those that are not made again."""
        there = read_exports(folder)
        formats = there.formats if there else {}
        return cls(
            folder / EXPORTS,
            {
                name: one
                for name, one in formats.items()
                if one.weights_sha256 == sha256 and name not in without
            },
        )

    def open(self, outside: Exporting, model: ModelFile) -> dict[str, Network]:
        """Open what can be opened here; what is damaged is dropped."""
        opened = {}
        for name, one in list(self.formats.items()):
            path = self.folder / (one.opened_file or "")
            runtime = outside.networks.of_file(path)
            if runtime is None or outside.networks.missing(runtime):
                continue
            sha256 = {Path(file).name: kept.sha256 for file, kept in one.files.items()}
            try:
                opened[name] = _open(outside, path, name, model, sha256)
            except WeightsError as error:
                del self.formats[name]
                self.dropped[name] = error.problem
        return opened


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured of all formats."""

    seen: Mapping[str, FoundAndTimed]
    val: Val
    model: ModelFile
    machine: str

    def latency(self, name: str) -> Latency | None:
        """Summarise the times of one format."""
        others = ", ".join(one for one in self.seen if one != name)
        return latency(
            self.seen[name].durations_ms,
            method=f"from decoded pixels to boxes (letterbox, network, non-maximum suppression) at "
            f"{self.model.image_size_px} px, float32 unless int8, batch size 1, each photograph "
            f"once before, in turn with {others}, on {self.machine}",
        )

    def judged(self, name: str, export: Export) -> Export:
        """Add to an export what was measured of it; one that was not opened stays as it is."""
        if name not in self.seen:
            return export
        found = {one: self.seen[one].found for one in (PYTORCH, name)}
        verdict = judge(
            found[PYTORCH],
            found[name],
            self.val,
            is_int8=name == INT8,
            is_used_here=name in USED_HERE,
        )
        return export.model_copy(
            update={
                "parity": verdict.parity,
                "latency": self.latency(name),
                "accepted": verdict.accepted,
                "why": verdict.why,
            }
        )

    def fastest(self, tried: Mapping[str, Export]) -> str:
        """Name the fastest of PyTorch and what is accepted."""
        names = [PYTORCH, *(name for name, one in tried.items() if one.accepted)]
        times = {name: timed.median_ms for name in names if (timed := self.latency(name))}
        return min(times, key=times.__getitem__)


def _exports(built: Mapping[str, Built], sha256: str) -> dict[str, Export]:
    return {
        name: Export(
            files={f"{name}/{file}": artifact(path) for file, path in one.files.items()},
            weights_sha256=sha256,
            input_shape=one.input_shape,
            opset=one.opset,
            runtime=one.runtime,
            accepted=False,
            why="it was not measured",
        )
        for name, one in built.items()
    }


def _to_keep(
    tried: Mapping[str, Export],
    asked: Sequence[str],
    before: _Before,
    measured: _Measured | None,
) -> dict[str, Export]:
    """Choose what to keep: what was asked for, what was there, and the fastest if that is asked.

    A quantised network that is not accepted is of no use.
    """
    names = {*asked, *before.formats}
    if measured is not None:
        names.add(measured.fastest(tried))
    return {
        name: one for name, one in tried.items() if name in names and (name != INT8 or one.accepted)
    }


def _publish(folder: Path, sha256: str, kept: Exports, built: Mapping[str, Path]) -> None:
    """Replace the folder by one with these exports.

    Args:
        folder: Of the model.
        sha256: Of the weights that were exported.
        kept: What is kept.
        built: New files by path below ``exports/``; the others are there already.
    """
    if not kept.formats and not (folder / EXPORTS).exists():
        return
    with replacement(folder) as staged:
        copy_folder(folder, staged)
        if file_sha256(staged / BEST) != sha256:
            raise RunError(
                f"another model was published in {folder} meanwhile; nothing was kept",
                hint="run the same command again",
            )
        exports = staged / EXPORTS
        shutil.rmtree(exports, ignore_errors=True)
        exports.mkdir()
        for one in kept.formats.values():
            for name in one.files:
                (exports / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(built.get(name, folder / EXPORTS / name), exports / name)
        kept.write(exports / EXPORTS_JSON)
