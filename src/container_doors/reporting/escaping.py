"""Escape free text in Markdown and in pages, so that it is shown literally."""

import re
import shlex
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from container_doors.core.printable import printable

_MARKS = re.compile(r"[\\|`*<&\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
"""Characters with a meaning in Markdown, its tables, its mathematics or HTML. An underscore in a
word has none, nor has '>' within a line; both stay readable."""

_PLAIN = re.compile(r"[\w@%+=:,./~-]+", re.ASCII)
"""What a shell takes literally: a tilde is special only where a word begins with it, as no name
of a run or version does."""

_NAMED = {"<": "&lt;", "&": "&amp;"}


def escaped(value: object) -> Markup:
    """Return a value that every Markdown renderer shows as one line of plain text.

    Special characters become character references, which no renderer reads as markup. A backslash
    works for most, but renderers disagree on escaped pipes in tables. Markup is returned unchanged.

    >>> print(escaped("a|b_c <i>"))
    a&#124;b_c &lt;i>
    """
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup("not measured")
    return Markup(_MARKS.sub(_reference, _one_line(str(value))))  # noqa: S704 - escaped here


def code(value: object) -> Markup:
    """Return a value in a fixed-width font, escaped."""
    return Markup("<code>{}</code>").format(escaped(value))


def typed(value: object) -> Markup:
    """Return a value for a block of commands, quoted for a shell: nothing is escaped in there.

    >>> print(typed("exp1~1"), typed("a b"))
    exp1~1 'a b'
    """
    text = _one_line(str(value))
    word = text if _PLAIN.fullmatch(text) else shlex.quote(text)
    return Markup(word.replace("```", "` ` `"))  # noqa: S704 - Markdown shows it literally


def markdown_templates() -> Environment:
    """Return the template environment of a Markdown document; values are escaped for Markdown."""
    environment = page_templates(escaped)
    environment.keep_trailing_newline = True
    environment.filters["typed"] = typed
    return environment


def page_templates(finalize: Callable[[object], object] | None = None) -> Environment:
    """Return the template environment of a page; values are escaped unless they are Markup.

    Args:
        finalize: Changes each value before it is escaped.
    """
    return Environment(
        loader=PackageLoader("container_doors.reporting", package_path=""),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def printable_text(value: object) -> object:
    """Return text with its control characters escaped; other values, and Markup, as they are."""
    return printable(value) if type(value) is str else value


def _reference(match: re.Match[str]) -> str:
    return _NAMED.get(match[0], f"&#{ord(match[0])};")


def _one_line(text: str) -> str:
    """Replace unprintable characters, such as line ends and lone surrogates, by spaces."""
    return "".join(character if character.isprintable() else " " for character in text)
