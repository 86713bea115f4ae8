import string

import pytest
from gto.constants import tag_re
from hypothesis import given
from hypothesis import strategies as st

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.records import Version
from container_doors.core.run import Run
from container_doors.publishing.names import (
    git_tag,
    next_version,
    parse_name,
    parse_tag,
    version_name,
)

WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=6) | st.sampled_from(
    ["lock", "detection", "v1", "20261123", "0"]
)


@st.composite
def experiments(draw: st.DrawFn) -> str:
    """Every name that a run may have: words joined by single '-' or '_'."""
    words = draw(st.lists(WORDS, min_size=1, max_size=8))
    joints = draw(st.lists(st.sampled_from("-_"), min_size=len(words), max_size=len(words)))
    name = "".join(word + joint for word, joint in zip(words, joints, strict=True))[:-1]
    return Run(name).name


VERSIONS = st.builds(
    Version,
    major=st.integers(0, 300),
    minor=st.integers(0, 300),
    date=st.dates().map(lambda day: f"{day:%Y%m%d}".zfill(8)),
    experiment=experiments(),
)


@given(VERSIONS)
def test_both_spellings_are_read_back(version: Version):
    assert parse_name(version_name(version)) == version
    assert parse_tag(git_tag(version)) == version


@given(VERSIONS)
def test_git_and_semantic_versioning_accept_every_tag(version: Version):
    """By git-check-ref-format(1) and semver.org, as GTO parses it."""
    tag = git_tag(version)

    match = tag_re.match(tag)
    assert match is not None
    assert match["artifact"] == "detection"
    assert match["version"] == tag.removeprefix("detection@")
    assert not tag.endswith((".lock", "."))
    assert ".." not in tag


@given(experiments(), st.lists(VERSIONS, max_size=5), st.booleans())
def test_the_next_version_is_above_every_known_one(
    experiment: str, known: list[Version], major: bool
):
    version = next_version(known, experiment=experiment, date="20261123", major=major)

    assert all((version.major, version.minor) > (old.major, old.minor) for old in known)
    assert parse_tag(git_tag(version)) == version


@pytest.mark.parametrize(
    "tag",
    [
        "v1.0.0",
        "detection@v1.0.0",
        "detection@v1.0.1+20261123.exp001",
        "detection@v01.0.0+20261123.exp001",
        "detection@v1.0.0+2026112.exp001",
        "detection@v1.0.0+20261123.exp_001",
        "detection@v1.0.0+20261123.",
        "detection@v1.0.0+20261123.a--b",
        "detection@v1.0.0+20261123.a.lock",
        "detection@v1.0.0+20261123.exp001\n",
        "detection@v1.0.0+٢٠٢٦١١٢٣.exp001",
        "detection#prod",
        "other@v1.0.0+20261123.exp001",
    ],
)
def test_a_foreign_tag_is_none(tag: str):
    assert parse_tag(tag) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "detection_v1.0_20261123",
        "detection_v1_20261123_exp001",
        "detection_v1.0_20261123_exp__001",
        "detection_v1.0_20261123_exp001/..",
        "detection@v1.0.0+20261123.exp001",
        "detection_v1.0_20261123_" + "x" * 300,
    ],
)
def test_a_foreign_name_is_refused(name: str):
    with pytest.raises(VersioningError, match="expected a version such as") as caught:
        parse_name(name)
    assert len(caught.value.problem) < 150


def test_a_version_of_an_impossible_experiment_is_never_spelled():
    version = Version(major=1, minor=0, date="20261123", experiment="../etc")

    with pytest.raises(RunError, match="cannot name an experiment"):
        version_name(version)


@pytest.mark.parametrize(
    ("experiment", "label"),
    [
        ("detection_exp001_yolo11s_baseline", "exp001_yolo11s_baseline"),
        ("exp001", "exp001"),
        ("detection", "detection"),
        ("detection-exp001", "detection-exp001"),
        ("detection_detection_x", "detection_x"),
    ],
)
def test_the_word_detection_is_not_repeated(experiment: str, label: str):
    version = next_version([], experiment=experiment, date="20241207")

    assert version_name(version) == f"detection_v1.0_20241207_{label}"


def test_numbers_are_compared_as_numbers():
    known = [Version(major=1, minor=minor, date="20261123", experiment="a") for minor in (9, 10, 2)]

    assert next_version(known, experiment="b", date="20261124").minor == 11
