"""Load weight files as data only: nothing in them is executed, whoever wrote them.

A ``.pt`` file is a pickle, which can call any function. Three checks prevent that:

1. The pickle is analysed first (:mod:`container_doors.adapters.yolo.pickled`). A file that would do
   more than build a network and its tensors is refused, and the message names what it asks for.
   PyTorch's own safe loading lets a file *call* every class that it may contain, and the
   constructor of Ultralytics' models downloads a file from any address that it receives.
2. PyTorch then loads with ``weights_only`` and Ultralytics' list of classes
   (``ULTRALYTICS_SAFE_LOAD``), also where Ultralytics itself would load without it
   (``strip_optimizer``).
3. The loaded network may contain no hook and no function that comes from the file.

Ultralytics' caches of labels (``labels/*.cache``) are pickles too; they are never read.
"""

import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.pickled import UnreadableError, Uses, uses_of
from container_doors.core.errors import MissingToolError, WeightsError
from container_doors.core.printable import shortened

_AS_DATA = ("torch.nn.modules.", "ultralytics.nn.modules.", "ultralytics.utils.loss.",
            "ultralytics.utils.tal.")  # fmt: skip
"""Modules of the layer classes, and of the loss classes that some networks contain."""

_OBJECTS = frozenset({
    "collections.OrderedDict",
    "pathlib.PosixPath", "pathlib.WindowsPath",
    "pathlib._local.PosixPath", "pathlib._local.WindowsPath",
    "torch.nn.parameter.Parameter",
    "ultralytics.nn.tasks.DetectionModel",
})  # fmt: skip
"""Other classes of which a detector may contain objects."""

_CALLS = frozenset({
    "__builtin__.set", "builtins.set",
    "__builtin__.getattr", "builtins.getattr",
    "_codecs.encode",
    "collections.OrderedDict",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype",
    "pathlib.PosixPath", "pathlib.WindowsPath",
    "pathlib._local.PosixPath", "pathlib._local.WindowsPath",
    "torch.Size", "torch.device",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor_v2",
    "ultralytics.utils.IterableSimpleNamespace", "ultralytics.yolo.utils.IterableSimpleNamespace",
})  # fmt: skip
"""Functions that a file may call: they only convert values."""

_METHODS = frozenset({"forward", "forward_fuse"})
"""Methods that a file may get by name with ``getattr``, because some heads store their method."""

_ARCHITECTURE_NAME = re.compile(r"(?!.*__)[\w./ -]{0,200}")
"""Names of layers, modes and files. Ultralytics looks up each name; without safe loading it
evaluates a name that it does not find."""

_FETCH = "fetch it again (dvc pull, doors sync), or train again; do not open it by other means"


def load_only_data(ultralytics: Any) -> None:  # noqa: ANN401 - the package is untyped
    """Make Ultralytics load files as data only, in this process; call this after its import.

    Raises:
        MissingToolError: If the installed versions cannot load that way.
    """
    from ultralytics.data import dataset
    from ultralytics.data import utils as data_utils
    from ultralytics.nn import tasks
    from ultralytics.utils import patches

    safe = getattr(tasks, "_SafeLoad", None)
    if safe is None or not safe.SUPPORTED:
        raise MissingToolError(
            f"Ultralytics {ultralytics.__version__} with this PyTorch cannot open weights without "
            "executing code in them",
            hint="uv sync, or: pip install --upgrade 'ultralytics-opencv-headless>=8.4.172' "
            "'torch>=2.6'",
        )
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    setattr(tasks, "SAFE_LOAD", True)  # noqa: B010 - where it was imported before us
    vendor_load = patches.torch_load
    for module in [*sys.modules.values()]:
        name = getattr(module, "__name__", "")
        if name.startswith("ultralytics.") and getattr(module, "torch_load", None) is vendor_load:
            setattr(module, "torch_load", load_weights)  # noqa: B010 - they import it by name
    for module in (dataset, data_utils):
        setattr(module, "load_dataset_cache_file", _no_cache)  # noqa: B010


def load_weights(file: str | Path, *_: object, **options: Any) -> Any:  # noqa: ANN401 - as torch.load
    """Load a weight file like :func:`torch.load`, but execute nothing.

    Raises:
        WeightsError: If it contains no detector, or anything but a detector and tensors.
        Exception: Whatever PyTorch raises for a damaged file.
    """
    import torch
    from ultralytics.nn import tasks

    path = Path(file)
    refuse_programs(path)
    with tasks._SafeLoad.loading(path):  # noqa: SLF001 - its public API reads the environment
        loaded = torch.load(path, map_location=options.get("map_location"), weights_only=True)
    for network in _networks_in(path, loaded):
        _refuse_functions(path, network)
        _check_head(path, network)
    return loaded


def refuse_programs(path: Path) -> None:
    """Check that loading a file would only make a detector or tensors.

    Raises:
        WeightsError: If it would do anything else; the message names it.
    """
    try:
        uses = uses_of(_pickle_in(path))
    except UnreadableError as error:
        raise WeightsError(
            f"{path} is damaged, or not a weight file: {error}", hint=_FETCH
        ) from None
    foreign = _unexpected(uses)
    if foreign:
        raise WeightsError(
            f"{path} contains more than weights: {foreign}. It was not opened, because opening "
            "it could run that code",
            hint="if it is your own file, but old or of another kind of network, save it again "
            "where it was made, as a detector of the Ultralytics release that is installed here; "
            f"otherwise {_FETCH}",
        )


def _unexpected(uses: Uses) -> str:
    """Name the first few items that no detector needs."""
    attributes = {repr(name) for name in uses.attributes - _METHODS}
    calls = {f"a call of {name}" for name in uses.called - _CALLS}
    objects = {f"{name}" for name in uses.mentioned - uses.called if not _is_data(name)}
    found = sorted(calls) + sorted(objects) + sorted(f"getattr {name}" for name in attributes)
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(one[:100] for one in found[:3]) + more


def _is_data(name: str) -> bool:
    is_storage = name.startswith("torch.") and name.endswith("Storage") and name.count(".") == 1
    return name in _OBJECTS or is_storage or (name.startswith(_AS_DATA) and name.count(".") < 5)


def _pickle_in(path: Path) -> bytes:
    """Read a file's pickle with PyTorch's own reader, so that the same pickle is loaded later.

    Without PyTorch nothing is loaded later, and Python's reader serves.

    Raises:
        UnreadableError: If there is none, or if the file is a decompression bomb.
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise UnreadableError("expected the archive that PyTorch writes since 1.6")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        if any(one.filename.endswith("constants.pkl") for one in members):
            raise UnreadableError("expected weights, found a TorchScript program")
        names = [one.filename.lower() for one in members]  # PyTorch's reader ignores the case
        if len(set(names)) < len(names) or sum(name.endswith("/data.pkl") for name in names) != 1:
            raise UnreadableError("expected each member once, and one data.pkl")
        if any(one.compress_type != zipfile.ZIP_STORED for one in members):
            raise UnreadableError("it is compressed, which PyTorch never does")
        if sum(one.file_size for one in members) > path.stat().st_size:
            raise UnreadableError("its members are larger than the file")
        return _record_of(
            path, next(one for one in members if one.filename.lower().endswith("/data.pkl"))
        )
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise UnreadableError(str(error).partition("\n")[0][:200]) from None


def _record_of(path: Path, member: zipfile.ZipInfo) -> bytes:
    if find_spec("torch") is None:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    from torch.serialization import _open_zipfile_reader

    with _open_zipfile_reader(str(path)) as reader:
        data: bytes = reader.get_record("data.pkl")
        return data


def _networks_in(path: Path, loaded: object) -> list[Any]:
    """Return the networks of a weight file: ``model``, or its average ``ema``, or both.

    Raises:
        WeightsError: If there is none, or something else in its place.
    """
    import torch

    if not isinstance(loaded, dict):
        raise _no_detector(path, f"it has a {type(loaded).__name__} instead of a dictionary")
    found = [loaded.get(key) for key in ("ema", "model") if loaded.get(key) is not None]
    for one in found:
        if not isinstance(one, torch.nn.Module):
            raise _no_detector(path, f"it has a {type(one).__name__} instead of a network")
    if not found:
        keys = ", ".join(map(repr, list(loaded)[:5])) or "none"
        raise _no_detector(path, f"it has no network; its keys: {shortened(keys, 100)}")
    if not isinstance(loaded.get("train_args", {}), dict):
        raise _no_detector(path, "the settings of its training are no dictionary")
    return found


def _check_head(path: Path, network: Any) -> None:  # noqa: ANN401 - torch.nn.Module
    """Check that a network ends in the layer that makes boxes.

    Raises:
        WeightsError: If it does not.
    """
    import torch
    from ultralytics.nn.modules.head import Detect
    from ultralytics.nn.tasks import DetectionModel

    if not isinstance(network, DetectionModel):
        raise _no_detector(path, f"its network is a {type(network).__name__}")
    layers = getattr(network, "model", None)
    if not isinstance(layers, torch.nn.Sequential) or not len(layers):
        raise _no_detector(path, "its network has no layers")
    if not isinstance(layers[-1], Detect):
        last = type(layers[-1]).__name__
        raise _no_detector(
            path, f"its network ends in {last}, and not in Detect, which makes boxes"
        )


def _no_detector(path: Path, why: str) -> WeightsError:
    return WeightsError(f"{path} is no YOLO detector: {why}", hint=_FETCH)


def _refuse_functions(path: Path, network: Any) -> None:  # noqa: ANN401 - torch.nn.Module
    """Refuse a network with hooks or functions from the file, or with an unsafe architecture.

    Raises:
        WeightsError: If it is refused; the message names the layer.
    """
    import torch

    architecture = getattr(network, "yaml", {})
    if not isinstance(architecture, dict):
        raise WeightsError(f"{path} only names its architecture, in another file", hint=_FETCH)
    for text in _texts(architecture):
        if not _ARCHITECTURE_NAME.fullmatch(text):
            raise WeightsError(
                f"{path} contains more than weights: its architecture has {text[:100]!r}, which "
                "is not the name of a layer",
                hint=_FETCH,
            )
    for where, layer in network.named_modules():
        for name, value in vars(layer).items():
            is_hook = "hook" in name and isinstance(value, dict) and value
            is_function = callable(value) and not isinstance(value, torch.nn.Module)
            if is_hook or is_function:
                raise WeightsError(
                    f"{path} contains more than weights: {where or 'its network'} would call "
                    f"a function from the file as {name!r}",
                    hint=_FETCH,
                )


def _texts(value: object) -> Iterator[str]:
    """Yield every string in an architecture, including keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _no_cache(path: Path) -> dict[str, Any]:
    """Replace Ultralytics' reader of label caches, which executes them."""
    raise FileNotFoundError(path)
