"""Open a model for use: where it is, in which runtime, with the settings that it was tested at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from container_doors.core.config import Validation
from container_doors.core.errors import (
    ConfigError,
    MissingToolError,
    RunError,
    VersioningError,
    WeightsError,
)
from container_doors.core.installation import extra_of, install_command
from container_doors.core.ports import Network
from container_doors.core.predictions import ModelFile, UsedModel
from container_doors.core.printable import shortened
from container_doors.core.run import PUBLISHED
from container_doors.prediction.exports import (
    EXPORTS,
    PYTORCH,
    Export,
    Exports,
    by_speed,
    read_exports,
)
from container_doors.prediction.opening import NetworkFile, OpenedNetwork, Runtimes
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.model_file import MODEL_FILE, read_model_file
from container_doors.publishing.names import parse_name
from container_doors.publishing.publication import METADATA, recover

BEST = "best.pt"
AUTO = "auto"
MOST_DETECTIONS = 300
"""Of weights without a ``model.json``; Ultralytics' own."""

_ON_THE_PROCESSOR = {"auto", "cpu"}


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model, ready for use."""

    network: Network
    used: UsedModel
    model: ModelFile | None
    """None for a weight file of no published model."""
    passed_over: tuple[str, ...] = ()
    """Why faster formats are not used; empty if none was, or if the backend was asked for."""


def open_model(
    where: Path | str,
    *,
    networks: Runtimes,
    backend: str = AUTO,
    conf: float | None = None,
    max_detections: int | None = None,
    device: str = AUTO,
) -> OpenedModel:
    """Open a model.

    Args:
        where: The folder of a published model, the name of the published version, or a file:
            ``.pt``, ``.onnx``, or OpenVINO's ``.xml``.
        networks: The runtimes.
        backend: ``pytorch``, the name of an export, or ``auto``: the fastest export that was
            accepted, whose runtime is installed, and that was made from these weights; else
            PyTorch. Exports compute on the processor, so with a GPU ``auto`` is PyTorch.
        conf: The confidence threshold; that of the model by default.
        max_detections: The most doors in one photograph; that of the model by default.
        device: ``auto``, ``cpu``, ``cuda``, or a GPU's number.

    Raises:
        RunError: If there is no such model, or if a document beside it is damaged.
        VersioningError: If that version is not the published one.
        WeightsError: If a file is damaged, another than its documents say, or no detector of doors.
        ConfigError: If a setting is out of range, or does not fit this model or machine.
        MissingToolError: If no runtime for it is installed.
    """
    _check_settings(conf, max_detections)
    place = _place(where)
    asked = _Asked(networks, backend, device)
    found = _in_folder(place, asked) if place.is_dir() else _of_file(place, asked)
    opened = networks.by_name[found.runtime].open(found.file)
    return OpenedModel(
        opened.network,
        _used(found, opened, conf, max_detections),
        found.model,
        found.passed_over,
    )


def read_model(folder: Path) -> ModelFile:
    """Read how the model in a folder is used.

    Raises:
        RunError: If there is no model, or if a document beside it is damaged.
    """
    if not _is_model(folder):
        raise _no_model(folder)
    return read_model_file(folder)


@dataclass(frozen=True, slots=True)
class _Asked:
    networks: Runtimes
    backend: str
    device: str

    @property
    def is_for_gpu(self) -> bool:
        is_auto = self.device == AUTO
        return self.networks.has_gpu() if is_auto else self.device != "cpu"


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be opened."""

    runtime: str
    file: NetworkFile
    weights_sha256: str
    model: ModelFile | None = None
    passed_over: tuple[str, ...] = ()


def _check_settings(conf: float | None, max_detections: int | None) -> None:
    if conf is not None and not 0 <= conf <= 1:
        raise ConfigError(
            f"expected a confidence threshold in [0, 1], found {conf}", hint="0.25 is usual"
        )
    if max_detections is not None and max_detections < 1:
        raise ConfigError(
            f"expected at least one detection in a photograph, found {max_detections}",
            hint="1 keeps the most confident door",
        )


def _used(
    found: _Found, opened: OpenedNetwork, conf: float | None, max_detections: int | None
) -> UsedModel:
    model, usual = found.model, Validation()
    stated = model.conf_threshold.value if model else usual.conf_threshold
    return UsedModel(
        version=model.version if model else None,
        weights_sha256=found.weights_sha256,
        backend=opened.network.backend,
        image_size_px=opened.image_size_px,
        conf_threshold=stated if conf is None else conf,
        iou_threshold=model.iou_threshold if model else usual.iou_threshold,
        max_detections=max_detections or (model.max_detections if model else MOST_DETECTIONS),
    )


def _place(where: Path | str) -> Path:
    """Find the folder or file, also by the name of the published version."""
    path = Path(where)
    if path == PUBLISHED:
        recover()
    if path.exists():
        return path
    if isinstance(where, str) and _is_version(where):
        return published_folder(where)
    if path.suffix and not _is_version(path.name):
        raise RunError(
            f"no model at {path}",
            hint=f"name a file that exists, a folder such as {PUBLISHED}, or the published version",
        )
    raise _no_model(path)


def _is_version(name: str) -> bool:
    try:
        parse_name(name)
    except VersioningError:
        return False
    return True


def published_folder(version: str) -> Path:
    """Return the folder of the published model, if it is this version.

    Raises:
        VersioningError: If another version is published, or none.
    """
    recover()
    published = read_model_file(PUBLISHED).version if _is_model(PUBLISHED) else None
    if published == version:
        return PUBLISHED
    what = f"{published} is published here" if published else f"no model in {PUBLISHED}"
    raise VersioningError(
        f"{shortened(version)} is not the published version: {what}",
        hint=f"doors publish --version {version}"
        if _is_version(version)
        else "doors runs lists the versions; doors publish --version VERSION brings one back",
    )


def _is_model(folder: Path) -> bool:
    return any((folder / name).exists() for name in (MODEL_FILE, METADATA))


def _no_model(folder: Path) -> RunError:
    if any(folder.glob("*.dvc")):
        return RunError(f"{folder}: expected a model, found its pointers alone", hint="doors sync")
    if (folder / BEST).is_file():
        return RunError(
            f"{folder}: expected {MODEL_FILE} or {METADATA} beside the weights, found neither",
            hint=f"name the file, which is then used at the usual thresholds: {folder / BEST}",
        )
    for folder_of_model in (folder.parent.parent, folder.parent):
        if folder.is_dir() and _is_model(folder_of_model):
            return RunError(
                f"{folder}: expected {MODEL_FILE} or {METADATA}, found neither",
                hint=f"name the folder of the model, {folder_of_model}, or a file in {folder}",
            )
    return RunError(
        f"no model at {folder}",
        hint="train one (doors train), or fetch the team's: doors sync",
    )


def _in_folder(folder: Path, asked: _Asked) -> _Found:
    """Choose what to open of the model in a folder."""
    published = _Published(folder, read_model(folder), read_exports(folder), asked)
    return published.fastest() if asked.backend == AUTO else published.of_backend(asked.backend)


@dataclass(frozen=True, slots=True)
class _Published:
    """A model with its documents."""

    folder: Path
    model: ModelFile
    exports: Exports | None
    asked: _Asked

    def fastest(self) -> _Found:
        """Choose the fastest backend that can be used, and note why faster ones cannot."""
        is_pytorch = self.exports is None or self.asked.is_for_gpu
        names = [PYTORCH] if is_pytorch or self.exports is None else by_speed(self.exports)
        passed_over: list[str] = []
        for name in sorted(names, key=self._is_last_resort):
            why = self._why_not(name)
            if why is None:
                return replace(self.of_backend(name), passed_over=tuple(passed_over))
            passed_over.append(f"{name}: {why}")
        raise MissingToolError(
            f"{self.folder} cannot be used with what is installed here: {'; '.join(passed_over)}",
            hint=install_command("train"),
        )

    def _is_last_resort(self, name: str) -> bool:
        runtime = self._runtime_of(name)
        return runtime is not None and self.asked.networks.by_name[runtime].is_last_resort

    def _runtime_of(self, name: str) -> str | None:
        if name == PYTORCH:
            return PYTORCH
        return self.asked.networks.of_file(Path(self._export(name).opened_file or ""))

    def of_backend(self, name: str) -> _Found:
        """Name what to open for one backend."""
        if name == PYTORCH:
            return self.weights(BEST)
        export = self._export(name)
        if export.weights_sha256 != self._sha256_of(BEST):
            raise WeightsError(
                f"the export {name} in {self.folder} was made from other weights than {BEST}",
                hint=f"doors export --format {name}",
            )
        sha256 = {Path(path).name: one.sha256 for path, one in export.files.items()}
        path = self.folder / EXPORTS / (export.opened_file or "")
        return self._found(path, name, sha256, self._sha256_of(BEST))

    def weights(self, name: str) -> _Found:
        """Name what to open for PyTorch."""
        sha256 = self._sha256_of(name)
        return self._found(self.folder / name, PYTORCH, {name: sha256}, sha256)

    def _why_not(self, name: str) -> str | None:
        """Return why a backend cannot be used; None if it can."""
        if name != PYTORCH and self._export(name).weights_sha256 != self._sha256_of(BEST):
            return "it was made from other weights (doors export makes it again)"
        runtime = self._runtime_of(name)
        if runtime is None:
            return "nothing here opens it"
        missing = self.asked.networks.missing(runtime)
        return f"{missing} is not installed" if missing else None

    def _export(self, name: str) -> Export:
        formats = self.exports.formats if self.exports else {}
        if name in formats and (formats[name].opened_file or self.asked.backend == AUTO):
            return formats[name]
        known = ", ".join([PYTORCH, *(one for one in formats if formats[one].opened_file)])
        raise ConfigError(
            f"{self.folder}: expected one of {known} as backend, found {shortened(repr(name), 40)}",
            hint="choose one of them; others are made by: doors export",
        )

    def _sha256_of(self, name: str) -> str:
        if name not in self.model.weights:
            raise RunError(
                f"{self.folder / MODEL_FILE} does not describe {name}",
                hint="doors metadata writes it again",
            )
        return self.model.weights[name]

    def _found(
        self, path: Path, backend: str, sha256: Mapping[str, str], weights_sha256: str
    ) -> _Found:
        size_px = self.model.image_size_px
        file = NetworkFile(path, backend, size_px, self.asked.device, sha256)
        return _Found(_runtime_of(path, self.asked), file, weights_sha256, self.model)


def _of_file(file: Path, asked: _Asked) -> _Found:
    """Find what a file is: of a published model beside or above it, or a model alone."""
    for folder in (file.parent, file.parent.parent.parent):
        if _is_model(folder):
            published = _Published(folder, read_model_file(folder), read_exports(folder), asked)
            found = _file_of(file, published)
            if found is not None:
                return found
    runtime = _runtime_of(file, asked)
    if asked.backend not in {AUTO, runtime}:
        raise _other_backend(file, runtime, asked.backend)
    hashed = file.with_suffix(".bin") if file.suffix.lower() == ".xml" else file
    sha256 = file_sha256(hashed) if hashed.is_file() else ""
    known = {hashed.name: sha256}
    return _Found(runtime, NetworkFile(file, runtime, None, asked.device, known), sha256)


def _file_of(file: Path, published: _Published) -> _Found | None:
    """Return what a file is of a published model; None if it is none of its files."""
    if file.parent == published.folder and file.name in published.model.weights:
        if published.asked.backend not in {AUTO, PYTORCH}:
            raise _other_backend(file, PYTORCH, published.asked.backend)
        return published.weights(file.name)
    for name, one in published.exports.formats.items() if published.exports else ():
        if one.opened_file and published.folder / EXPORTS / one.opened_file == file:
            if published.asked.backend not in {AUTO, name}:
                raise _other_backend(file, name, published.asked.backend)
            return published.of_backend(name)
    return None


def _runtime_of(file: Path, asked: _Asked) -> str:
    """Return the runtime that opens a file, which is installed.

    Raises:
        WeightsError: If none does.
        ConfigError: If it does not compute on the device that was asked for.
        MissingToolError: If it is not installed.
    """
    name = asked.networks.of_file(file)
    if name is None:
        known = ", ".join(sorted({one.suffix for one in asked.networks.by_name.values()}))
        found = repr(file.suffix) if file.suffix else "a name without an ending"
        raise WeightsError(
            f"{file}: expected a file that ends in one of {known}, found {found}",
            hint=f"name {PUBLISHED}, or such a file",
        )
    if name != PYTORCH and asked.device not in {AUTO, "cpu"}:
        raise ConfigError(
            f"{file} computes on the processor alone, and device {asked.device} was asked for",
            hint="use the backend pytorch, or the device cpu",
        )
    missing = asked.networks.missing(name)
    if missing is not None:
        raise MissingToolError(
            f"{missing} is not installed, and {file.name} needs it",
            hint=install_command(extra_of(missing)),
        )
    return name


def _other_backend(file: Path, found: str, asked: str) -> ConfigError:
    return ConfigError(
        f"{file} is for the backend {found}, and {shortened(repr(asked), 40)} was asked for",
        hint="name the folder of the model, or leave the backend out",
    )
