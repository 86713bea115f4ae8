"""Text from outside, shown as it is: no character of it moves a cursor or begins a line."""


def printable(text: object) -> str:
    r"""Write a value as one line without control characters; letters of any language stay.

    What has no glyph of its own is spelt as in Python: a file's name may hold a line end, which
    would forge a line, an escape sequence, which would clear a screen, a mark that reverses the
    order of letters, and bytes that are no UTF-8.

    >>> print(printable("Tür\n0 error(s)"), printable("\x1b[2Ja\u202eb"), printable("\udcff"))
    Tür\n0 error(s) \x1b[2Ja\u202eb \udcff
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


def one_line(text: object) -> str:
    r"""Join what a program says in several lines, and show it as :func:`printable` does.

    >>> one_line("not YAML:\n  line 2\x07")
    'not YAML: line 2\\x07'
    """
    return printable(" ".join(str(text).split()))
