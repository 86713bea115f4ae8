"""Free text in Markdown: shown as it was written, whatever it holds."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_MARKS = re.compile(r"[\\|`*<&\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown, its tables, its mathematics or HTML would act on. An underscore within a word
is plain, and stays readable in the source; so does '>', which means nothing within a line."""

_NAMED = {"<": "&lt;", "&": "&amp;"}


def escaped(value: object) -> Markup:
    """Write a value so that every Markdown renderer shows it as one line of plain text.

    Marks become character references, which no renderer reads as markup. A backslash would do
    for most, but renderers disagree on which pipes it protects in a table. What is Markup
    already passes.

    >>> print(escaped("a|b_c <i>"))
    a&#124;b_c &lt;i>
    """
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup("not measured")
    return Markup(_MARKS.sub(_reference, _one_line(str(value))))  # noqa: S704 - escaped here


def code(value: object) -> Markup:
    """Write a value in a fixed-width face, escaped like any other."""
    return Markup("<code>{}</code>").format(escaped(value))


def markdown_templates() -> Environment:
    """Make what reads our templates; whatever they print is escaped unless it is markup already."""
    return Environment(
        loader=PackageLoader("container_doors.reporting", package_path=""),
        autoescape=True,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _reference(mark: re.Match[str]) -> str:
    return _NAMED.get(mark[0], f"&#{ord(mark[0])};")


def _one_line(text: str) -> str:
    """Replace what has no glyph, such as a line end or a lone surrogate, by a space."""
    return "".join(character if character.isprintable() else " " for character in text)
