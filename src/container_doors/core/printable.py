"""Makes text from outside fit for a message: printable, on one line, and short."""


def printable(text: object) -> str:
    r"""Write a value as one line without control characters; letters of every language stay.

    Characters without a glyph are escaped as in Python. A file's name may contain a line end, which
    would forge a line; an escape sequence, which would clear the screen; a mark that reverses the
    order of letters; and bytes that are no UTF-8.

    >>> print(printable("Tür\n0 error(s)"), printable("\x1b[2Ja\u202eb"), printable("\udcff"))
    Tür\n0 error(s) \x1b[2Ja\u202eb \udcff
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


class AsTyped(str):
    """A line whose paths are relative to the person's folder already, as they were typed."""

    __slots__ = ()


def one_line(text: object) -> str:
    r"""Join a message of several lines into one, and make it :func:`printable`.

    >>> one_line("not YAML:\n  line 2\x07")
    'not YAML: line 2\\x07'
    """
    return printable(" ".join(str(text).split()))


def shortened(text: str, most: int = 200) -> str:
    """Cut a text so that it fits into a message.

    >>> shortened("abcdefghijklmnopqrstuvwxyz", most=24)
    'abcde... (26 characters)'
    """
    if len(text) <= most:
        return text
    rest = f"... ({len(text)} characters)"
    return f"{text[: most - len(rest)]}{rest}"
