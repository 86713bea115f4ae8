"""Find out what a pickle would make and call, without making or calling any of it.

A pickle is a program for a small virtual machine: https://docs.python.org/3/library/pickle.html.
Here that machine runs it with stand-ins for everything that it imports. The stand-ins only record
how they are used, so no code that the pickle chooses is ever run.
"""

import io
import pickle
from dataclasses import dataclass, field
from typing import Any, Self

_InPython: Any = pickle._Unpickler  # noqa: SLF001
"""Python's own unpickler, written in Python: the C version accepts no stand-in for a class."""

MOST_BYTES = 64 * 2**20
"""Of one pickle; that of a YOLO11s has 0.13 MB, because tensors are stored separately."""


_HASHES = ("set", "frozenset", "OrderedDict")
"""Classes that compute a hash of each argument."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a pickle does with its imports, each as ``module.name``."""

    called: set[str] = field(default_factory=set)
    """The functions and classes that it calls."""
    attributes: set[object] = field(default_factory=set)
    """The names that it passes to ``getattr``; None for a value that is not a string."""
    mentioned: set[str] = field(default_factory=set)
    """Everything that it imports: to call it, to make objects of it, or for nothing."""


class UnreadableError(ValueError):
    """The bytes are not a pickle, or the pickle looks malicious."""


def uses_of(data: bytes) -> Uses:
    """Return what a pickle would do.

    Args:
        data: The pickle, at most :data:`MOST_BYTES` long.

    Raises:
        UnreadableError: If it cannot be run to its end.
    """
    if len(data) > MOST_BYTES:
        raise UnreadableError(f"{len(data)} bytes; at most {MOST_BYTES} are read")
    uses = Uses()
    try:
        _Follower(data, uses).load()
    except Exception as error:  # noqa: BLE001 - a damaged pickle can raise anything at all
        raise UnreadableError(f"{type(error).__name__}: {error}"[:200]) from None
    return uses


class _StandIn(type):
    """The class of every imported name: calling it records the name and makes a stand-in."""

    uses: Uses
    origin: str

    def __call__(cls, *arguments: object, **_: object) -> object:
        cls.uses.called.add(cls.origin)
        name = cls.origin.rpartition(".")[2]
        if name in _HASHES:
            for argument in arguments:
                _check_keys(argument)
        if name == "getattr":
            asked = arguments[1] if len(arguments) > 1 else None
            cls.uses.attributes.add(asked if isinstance(asked, str) else None)
        return _Made.__new__(_Made)


class _Made:
    """Stands in for an object; accepts any state, items or entries."""

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make one from any arguments."""
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Accept a state."""

    def __setitem__(self, key: object, value: object) -> None:
        """Accept an entry."""

    def append(self, item: object) -> None:
        """Accept an item."""

    def extend(self, items: object) -> None:
        """Accept items."""

    def add(self, item: object) -> None:
        """Accept a member."""


class _Follower(_InPython):  # type: ignore[misc]
    """Runs a pickle with stand-ins."""

    def __init__(self, data: bytes, uses: Uses) -> None:
        super().__init__(io.BytesIO(data))
        self._uses = uses
        self._found: dict[str, _StandIn] = {}

    def find_class(self, module: str, name: str) -> _StandIn:
        """Return a stand-in, the same one for the same name."""
        origin = f"{module}.{name}"
        self._uses.mentioned.add(origin)
        if origin not in self._found:
            members = {"uses": self._uses, "origin": origin}
            self._found[origin] = _StandIn("StandIn", (_Made,), members)
        return self._found[origin]

    def persistent_load(self, pid: object) -> _Made:  # noqa: ARG002 - pickle's
        """Return a stand-in for a tensor's storage."""
        return _Made()

    def load_setitem(self) -> None:
        """Set an entry, with its key checked."""
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Set entries, with their keys checked."""
        _check_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        """Make a dictionary of what is on the stack."""
        _check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self) -> None:
        """Add members to a set."""
        _check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        """Make a set of what is on the stack."""
        _check_keys(self.stack)
        super().load_frozenset()

    dispatch = _InPython.dispatch | {
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
    }


def _check_keys(keys: object) -> None:
    """Refuse keys that are not simple values: hashing deeply nested tuples can take forever."""
    for key in keys if isinstance(keys, (list, tuple)) else (keys,):
        if not isinstance(key, (str, int, float, bool, bytes, type(None))):
            raise TypeError(f"a key of {type(key).__name__}")
