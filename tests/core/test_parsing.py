"""Small files that stand for large things: each costs a moment, and one short message."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from container_doors.core.config import load_params
from container_doors.core.errors import ConfigError, VersioningError
from container_doors.core.parsing import ParsingError, parse_json, parse_yaml, read_bounded
from container_doors.data.layout import read_layout
from container_doors.publishing.pointers import read_pointer


def laughs(levels: int) -> str:
    """Each level is nine times the one before."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"names: *a{levels - 1}", ""])


BOMBS = {
    "a billion laughs": (laughs(10), "at most 100000 values"),
    "324 bytes of laughs": (laughs(7), "at most 100000 values"),
    "laughs in merges": (
        "m0: &m0 {k: 1}\n"
        + "".join(f"m{n}: &m{n} {{<<: [{','.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 9)),
        "at most 100000 values",
    ),
    "an alias of itself": ("names: &a [*a]\n", "found .a within itself"),
    "an alias of what it is in": ("a: &a {b: {c: *a}}\n", "found .a within itself"),
    "brackets": ("names: " + "[" * 100_000, "at most 50 levels"),
    "braces": ("names: " + "{a: " * 60_000, "at most 50 levels"),
    "dashes": ("- " * 100_000, "at most 50 levels"),
    "a long number": ("nc: " + "9" * 5000, "at most 1000 characters without quotes"),
    "a long number of base 60": ("nc: !!int '" + "1:" * 60_000 + "1'", "at most 1000 characters"),
    "many bytes": ("#" * 300_000, "at most 256 KiB"),
    "a key twice": ("train: a\ntrain: b\n", "duplicate key 'train'"),
    "no such month": ("names: 2001-99-99\n", "month must be in"),
    "no truth": ("names: !!bool perhaps\n", "an impossible value "),
    "an object": ("names: !!python/object/apply:os.system [ls]\n", "not determine a constructor"),
    "two documents": ("a: 1\n---\na: 2\n", "another document"),
    "no such anchor": ("a: *b\n", "undefined alias"),
    "a control character": ("a: \x07\n", "control characters"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_yaml_costs_more_than_a_moment_and_a_line(name: str, tmp_path: Path):
    text, complaint = BOMBS[name]
    for path in ("data.yaml", "params.yaml", "best.pt.dvc"):
        (tmp_path / path).write_text(text)

    layout, (finding, *more) = read_layout(tmp_path)
    with pytest.raises(ConfigError, match=complaint) as refused:
        load_params(tmp_path / "params.yaml")
    with pytest.raises(VersioningError, match="expected a DVC pointer to one file"):
        read_pointer(tmp_path / "best.pt.dvc")

    assert (layout, more, finding.rule) == (None, [], "data-yaml-invalid")
    assert len(str(finding)) < 400
    assert len(refused.value.problem) < 400 + len(str(tmp_path))


def test_what_a_setting_is_given_on_the_command_line_is_bounded_too(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("detection: {}\n")

    with pytest.raises(ConfigError, match="the value is not YAML") as refused:
        load_params(tmp_path / "params.yaml", ["detection.model.pretrained=" + "[" * 100_000])

    assert len(refused.value.problem) < 600 + len(str(tmp_path))


def test_a_file_of_other_keys_is_a_short_message(tmp_path: Path):
    keys = "".join(f"  k{number}: {number}\n" for number in range(10_000))
    (tmp_path / "params.yaml").write_text(f"detection:\n{keys}  {'x' * 900}: 1\n")
    (tmp_path / "data.yaml").write_text(f"names: {['n' * 50] * 2000}\n" + keys.replace("  ", ""))

    with pytest.raises(ConfigError, match=r"has 10002 fault\(s\)(.|\n)*and 9952 more") as refused:
        load_params(tmp_path / "params.yaml")
    _, findings = read_layout(tmp_path)

    assert len(refused.value.problem) < 10_000
    assert len(findings) < 40
    assert all(len(str(finding)) < 1300 for finding in findings)


def test_a_path_that_is_too_long_is_a_finding(tmp_path: Path):
    (tmp_path / "data.yaml").write_text(
        f"path: '{'p' * 300}'\ntrain: '{'images/' * 900}'\nval: 'images/{'v' * 300}'\nnames: [a]\n"
    )

    _, findings = read_layout(tmp_path)

    assert {"data-yaml-path", "split-folder-missing"} <= {finding.rule for finding in findings}


MERGES = {
    "an override": "base: &base {epochs: 3, names: [a, b]}\nother:\n  <<: *base\n  epochs: 4\n",
    "of what is made of one": "p:\n  q: &q {<<: {x: 1}, x: 2}\nr: {<<: *q, x: 3}\n",
    "above its base": "a: &a {<<: {x: 1}, x: 2}\n<<: *a\n",
    "of several": "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: [*a, *b], x: 3}\n",
}


@pytest.mark.parametrize("text", MERGES.values(), ids=MERGES)
def test_anchors_and_merges_that_people_write_still_work(text: str):
    assert parse_yaml(text) == yaml.safe_load(text)


def test_a_key_twice_beside_a_merge_is_one_too_many():
    with pytest.raises(ParsingError, match="duplicate key 'x'"):
        parse_yaml("a: {<<: {x: 1}, x: 2, x: 3}\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("[" * 100_000, "nested too deep", id="brackets"),
        pytest.param('{"a":' * 100_000, "nested too deep", id="braces"),
        pytest.param("9" * 5000, "Exceeds the limit", id="a long number"),
        pytest.param("[1,", "found nothing, or no value, where one belongs", id="cut off"),
        pytest.param('["a', "found a text without its closing quotation mark", id="no end"),
        pytest.param('["\\x"]', r"found a fault \(Invalid .escape", id="a rare one"),
        pytest.param(b'"\xff"', "byte 0xff", id="another encoding"),
        pytest.param("1" * 2000, "at most 1 KiB, found 2 KiB", id="many bytes"),
    ],
)
def test_no_json_is_more_than_a_line(text: str | bytes, complaint: str):
    with pytest.raises(ParsingError, match=complaint):
        parse_json(text, most_bytes=1024 if complaint.startswith("at most") else 10**6)


def test_no_more_of_a_file_is_read_than_there_may_be(tmp_path: Path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10**12)

    with pytest.raises(ParsingError, match="expected at most 1 MiB, found more"):
        read_bounded(tmp_path / "large", 1024**2)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(value=VALUES)
def test_what_was_written_is_read_back(value: object):
    assert parse_yaml(yaml.safe_dump(value)) == value


@given(text=st.text(alphabet="a:-[]{}&*!|> \n'\"#%,?~1.", max_size=60))
def test_any_text_is_a_value_or_a_fault(text: str):
    with suppress(ParsingError):
        parse_yaml(text)
