"""One page that needs nothing else."""

import re
from html.parser import HTMLParser
from pathlib import Path
from time import monotonic, sleep

import pytest

from container_doors import assessment, trials
from container_doors.errors import RunError
from container_doors.trials import Climb, Timed
from tests.builders import a_record
from tests.chromium import CHROMIUM, opened
from tests.fakes import FakeDetector, FakeProgress
from tests.trained import RUN, train_in

PAGE = Path("summary.html")


class Blind(FakeDetector):
    """Finds a door where there is none, and none where there is one."""

    def _look(self, image: Path):
        from container_doors.ports import Detections

        seen = super()._look(image)
        found = [] if seen.boxes_xyxy else [(1.0, 1.0, 20.0, 20.0)]
        return Detections(image, 64, 48, found, [0.9] * len(found), duration_ms=5.0)


def page(detector: FakeDetector | None = None) -> str:
    assessment.report_page(
        RUN,
        PAGE,
        open_detector=lambda weights, params: detector or FakeDetector(),
        progress=FakeProgress(),
    )
    return PAGE.read_text()


@pytest.fixture(autouse=True)
def _trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_in(tmp_path, monkeypatch)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    return parser.seen


def test_the_verdict_comes_first_and_every_figure_has_its_n():
    text = page()

    assert text.index('class="verdict"') < text.index("<h2>")
    assert "targets do not hold: val mAP50" in text
    assert "(0.025 to 1.000, n = 1 doors)" in text
    assert "unproven, n = 1" in text


def test_what_the_model_does_is_said_in_a_sentence():
    found = "it finds 1 of 1 door in 2 test photographs, with 0 false alarms: a recall of 0.025"
    missed = "it finds 0 of 1 door in 2 test photographs, with 1 false alarm: a recall of 0.000"
    assert found in page()
    RUN.detections_json("test").unlink()

    assert missed in page(Blind())


def test_scores_stand_side_by_side_in_the_order_of_the_documentation():
    text = page()
    names = re.findall(r'<th scope="row">(\w[\w-]*)</th><td>', text[text.index("In use, at") :])

    assert names[:10] == [
        "recall", "precision", "F1", "AP50", "AP50-95", "mAP50", "mAP50-95", "mP", "mR", "mF1",
    ]  # fmt: skip
    assert "5.0 ms (n = 2: too few to bound it) on a sundial" in text


def test_precision_over_recall_is_drawn_and_said():
    drawn = [attributes["aria-label"] for tag, attributes in tags(page()) if tag == "svg" and
             "Precision over recall" in (attributes.get("aria-label") or "")]  # fmt: skip

    assert drawn == [
        f"Precision over recall on {split}, IoU 0.5, all confidences; "
        "in use recall 1.000, precision 1.000"
        for split in ("val", "test")
    ]


def test_it_needs_no_network_and_no_script():
    for tag, attributes in tags(page(Blind())):
        assert tag not in {"script", "link", "iframe"}
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in PAGE.read_text()


def test_a_screen_reader_is_told_what_the_pictures_show():
    seen = tags(page(Blind()))

    assert all(attributes.get("alt") for tag, attributes in seen if tag == "img")
    for tag, attributes in seen:
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    assert seen[0] == ("html", {"lang": "en"})


def test_the_mistakes_are_shown_with_boxes_that_can_be_toggled():
    text = page(Blind())

    kinds = re.findall(r'class="kind">([^<]+)<', text)
    assert kinds == ["missed", "label in doubt"]
    for toggled in ("truth", "found", "wrong"):
        assert f'id="{toggled}"' in text
        assert f'<rect class="{toggled}"' in text


def test_robustness_is_shown_when_it_was_measured():
    assert "Not measured: <code>doors robustness --experiment exp1" in page()

    trials.climb_ladders(
        RUN,
        "test",
        asked=Climb(corrupt=lambda *asked: asked[-1], is_quick=True, budget_s=-1),
        open_detector=lambda weights, params: FakeDetector(),
        progress=FakeProgress(),
    )
    assert "Not measured: darkness 0.5" in page()


def test_the_formats_are_shown_when_they_were_timed():
    assert "Not measured: <code>doors latency --experiment exp1" in page()

    trials.time_formats(
        RUN,
        "val",
        asked=Timed(on=a_record().hardware, formats=("onnx",)),
        export=lambda *given, **named: FakeDetector(),
        open_detector=lambda weights, params: FakeDetector(),
        progress=FakeProgress(),
    )

    assert "yes, 1 boxes, at most 0.00 px apart" in page()
    assert "5.0 ms (too few to bound, n = 1)" in page()


def test_the_same_run_gives_the_same_page():
    assert page() == page()


def test_what_is_no_report_is_not_replaced():
    PAGE.write_text("mine")

    with pytest.raises(RunError, match=r"summary\.html is there already, and is no report"):
        page()


INJECTED = """
    document.body.insertAdjacentHTML('beforeend',
      '<p style="color:red" onclick="ran(1)">x</p><img src="data:," onerror="ran(2)">'
      + '<form action="https://example.org"></form><iframe srcdoc="<script>parent.ran(3)</script>">'
      + '</iframe><svg onload="ran(4)"></svg><base href="https://example.org/">');
    const script = document.createElement('script');
    script.textContent = 'ran(5)';
    document.body.append(script);
    document.querySelector('p[style]').click();
    document.querySelector('form').submit();
"""


def watched(text: str) -> str:
    """Have the page note what is refused and what runs, before anything of it is read."""
    listening = (
        "<script>refused = []; happened = []; ran = one => happened.push(one);"
        "document.addEventListener('securitypolicyviolation', one =>"
        " refused.push(one.effectiveDirective));</script>"
    )
    return text.replace("<head>", f"<head>{listening}", 1)


class Stubborn(FakeDetector):
    """Finds the same in every picture, with labels beside it or without."""

    def _look(self, image: Path):
        from container_doors.ports import Detections

        return Detections(image, 64, 48, [(1.0, 1.0, 20.0, 20.0)], [0.9], duration_ms=5.0)


@pytest.fixture
def ladders() -> None:
    trials.climb_ladders(
        RUN,
        "test",
        asked=Climb(corrupt=lambda *asked: asked[-1], is_quick=True),
        open_detector=lambda weights, params: Stubborn(),
        progress=FakeProgress(),
    )


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_it_on_a_phone_in_the_dark_and_obeys_the_keyboard(
    ladders: None, tmp_path: Path
):
    page(Blind())
    with opened(PAGE, tmp_path / "profile") as shown:
        for width_px in (390, 1100):
            shown.show(width_px=width_px)
            shown.evaluate("document.querySelector('h1').textContent = 'x_'.repeat(50)")
            assert shown.evaluate("document.documentElement.scrollWidth") <= width_px
        papers = []
        for scheme in ("light", "dark"):
            shown.show(width_px=390, scheme=scheme)
            papers.append(shown.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert papers == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]
        assert shown.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
        assert shown.evaluate("performance.getEntriesByType('resource').filter("
                              "one => !one.name.startsWith('data:')).length") == 0  # fmt: skip

        reached = []
        for _ in range(15):
            shown.press("Tab", "Tab", 9)
            reached.append(
                shown.evaluate("document.activeElement.id || document.activeElement.ariaLabel")
            )
            if reached[-1] in {"truth", "found", "wrong"}:
                seen = f"getComputedStyle(document.querySelector('rect.{reached[-1]}')).display"
                assert shown.evaluate(seen) == "inline"
                shown.press(" ", "Space", 32, " ")
                assert shown.evaluate(seen) == "none"
        assert {"Targets", "truth", "found", "wrong"} <= set(reached)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_refuses_nothing_of_it_and_all_that_is_put_into_it(ladders: None, tmp_path: Path):
    """Whatever an unescaped name could be: a handler, a script, a frame, a style, a form."""
    PAGE.write_text(watched(page(Blind())))
    with opened(PAGE, tmp_path / "profile") as shown:
        assert shown.evaluate("refused.length + happened.length") == 0
        assert shown.evaluate("getComputedStyle(document.body).maxWidth") == "960px"
        assert shown.evaluate("getComputedStyle(document.querySelector('circle[fill]')).fill") == (
            "rgb(0, 114, 178)"
        )

        shown.evaluate(INJECTED)
        expected = {"style-src-attr", "script-src-attr", "script-src-elem", "base-uri",
                    "form-action"}  # fmt: skip
        end = monotonic() + 20
        while not expected <= set(shown.evaluate("refused")) and monotonic() < end:
            sleep(0.05)
        assert set(shown.evaluate("refused")) == expected
        assert shown.evaluate("happened") == []


def test_the_policy_stands_before_all_that_it_is_for():
    seen = tags(page())

    names = [tag for tag, _ in seen[:4]]
    assert names == ["html", "head", "meta", "meta"]
    assert seen[3][1]["http-equiv"] == "Content-Security-Policy"
    policy = seen[3][1]["content"] or ""
    directives = dict(one.split(" ", 1) for one in policy.split("; "))
    assert directives.pop("style-src").startswith("'sha256-")
    assert directives == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    assert not [attributes for _, attributes in seen if "style" in attributes]
