"""Parses XML within a budget, and remembers on which line each element is.

Entities of a document's own are refused: a file of 300 bytes can expand to gigabytes ("billion
laughs"), or read a file of this machine.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from container_doors.data.formats.record import MalformedError
from container_doors.data.sources import Source

MOST_XML_BYTES = 128 * 1024**2
"""CVAT's XML of 400,000 boxes."""

_DEEPEST = 50
_LARGEST = 1e9


@dataclass(slots=True)
class Element:
    """An element with its place."""

    tag: str
    attributes: dict[str, str]
    where: str
    """The file and the line."""
    children: "list[Element]" = field(default_factory=list)
    text: str = ""

    def find(self, path: str) -> "Element | None":
        """Return the first element below a path of tags such as ``meta/task``; None if absent."""
        found: Element | None = self
        for tag in path.split("/"):
            found = next((one for one in found.children if one.tag == tag), None) if found else None
        return found

    def each(self, tag: str) -> Iterator["Element"]:
        """Yield the children with a tag."""
        return (one for one in self.children if one.tag == tag)

    def content(self, path: str) -> str:
        """Return the text of an element below; empty if absent."""
        found = self.find(path)
        return found.text.strip() if found else ""

    def need(self, path: str) -> "Element":
        """Return an element below.

        Raises:
            MalformedError: If it is absent.
        """
        found = self.find(path)
        if found is None:
            raise MalformedError(self.where, f"an element {path} in {self.tag}", "none")
        return found

    def number(self, path: str) -> float:
        """Return the number in an element below."""
        element = self.need(path)
        return as_number(element.text, element.where, path)

    def attribute(self, name: str) -> float:
        """Return an attribute that is a number.

        Raises:
            MalformedError: If it is absent or none.
        """
        return as_number(self.attributes.get(name, ""), self.where, name)


def as_number(text: str, where: str, name: str) -> float:
    """Parse a finite number.

    Raises:
        MalformedError: If it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= _LARGEST:
        raise MalformedError(where, f"{name}: a number", repr(text.strip()))
    return number


def read_xml(source: Source, member: str) -> Element:
    """Parse a file of a source.

    Raises:
        MalformedError: If it is not XML, nested too deep, or has entities.
        SourceError: If it cannot be read, or is too large.
    """
    return _Builder(source.where(member)).parse(source.read(member, MOST_XML_BYTES))


def root_tag(source: Source, member: str) -> str:
    """Return the tag of the first element, from a file's first bytes; empty if there is none."""
    builder = _Builder(source.where(member))
    parser = builder.parser
    with suppress(expat.ExpatError, LookupError):
        parser.Parse(source.start(member, 65536), False)
    return builder.root.tag if builder.root else ""


class _Builder:
    def __init__(self, where: str) -> None:
        self._where = where
        self.root: Element | None = None
        self._open: list[Element] = []
        self.parser: Any = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._entity
        self.parser.ExternalEntityRefHandler = self._entity

    def parse(self, data: bytes) -> Element:
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as error:
            found = f"a fault ({expat.ErrorString(error.code)})"
            raise MalformedError(f"{self._where}:{error.lineno}", "XML", found) from None
        except (ValueError, LookupError) as error:  # an unknown encoding
            if isinstance(error, MalformedError):
                raise
            raise MalformedError(self._where, "XML", f"a fault ({error})") from None
        if self.root is None:
            raise MalformedError(self._where, "XML", "no element")
        return self.root

    def _place(self) -> str:
        return f"{self._where}:{self.parser.CurrentLineNumber}"

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _DEEPEST:
            raise MalformedError(self._place(), f"at most {_DEEPEST} levels of nesting", "more")
        element = Element(tag, attributes, self._place())
        if self._open:
            self._open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].text += text

    def _entity(self, *_: object) -> int:
        raise MalformedError(self._place(), "XML without entities of its own", "an entity")
