"""Check that free text is shown literally."""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from container_doors.reporting.escaping import code, escaped

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class _Text(HTMLParser):
    """Collects the text and the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def shown(markdown: str) -> _Text:
    page = _Text()
    page.feed(MARKDOWN.render(f"| a | b |\n| --- | --- |\n| {markdown} | end |\n"))
    return page


@given(st.text())
@example("a|b\\|c\\\\|d")
@example("`a` ``b| ```")
@example("*a* **b** _c_ __d__ ~~e~~ <b>f</b> &amp; &#124; [g](h) ![i](j) <https://k.l> $m$")
@example("line\nline\r\nline\u2028line\x85line\x0bline\x00")
@example("\ud800")
@pytest.mark.parametrize("write", [escaped, code])
def test_any_text_is_one_cell_of_plain_text(write, text: str):
    page = shown(write(text))

    assert page.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td",
                         *["code"] * (write is code), "td"]  # fmt: skip
    one_line = "".join(character if character.isprintable() else " " for character in text)
    assert page.text.split() == ["a", "b", *one_line.split(), "end"]


@pytest.mark.parametrize("text", ["detection_exp001_yolo11s", "weights/pretrained/yolo11s.pt", ""])
def test_plain_names_stay_readable_in_the_source(text: str):
    assert escaped(text) == text


def test_none_is_shown_as_not_measured():
    assert escaped(None) == "not measured"
