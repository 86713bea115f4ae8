"""Decides which boxes of a source are kept, renamed and dropped, by the names of their classes."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from container_doors.core.errors import ConfigError, SourceError
from container_doors.core.printable import shortened
from container_doors.data.data_yaml import CLASS_NAME

EVERY_OTHER = "*"


@dataclass(frozen=True, slots=True)
class ClassChoice:
    """What a person said about classes."""

    kept: str = CLASS_NAME
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    """``*`` drops every class that is not kept or renamed."""

    def fate(self, name: str) -> str | None:
        """Return ``kept``, ``as NAME`` or ``dropped``; None if nothing was said about the class."""
        if name in self.dropped:
            return "dropped"
        if name in self.renamed:
            return f"as {self.kept}"
        if _plain(name) == _plain(self.kept):
            return "kept"
        return "dropped" if EVERY_OTHER in self.dropped else None

    def is_kept(self, name: str) -> bool:
        """Return whether boxes of a class are kept, under whatever name."""
        return self.fate(name) in {"kept", f"as {self.kept}"}


def read_choice(kept: str, renamed: Iterable[str], dropped: Iterable[str]) -> ClassChoice:
    """Read the options.

    Args:
        kept: The class of the data set.
        renamed: Texts such as ``rear door=container_door``.
        dropped: Names of classes.

    Raises:
        ConfigError: If one of them makes no sense.
    """
    pairs = {}
    for text in renamed:
        name, equals, new = text.rpartition("=")
        if not equals or not name:
            raise ConfigError(
                f"--map: expected NAME=NEW_NAME, found {text!r}", hint=f"--map 'rear door={kept}'"
            )
        if _plain(new) != _plain(kept):
            raise ConfigError(
                f"--map {text!r}: expected the class of the data set, {kept}, found {new!r}",
                hint=f"--map {shlex.quote(f'{name}={kept}')}, or --class {shlex.quote(new)}",
            )
        pairs[name] = new
    choice = ClassChoice(kept, pairs, frozenset(dropped))
    both = sorted(set(pairs) & choice.dropped)
    if both:
        problem = f"expected one of --map and --drop for {both[0]!r}, found both"
        raise ConfigError(problem, hint="leave one of the two out")
    return choice


def require_known(counts: Counter[str], choice: ClassChoice) -> None:
    """Check that every class of a source is spoken of, and every class that is spoken of is there.

    Raises:
        SourceError: If not; it shows the classes with their counts, and the options.
    """
    unknown = [name for name in counts if choice.fate(name) is None]
    if unknown:
        listing = [f"{shortened(name, 80)}: {count} boxes" for name, count in counts.most_common()]
        name = unknown[0]
        raise SourceError(
            f"expected boxes of the class {choice.kept}, found other classes too",
            faults=listing[:50],
            hint=f"for each other class: --map {shlex.quote(f'{name}={choice.kept}')} if it is "
            f"one, --drop {shlex.quote(name)} if not, or --drop '{EVERY_OTHER}' for all that are "
            "not named",
        )
    said = {*choice.renamed, *choice.dropped} - {EVERY_OTHER}
    absent = sorted(name for name in said if name not in counts)
    if absent and counts:
        raise SourceError(
            f"expected a class of the source, found {absent[0]!r}, which no box has",
            hint=f"its classes: {', '.join(map(repr, list(counts)[:20]))}",
        )


def _plain(name: str) -> str:
    """Return a class name without what tools change: case, spaces, hyphens.

    >>> _plain("Container-Door") == _plain("container door")
    True
    """
    return re.sub(r"[\W_]+", "", name.casefold())
