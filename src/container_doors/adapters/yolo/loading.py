"""Weight files, opened as data: nothing in them is executed, whoever wrote them.

A ``.pt`` file is a pickle, which can call any function. Three things stand before that:

1. What the pickle would do is found out first (:mod:`container_doors.adapters.yolo.pickled`), and a
   file that would do more than make a network and its tensors is refused by the name of what it
   asks for. PyTorch's own safe loading lets a file *call* every class that it may hold, and the
   constructor of Ultralytics' models fetches a file from any address that it is given.
2. PyTorch then loads with ``weights_only``, from Ultralytics' list of classes
   (``ULTRALYTICS_SAFE_LOAD``), also where Ultralytics itself asks for more (``strip_optimizer``).
3. The network that comes out may hold no hook and no function of the file's choice.

Ultralytics' caches of labels (``labels/*.cache``) are pickles too; they are never read.
"""

import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.pickled import UnreadableError, Uses, uses_of
from container_doors.core.errors import MissingToolError, WeightsError

_AS_DATA = ("torch.nn.modules.", "ultralytics.nn.modules.", "ultralytics.utils.loss.",
            "ultralytics.utils.tal.")  # fmt: skip
"""Where the classes of layers are, and of the losses that belong to some networks."""

_OBJECTS = frozenset({
    "collections.OrderedDict",
    "pathlib.PosixPath", "pathlib.WindowsPath",
    "pathlib._local.PosixPath", "pathlib._local.WindowsPath",
    "torch.nn.parameter.Parameter",
    "ultralytics.nn.tasks.DetectionModel",
})  # fmt: skip
"""Other classes of which a detector may hold objects."""

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
"""Functions that a file may call: they make values of values."""

_METHODS = frozenset({"forward", "forward_fuse"})
"""What may be asked of a layer by name, as some heads keep their method."""

_OF_AN_ARCHITECTURE = re.compile(r"(?!.*__)[\w./ -]{0,200}")
"""Names of layers, modes and files. Ultralytics looks each up, and evaluates what it does not find
where it does not load safely."""

_FETCH = "fetch it again (dvc pull, doors sync), or train again; do not open it by other means"


def load_only_data(ultralytics: Any) -> None:  # noqa: ANN401 - the package is untyped
    """Make every load of Ultralytics in this process one of data; to be called after its import.

    Raises:
        MissingToolError: If what is installed cannot load that way.
    """
    from ultralytics.data import dataset
    from ultralytics.data import utils as data_utils
    from ultralytics.nn import tasks
    from ultralytics.utils import patches

    safe = getattr(tasks, "_SafeLoad", None)
    if safe is None or not safe.SUPPORTED:
        raise MissingToolError(
            f"Ultralytics {ultralytics.__version__} with this PyTorch cannot open weights without "
            "executing what is in them",
            hint="uv sync, or: pip install --upgrade 'ultralytics-opencv-headless>=8.4.172' "
            "'torch>=2.6'",
        )
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    setattr(tasks, "SAFE_LOAD", True)  # noqa: B010 - where it was imported before us
    theirs = patches.torch_load
    for module in [*sys.modules.values()]:
        name = getattr(module, "__name__", "")
        if name.startswith("ultralytics.") and getattr(module, "torch_load", None) is theirs:
            setattr(module, "torch_load", load_weights)  # noqa: B010 - each has imported it by name
    for module in (dataset, data_utils):
        setattr(module, "load_dataset_cache_file", _no_cache)  # noqa: B010


def load_weights(file: str | Path, *_: object, **options: Any) -> Any:  # noqa: ANN401 - as torch.load
    """Load a file of weights as :func:`torch.load` does, and execute nothing.

    Raises:
        WeightsError: If it holds anything but a detector or tensors.
        Exception: Whatever PyTorch raises for a file that is damaged.
    """
    import torch
    from ultralytics.nn import tasks

    path = Path(file)
    refuse_programs(path)
    with tasks._SafeLoad.loading(path):  # noqa: SLF001 - its public way reads the environment
        loaded = torch.load(path, map_location=options.get("map_location"), weights_only=True)
    if isinstance(loaded, dict):
        for key in ("model", "ema"):
            if isinstance(loaded.get(key), torch.nn.Module):
                _refuse_functions(path, loaded[key])
    return loaded


def refuse_programs(path: Path) -> None:
    """See that loading a file would only make a detector, or tensors.

    Raises:
        WeightsError: Naming what it would do instead.
    """
    try:
        uses = uses_of(_pickle_in(path))
    except UnreadableError as error:
        raise WeightsError(f"{path} is damaged, or no weights: {error}", hint=_FETCH) from None
    foreign = _foreign(uses)
    if foreign:
        raise WeightsError(
            f"{path} holds more than weights: {foreign}. It was not opened, because opening "
            "it could run that",
            hint="if it is yours, an old file or one of another kind of network, save it anew "
            "where it was made, as a detector of the Ultralytics release that is installed here; "
            f"otherwise {_FETCH}",
        )


def _foreign(uses: Uses) -> str:
    """Name the first few things that no detector needs."""
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
    """Read a file's pickle with PyTorch's own reader, so that it is the one that is loaded.

    Raises:
        UnreadableError: If there is none, or if the file is a bomb.
        OSError: If the file cannot be read.
    """
    from torch.serialization import _open_zipfile_reader

    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise UnreadableError("expected the archive that PyTorch writes since 1.6")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        if any(one.filename.endswith("constants.pkl") for one in members):
            raise UnreadableError("expected weights, found a TorchScript program")
        if any(one.compress_type != zipfile.ZIP_STORED for one in members):
            raise UnreadableError("it is compressed, which PyTorch never does")
        if sum(one.file_size for one in members) > path.stat().st_size:
            raise UnreadableError("its members are larger than the file")
        with _open_zipfile_reader(str(path)) as reader:
            data: bytes = reader.get_record("data.pkl")
            return data
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise UnreadableError(str(error).partition("\n")[0][:200]) from None


def _refuse_functions(path: Path, network: Any) -> None:  # noqa: ANN401 - torch.nn.Module
    """Refuse a network that brings hooks or functions, or an architecture to look up elsewhere.

    Raises:
        WeightsError: Naming the layer.
    """
    import torch

    architecture = getattr(network, "yaml", {})
    if not isinstance(architecture, dict):
        raise WeightsError(f"{path} names its architecture instead of holding it", hint=_FETCH)
    for text in _texts(architecture):
        if not _OF_AN_ARCHITECTURE.fullmatch(text):
            raise WeightsError(
                f"{path} holds more than weights: its architecture has {text[:100]!r}, which "
                "is no name of a layer",
                hint=_FETCH,
            )
    for where, layer in network.named_modules():
        for name, value in vars(layer).items():
            is_hook = "hook" in name and isinstance(value, dict) and value
            is_function = callable(value) and not isinstance(value, torch.nn.Module)
            if is_hook or is_function:
                raise WeightsError(
                    f"{path} holds more than weights: {where or 'its network'} would call "
                    f"something of its own as {name!r}",
                    hint=_FETCH,
                )


def _texts(value: object) -> Iterator[str]:
    """Yield every text in an architecture, its keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _no_cache(path: Path) -> dict[str, Any]:
    """Stand in for Ultralytics' reader of label caches, which executes them."""
    raise FileNotFoundError(path)
