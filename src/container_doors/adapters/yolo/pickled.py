"""What a pickle would make and call, found out without making or calling any of it.

A pickle is a program for a small machine: https://docs.python.org/3/library/pickle.html. Here it
is run by that machine, with stand-ins for everything that it imports. They do nothing but write
down what is done with them, so whatever a pickle asks for, no code of its choice runs.
"""

import io
import pickle
from dataclasses import dataclass, field
from typing import Any, Self

_InPython: Any = pickle._Unpickler  # noqa: SLF001
"""Python's own unpickler, the one in Python: that in C takes no stand-in for a class."""

MOST_BYTES = 64 * 2**20
"""Of one pickle; that of a YOLO11s has 0.13 MB, because tensors are kept beside it."""


_HASHES = ("set", "frozenset", "OrderedDict")
"""What computes a hash of each thing that it is called with."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a pickle does with what it imports, each by ``module.name``."""

    called: set[str] = field(default_factory=set)
    """Functions and classes that it calls."""
    attributes: set[object] = field(default_factory=set)
    """Names that it asks ``getattr`` for; None for what is no text."""
    mentioned: set[str] = field(default_factory=set)
    """All that it imports: to call it, to make objects of it, or for no reason."""


class UnreadableError(ValueError):
    """The bytes are no pickle, or one that does what no honest one does."""


def uses_of(data: bytes) -> Uses:
    """Tell what a pickle would do.

    Args:
        data: At most :data:`MOST_BYTES`.

    Raises:
        UnreadableError: If it cannot be followed to its end.
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
    """The class of everything imported: to call it writes its name down, and makes a stand-in."""

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
    """Stands in for an object: takes whatever state, items or entries it is given."""

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make one, whatever it is made of."""
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Take a state."""

    def __setitem__(self, key: object, value: object) -> None:
        """Take an entry."""

    def append(self, item: object) -> None:
        """Take an item."""

    def extend(self, items: object) -> None:
        """Take items."""

    def add(self, item: object) -> None:
        """Take a member."""


class _Follower(_InPython):  # type: ignore[misc]
    """Follows a pickle with stand-ins."""

    def __init__(self, data: bytes, uses: Uses) -> None:
        super().__init__(io.BytesIO(data))
        self._uses = uses
        self._found: dict[str, _StandIn] = {}

    def find_class(self, module: str, name: str) -> _StandIn:
        """Give a stand-in, the same for the same name."""
        origin = f"{module}.{name}"
        self._uses.mentioned.add(origin)
        if origin not in self._found:
            members = {"uses": self._uses, "origin": origin}
            self._found[origin] = _StandIn("StandIn", (_Made,), members)
        return self._found[origin]

    def persistent_load(self, pid: object) -> _Made:  # noqa: ARG002 - pickle's
        """Stand in for a tensor's storage."""
        return _Made()

    def load_setitem(self) -> None:
        """Set an entry."""
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Set entries."""
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
    """Refuse keys that are not plain: of tuples in tuples a hash can take for ever."""
    for key in keys if isinstance(keys, (list, tuple)) else (keys,):
        if not isinstance(key, (str, int, float, bool, bytes, type(None))):
            raise TypeError(f"a key of {type(key).__name__}")
