"""Parses YAML and JSON from outside within limits: of size, of depth, of repeated aliases.

A YAML file of 300 bytes can expand to gigabytes ("billion laughs"), and a JSON file of brackets
exhausts the stack. Each parser has a budget, and text that exceeds it is an error.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from container_doors.core.printable import shortened

MOST_YAML_BYTES = 256 * 1024
"""Ours have some kilobytes; the slowest file of this size takes a second or two."""

MOST_JSON_BYTES = 32 * 1024**2
"""DVC's list of 100,000 files has a third of that."""

_MOST_NODES = 100_000
"""Nodes of a YAML document; the content of an alias counts each time."""

_DEEPEST = 50
_LONGEST_PLAIN = 1000
"""Characters without quotes: such a text may be a number, which takes time to convert."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON_FAULTS = {
    "Expecting value": "nothing, or no value, where one belongs",
    "Expecting ',' delimiter": "no comma or closing bracket where one belongs",
    "Expecting ':' delimiter": "no colon after a name",
    "Expecting property name enclosed in double quotes": "no name in double quotation marks",
    "Illegal trailing comma before end of object": "a comma after the last value",
    "Illegal trailing comma before end of array": "a comma after the last value",
    "Unterminated string starting at": "a text without its closing quotation mark",
    "Invalid control character at": "a line break or control character in a text",
    "Extra data": "more text after its end",
}
"""What Python's parser says of JSON (json/decoder.py, scanner.c), as the end of a sentence."""

_NOT_A_VALUE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What PyYAML's constructors raise for a value that does not match its tag."""


class ParsingError(ValueError):
    """A text cannot be parsed; the message is short, whatever the text is."""

    def __init__(self, expected: str, found: str, line: int | None = None) -> None:
        """Make the error.

        Args:
            expected: What was expected.
            found: What was found instead.
            line: The line of the text, from 1.
        """
        super().__init__(f"expected {expected}, found {found}")
        self.expected, self.found, self.line = expected, shortened(found), line


def listed(items: Iterable[str], most: int = 10) -> str:
    """List items for a message: the first ones, and the number of the others.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    every = list(items)
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(shortened(one, 80) for one in every[:most]) + rest


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Read a file of limited size.

    Raises:
        ParsingError: If it is larger.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ParsingError(f"at most {_size(most_bytes)}", "more")
    return data


def parse_yaml(text: str | bytes) -> Any:  # noqa: ANN401 - YAML can hold anything
    """Parse a text with one YAML document; duplicate keys in one mapping are an error.

    Raises:
        ParsingError: If it is not YAML, or exceeds the budget.
    """
    text = _decoded(text, MOST_YAML_BYTES)
    try:
        _count(text)
        return yaml.load(text, Loader=_NoDuplicates)  # noqa: S506 - derived from a safe loader
    except ParsingError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = f"a fault ({error.problem})"
        raise ParsingError("YAML", found, mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise ParsingError("YAML", f"a fault ({error.reason})", line) from None
    except (yaml.YAMLError, *_NOT_A_VALUE) as error:
        found = f"an impossible value (for example, a date that does not exist): {error}"
        raise ParsingError("YAML", found.partition("\n")[0]) from None


def parse_json(text: str | bytes, most_bytes: int = MOST_JSON_BYTES) -> Any:  # noqa: ANN401 - JSON can hold anything
    """Parse a JSON text.

    Raises:
        ParsingError: If it is not JSON, or exceeds the budget.
    """
    text = _decoded(text, most_bytes)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        found = _JSON_FAULTS.get(error.msg, f"a fault ({error.msg})")
        raise ParsingError("JSON", found, error.lineno) from None
    except RecursionError:
        raise ParsingError("JSON", "brackets that are nested too deep") from None
    except ValueError as error:
        raise ParsingError("JSON", f"a fault ({str(error).partition(':')[0]})") from None


def key_lines(text: str | bytes) -> dict[tuple[str, ...], int]:
    r"""Return the line of each key of a YAML document, from 1, by the path of keys.

    >>> key_lines("a:\n  b: 1\nc: 2")
    {('a',): 1, ('a', 'b'): 2, ('c',): 3}

    Args:
        text: A text that :func:`parse_yaml` has parsed: its size is within the budget.
    """
    found: dict[tuple[str, ...], int] = {}
    root = yaml.compose(_decoded(text, MOST_YAML_BYTES), Loader=_Loader)
    nodes: list[tuple[tuple[str, ...], Any]] = [((), root)]
    while nodes:
        path, node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                at = (*path, str(key.value))
                found[at] = key.start_mark.line + 1
                nodes.append((at, value))
    return dict(sorted(found.items(), key=lambda one: one[1]))


def _decoded(text: str | bytes, most_bytes: int) -> str:
    if len(text) > most_bytes:
        raise ParsingError(f"at most {_size(most_bytes)}", _size(len(text)))
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ParsingError("text in UTF-8", f"byte 0x{text[error.start]:02x}", line) from None


def _size(count: int) -> str:
    """Write a number of bytes.

    >>> _size(1024**2), _size(5000), _size(17)
    ('1 MiB', '4.9 KiB', '17 bytes')
    """
    for unit, of in (("MiB", 1024**2), ("KiB", 1024)):
        if count >= of:
            return f"{count / of:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count} bytes"


def _count(text: str) -> None:
    """Check the parser's events against the budget, before any value is made."""
    budget = _Budget()
    for event in yaml.parse(text, Loader=_Loader):
        budget.take(event)


class _Budget:
    """Counts the nodes of a document, without making them."""

    def __init__(self) -> None:
        self._open: list[list[Any]] = [["", 0]]
        """Anchor and number of nodes of each open collection; the document first."""
        self._sizes: dict[str, int] = {}
        """The number of nodes, by anchor."""
        self._all = 0

    def take(self, event: yaml.Event) -> None:
        """Count one event.

        Raises:
            ParsingError: If it exceeds the budget.
        """
        line = event.start_mark.line + 1 if event.start_mark else None
        match event:
            case yaml.CollectionStartEvent():
                self._begin(event.anchor, line)
            case yaml.CollectionEndEvent():
                self._end()
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.AliasEvent():
                self._alias(event.anchor or "", line)

    def _begin(self, anchor: str | None, line: int | None) -> None:
        if len(self._open) > _DEEPEST:
            raise ParsingError(f"at most {_DEEPEST} levels of nesting", "more", line)
        self._open.append([anchor, 0])
        self._grow(1, line)

    def _end(self) -> None:
        anchor, size = self._open.pop()
        if anchor:
            self._sizes[anchor] = size
        self._open[-1][1] += size

    def _scalar(self, event: yaml.ScalarEvent, line: int | None) -> None:
        may_be_a_number = event.implicit[0] or event.tag
        if may_be_a_number and len(event.value) > _LONGEST_PLAIN:
            expected = f"at most {_LONGEST_PLAIN} characters without quotes"
            raise ParsingError(expected, f"{len(event.value)}", line)
        if event.anchor:
            self._sizes[event.anchor] = 1
        self._grow(1, line)

    def _alias(self, anchor: str, line: int | None) -> None:
        if any(anchor == open_anchor for open_anchor, _ in self._open):
            raise ParsingError("no recursive alias", f"*{anchor} within itself", line)
        self._grow(self._sizes.get(anchor, 1), line)

    def _grow(self, size: int, line: int | None) -> None:
        self._open[-1][1] += size
        self._all += size
        if self._all > _MOST_NODES:
            found = "more, with the content of aliases"
            raise ParsingError(f"at most {_MOST_NODES} values", found, line)


class _NoDuplicates(_Loader):  # type: ignore[misc]
    """A loader that refuses duplicate keys, where YAML silently takes the last one."""

    def flatten_mapping(self, node: Any) -> None:  # noqa: ANN401
        """Check the keys as written, before a merge (``<<``) adds others that may be overridden."""
        if not hasattr(node, "is_checked"):
            node.is_checked = True
            _refuse_duplicates(node)
        super().flatten_mapping(node)


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    seen: set[object] = set()
    for key, _ in node.value:
        name = (key.tag, key.value) if isinstance(key.value, str) else None
        if name in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"duplicate key {shortened(key.value, 80)!r}", key.start_mark
            )
        seen |= {name} - {None}
