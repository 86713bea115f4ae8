"""Check the report as one HTML page."""

import base64
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

import pytest

from container_doors.core.errors import RunError
from container_doors.core.measurements import Evaluated
from container_doors.core.records import RunRecord
from container_doors.steps.latency import LatencySettings, time_formats
from container_doors.steps.robustness import RobustnessSettings, measure_robustness
from container_doors.steps.summary import report_page
from tests.builders import a_record
from tests.chromium import CHROMIUM, opened
from tests.fakes import FakeDetector, FakeProgress
from tests.trained import RUN, forget_detections, train_in

PAGE = Path("summary.html")


class Blind(FakeDetector):
    """Finds a door in photographs without one, and none in photographs with one."""

    def _look(self, image: Path):
        from container_doors.core.ports import Detections

        seen = super()._look(image)
        found = [] if seen.boxes_xyxy else [(1.0, 1.0, 20.0, 20.0)]
        return Detections(image, 64, 48, found, [0.9] * len(found), duration_ms=5.0)


def page(detector: FakeDetector | None = None) -> str:
    report_page(
        RUN,
        PAGE,
        open_detector=lambda weights, params: detector or FakeDetector(),
        progress=FakeProgress(),
    )
    return PAGE.read_text()


@pytest.fixture(autouse=True)
def _trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_in(tmp_path, monkeypatch)
    forget_detections()


class Silent(FakeDetector):
    """Finds nothing."""

    def _look(self, image: Path):
        from container_doors.core.ports import Detections

        return Detections(image, 64, 48, [], [], duration_ms=5.0)


def first(pattern: str, text: str) -> str:
    found: list[str] = re.findall(pattern, text)
    return found[0]


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


def test_the_verdict_comes_first_and_every_score_has_its_n():
    text = page()

    (verdict,) = re.findall(r'<p class="verdict ([\w-]+)">.*?<span>([^<]+)</span></p>', text)
    assert verdict == ("missed", "0 of 5 targets hold: 1 missed, 4 not proven")
    assert text.index('class="verdict') < text.index("<h2")
    assert text.count("0 of 5 targets hold") == 1
    assert "0.025 to 1.000,</span> <span>n = 1 door<" in text
    assert "unproven, n = 1" in text


def test_the_three_main_scores_have_their_intervals_and_the_status_of_their_target():
    text = page()

    figures = re.findall(r'<li class="figure">.*?</li>', text, re.DOTALL)
    assert [first('class="name">([^<]+)<', one) for one in figures] == [
        "Test mAP50", "Test recall", "Test precision",
    ]  # fmt: skip
    assert [first('class="big">([^<]+)<', one) for one in figures] == [
        "0.995", "1.000", "1.000",
    ]  # fmt: skip
    assert all(" at 95 %,</span> <span>n = 1 " in one for one in figures)
    assert 'not proven</span> <span class="soft">target &gt; 0.88<' in figures[0]


def test_an_undefined_score_is_absent():
    """Without the evaluator's own matches there is no mAP; without a box, no precision either."""
    text = page(Blind())
    assert re.findall('class="name">([^<]+)<', text) == [
        "Test recall", "Test precision",
    ]  # fmt: skip
    assert text.count("</svg>not measured</span>") == 3

    RUN.evaluation.unlink()
    for split in ("val", "test"):
        RUN.detections_json(split).unlink()
    text = page(Silent())
    assert re.findall('class="name">([^<]+)<', text) == ["Test recall"]
    assert "Precision over recall" not in text


def test_a_sentence_has_the_found_doors_and_false_alarms():
    found = "it finds 1 of 1 door in 2 test photographs, with 0 false alarms: a recall of 0.025"
    missed = "it finds 0 of 1 door in 2 test photographs, with 1 false alarm.</p>"
    assert found in page()
    RUN.detections_json("test").unlink()

    assert missed in page(Blind())


def test_scores_are_in_the_order_of_the_documentation():
    text = page()
    names = re.findall(r'scope="row">(\w[\w-]*)</th>', text[text.index("In use, at") :])

    assert names[:10] == [
        "recall", "precision", "F1", "AP50", "AP50-95", "mAP50", "mAP50-95", "mP", "mR", "mF1",
    ]  # fmt: skip
    assert (
        '5.0 ms</span> <span class="detail">(n = 2: too few for an interval) on a sundial<' in text
    )


def test_the_precision_recall_curve_has_a_description():
    drawn = [attributes["aria-label"] for tag, attributes in tags(page()) if tag == "svg" and
             "Precision over recall" in (attributes.get("aria-label") or "")]  # fmt: skip

    assert drawn == [
        f"Precision over recall on {split} in use, IoU 0.5, at every confidence; "
        "at 0.25 recall 1.000, precision 1.000"
        for split in ("val", "test")
    ]


class Doubling(FakeDetector):
    """Finds each door, and two false alarms of lower confidence that the evaluator does not see.

    So the curve of average precision, all 1, differs from the curve in use.
    """

    def _look(self, image: Path):
        from container_doors.core.ports import Detections

        seen = super()._look(image)
        alarms = [(1.0, 1.0, 5.0, 5.0), (50.0, 40.0, 60.0, 47.0)]
        confidences = [*seen.confidences, 0.8, 0.3]
        return Detections(
            image, 64, 48, [*seen.boxes_xyxy, *alarms], confidences, 5.0,
            [(True,) * 10] * len(seen.boxes_xyxy) + [(False,) * 10] * 2,
        )  # fmt: skip

    def validate(self, **asked):
        metrics, found = FakeDetector().validate(**asked)
        return metrics, found


def test_the_operating_point_is_on_its_curve():
    """One door is found at 0.9; two photographs each have a false alarm at 0.8 and at 0.3."""
    text = page(Doubling())

    svg = first(r'(<svg class="square c0"[^>]*on test in use.*?</svg>.*?</svg>)', text)
    points = [
        tuple(map(float, one.split(",")))
        for one in first(r'<polyline [^>]*points="([^"]+)"', svg).split()
    ]
    x, y = (
        10 * float(first(rf'<circle class="dot"[^>]* c{axis}="([\d.]+)%"', svg)) for axis in "xy"
    )
    assert (x, y) == (1000, 800), "recall 1, precision 1 of 5"
    assert any(
        abs(before[0] - x) < 1 and abs(after[0] - x) < 1 and before[1] - 1 <= y <= after[1] + 1
        for before, after in pairwise(points)
    )


def test_a_curve_of_an_earlier_release_has_no_operating_point_and_the_reason():
    page()
    document = Evaluated.read(RUN.evaluation)
    older = {
        split: one.model_copy(update={"in_use": None}) for split, one in document.splits.items()
    }
    document.model_copy(update={"splits": older}).write(RUN.evaluation)

    text = page()

    assert text.count("The operating point is not on this curve") == 2
    assert "doors evaluate --experiment exp1 --split test draws the curve in use" in text
    for svg in re.findall(r'<svg class="square.*?</svg>.*?</svg>', text):
        assert "<circle" not in svg


def test_the_training_is_drawn_by_epoch():
    text = page()

    drawn = re.findall(r'aria-label="(mAP on validation[^"]+)"', text)
    assert drawn == ["mAP on validation, by epoch: mAP50-95 from 0.2 in epoch 1 to 0.5 in epoch 3"]
    assert "epoch 2, the best" in text
    assert "Loss (box" not in text, "a metric of no epoch is absent"


def test_the_page_needs_no_network_and_no_script():
    for tag, attributes in tags(page(Blind())):
        assert tag not in {"script", "link", "iframe"}
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert "url(" not in PAGE.read_text()


def test_pictures_have_a_description_for_screen_readers():
    seen = tags(page(Blind()))

    assert all(attributes.get("alt") for tag, attributes in seen if tag == "img")
    for tag, attributes in seen:
        if tag == "svg" and attributes.get("preserveaspectratio") != "none":  # a part of another
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    assert seen[0] == ("html", {"lang": "en"})


def test_the_mistakes_are_shown_with_boxes_that_can_be_toggled():
    text = page(Blind())

    kinds = re.findall(r'class="kind">([^<]+)<', text[text.index('id="mistakes"') :])
    assert kinds == ["missed", "label in doubt"]
    for toggled in ("truth", "found", "wrong"):
        assert f'id="{toggled}"' in text
        assert f'<rect class="{toggled}"' in text


def test_robustness_is_shown_when_it_was_measured():
    assert "Not measured: <code>doors robustness --experiment exp1" in page()

    measure_robustness(
        RUN,
        "test",
        settings=RobustnessSettings(corrupt=lambda *asked: asked[-1], is_quick=True, budget_s=-1),
        open_detector=lambda weights, params: FakeDetector(),
        progress=FakeProgress(),
    )
    assert "Not measured: darkness 0.5" in page()


def test_the_formats_are_shown_when_they_were_timed():
    assert "Not measured: <code>doors latency --experiment exp1" in page()

    time_formats(
        RUN,
        "val",
        settings=LatencySettings(on=a_record().hardware, formats=("onnx",)),
        export=lambda *given, **named: FakeDetector(),
        open_detector=lambda weights, params: FakeDetector(),
        progress=FakeProgress(),
    )

    assert "yes, 1 boxes, at most 0.00 px apart" in page()
    assert '5.0 ms</span> <span class="detail">(too few for an interval, n = 1)<' in page()


def test_the_same_run_gives_the_same_page():
    assert page() == page()


def test_a_file_that_is_not_a_report_is_not_replaced():
    PAGE.write_text("mine")

    with pytest.raises(RunError, match=r"summary\.html exists already, and is not a report"):
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
    """Return a page that first starts to record what is refused and what runs."""
    listening = (
        "<script>refused = []; happened = []; ran = one => happened.push(one);"
        "document.addEventListener('securitypolicyviolation', one =>"
        " refused.push(one.effectiveDirective));</script>"
    )
    return text.replace("<head>", f"<head>{listening}", 1)


class Stubborn(FakeDetector):
    """Finds the same box in every picture."""

    def _look(self, image: Path):
        from container_doors.core.ports import Detections

        return Detections(image, 64, 48, [(1.0, 1.0, 20.0, 20.0)], [0.9], duration_ms=5.0)


@pytest.fixture
def corruptions() -> None:
    measure_robustness(
        RUN,
        "test",
        settings=RobustnessSettings(corrupt=lambda *asked: asked[-1], is_quick=True),
        open_detector=lambda weights, params: Stubborn(),
        progress=FakeProgress(),
    )


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("detector", [FakeDetector, Blind, Silent], ids=lambda of: of.__name__)
def test_the_page_fits_every_width_without_horizontal_scrolling(
    detector: type[FakeDetector], corruptions: None, tmp_path: Path
):
    """There are sixty slices with the longest possible names."""
    page(detector())
    document = Evaluated.read(RUN.evaluation)
    test = document.splits["test"]
    many = [
        test.slices[0].model_copy(update={"attribute": "w" * 90, "value": f"{number} {'m' * 80}"})
        for number in range(60)
    ]
    test = test.model_copy(update={"slices": [*test.slices, *many]})
    document.model_copy(update={"splits": document.splits | {"test": test}}).write(RUN.evaluation)
    page(detector())
    with opened(PAGE, tmp_path / "profile") as shown:
        shown.evaluate("document.querySelector('h1').textContent = 'x_'.repeat(50)")
        for width_px in (1280, 1088, 1087, 768, 704, 390, 320):
            shown.show(width_px=width_px)
            shown.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            assert shown.evaluate("document.documentElement.scrollWidth") <= width_px
            assert shown.evaluate(CUT) == [], width_px
        assert shown.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
        assert shown.evaluate("performance.getEntriesByType('resource').filter("
                              "one => !one.name.startsWith('data:')).length") == 0  # fmt: skip


CUT = """
    [...document.querySelectorAll('main *')]
        .filter(one => !one.closest('.scroll, .hidden, svg, .rows thead, .photo'))
        .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5
            || one.getBoundingClientRect().left < -0.5)
        .map(one => one.outerHTML.slice(0, 80))
"""

CONTRASTS = """
    (() => {
        const canvas = document.createElement('canvas').getContext('2d');
        const rgb = text => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = text;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = ([r, g, b]) => [r, g, b].map(one => one / 255)
            .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
            .reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = one => {
            for (let at = one; at; at = at.parentElement) {
                const colour = rgb(getComputedStyle(at).backgroundColor);
                if (colour[3]) return colour;
            }
            return [255, 255, 255];
        };
        const found = {};
        for (const one of document.querySelectorAll('body *')) {
            const words = [...one.childNodes].some(at => at.nodeType == 3 && at.data.trim());
            const shape = one.matches('.dot, .line, .mark > *, .target');
            if (!words && !shape || one.closest('title, .photo')) continue;
            const style = getComputedStyle(one);
            const paint = shape ? (style.stroke == 'none' || one.matches('.dot') ? style.fill
                : style.stroke) : one.closest('svg') ? style.fill : style.color;
            if (shape && one.matches('path:not(.solid)')) continue;
            if (paint == 'none') continue;
            const [a, b] = [light(rgb(paint)), light(behind(one))].sort((a, b) => b - a);
            const name = (shape ? 'shape ' : 'words ') + (one.getAttribute('class') || one.tagName);
            found[name] = Math.min(found[name] || 99, (a + 0.05) / (b + 0.05));
        }
        return found;
    })()
"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_text_and_states_have_enough_contrast_in_light_and_dark(corruptions: None, tmp_path: Path):
    """WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for the shapes of charts and states."""
    page(Blind())
    with opened(PAGE, tmp_path / "profile") as shown:
        for scheme, paper in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")):
            shown.show(width_px=1280, scheme=scheme)
            assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == paper
            contrasts = shown.evaluate(CONTRASTS)
            states = {"state missed", "state not-proven", "state not-measured", "detail", "soft"}
            assert {f"words {name}" for name in states} <= contrasts.keys()
            assert {name: ratio for name, ratio in contrasts.items()
                    if ratio < (3 if name.startswith("shape") else 4.5)} == {}  # fmt: skip


def test_a_state_is_a_word_and_a_shape_beside_its_colour():
    text = page()

    state = r'<span class="state ([\w-]+)"><svg class="mark".*?>(<\w+).*?</svg>([^<]+)<'
    states = re.findall(state, text)
    shapes = {name: shape for name, shape, _ in states}
    assert shapes == {"not-proven": "<path", "missed": "<rect"}
    assert all(words.strip() for _, _, words in states)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width_px", [390, 1280])
def test_the_page_can_be_used_with_the_keyboard(width_px: int, corruptions: None, tmp_path: Path):
    page(Blind())
    with opened(PAGE, tmp_path / "profile") as shown:
        shown.show(width_px=width_px)
        reached = []
        for _ in range(30):
            shown.press("Tab", "Tab", 9)
            reached.append(
                shown.evaluate(
                    "document.activeElement.id || document.activeElement.getAttribute('href')"
                )
            )
            if reached[-1] in {"truth", "found", "wrong"}:
                seen = f"getComputedStyle(document.querySelector('rect.{reached[-1]}')).display"
                assert shown.evaluate(seen) == "inline"
                shown.press(" ", "Space", 32, " ")
                assert shown.evaluate(seen) == "none"
        assert reached[0] == "#summary", "the navigation can be skipped"
        assert {"truth", "found", "wrong"} <= set(reached)

        sections = shown.evaluate("[...document.querySelectorAll('section')].map(one => one.id)")
        assert [one for one in dict.fromkeys(reached) if one and one[1:] in sections] == [
            f"#{name}" for name in sections
        ], "each section can be reached, in the order of the page"
        shown.evaluate("document.querySelector('nav a[href=\"#mistakes\"]').focus()")
        shown.press("Enter", "Enter", 13, "\r")
        assert shown.evaluate("location.hash") == "#mistakes"
        heading = shown.evaluate(
            "document.querySelector('#mistakes h2').getBoundingClientRect().top"
        )
        bar = shown.evaluate("document.querySelector('nav').getBoundingClientRect().bottom")
        assert heading >= (bar if width_px < 1088 else 0), "the bar does not cover the heading"
        assert shown.evaluate("document.querySelector('nav').getBoundingClientRect().top") == 0


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_phone_stacks_the_rows_and_a_screen_reader_still_gets_a_table(tmp_path: Path):
    page(Blind())
    with opened(PAGE, tmp_path / "profile") as shown:
        shown.show(width_px=390)
        tops = (
            "[...document.querySelectorAll('#scores tbody:first-of-type tr:nth-child(2) > *')]"
            ".map(one => one.getBoundingClientRect().top)"
        )
        name, val, test = shown.evaluate(tops)
        assert name < val < test
        label = "getComputedStyle(document.querySelector('#scores td[data-label]'), '::before')"
        assert shown.evaluate(f"{label}.content") == '"val"'
        roles = [one["role"]["value"] for one in shown.ask("Accessibility.getFullAXTree")["nodes"]
                 if "role" in one]  # fmt: skip
        assert {"table", "row", "rowheader", "cell", "columnheader"} <= set(roles)

        shown.show(width_px=1280)
        name, val, test = shown.evaluate(tops)
        assert name == val == test


def test_stacked_rows_have_roles():
    """Safari drops the table roles of rows that are blocks; Chromium does not."""
    names = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
    heads = {"col": "columnheader", "row": "rowheader", "rowgroup": "rowheader"}

    is_plain = False
    for tag, attributes in tags(page()):
        if tag == "table":
            is_plain = attributes.get("class") == "plain"
        if tag in {*names, "th"} and not is_plain:
            expected = heads[attributes["scope"] or ""] if tag == "th" else names[tag]
            assert attributes.get("role") == expected, (tag, attributes)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_headings_are_in_order_and_every_link_has_a_target(corruptions: None, tmp_path: Path):
    page(Blind())
    with opened(PAGE, tmp_path / "profile") as shown:
        levels = shown.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert shown.evaluate("[...document.querySelectorAll('a')].filter("
                              "one => !document.querySelector(one.getAttribute('href')))"
                              ".length") == 0  # fmt: skip
        ids = shown.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(ids) == len(set(ids))


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_is_printed_dark_on_light_without_its_navigation(
    corruptions: None, tmp_path: Path
):
    page(Blind())
    with opened(PAGE, tmp_path / "profile") as shown:
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        shown.ask("Emulation.setEmulatedMedia", media="print", features=dark)
        assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        assert shown.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert min(
            ratio for name, ratio in shown.evaluate(CONTRASTS).items() if name.startswith("words")
        ) >= 4.5  # fmt: skip
        pdf = base64.b64decode(shown.ask("Page.printToPDF", preferCSSPageSize=True)["data"])
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_blocks_injected_content_and_nothing_else(corruptions: None, tmp_path: Path):
    """An unescaped name could be a handler, a script, a frame, a style, a form."""
    PAGE.write_text(watched(page(Blind())))
    with opened(PAGE, tmp_path / "profile") as shown:
        assert shown.evaluate("refused.length + happened.length") == 0
        assert shown.evaluate("getComputedStyle(document.body).marginLeft") == "0px"
        assert shown.evaluate("getComputedStyle(document.querySelector('.dot')).fill") == (
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


def test_the_policy_comes_before_everything_that_it_restricts():
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


def test_a_corruption_that_was_trained_on_is_marked():
    record = RunRecord.read(RUN.record)
    record.params["augmentation"]["conditions"]["rain"]["probability"] = 0.25
    record.write(RUN.record)
    measure_robustness(
        RUN,
        "test",
        settings=RobustnessSettings(corrupt=lambda *asked: asked[-1], is_quick=True),
        open_detector=lambda weights, params: Stubborn(),
        progress=FakeProgress(),
    )

    text = page()

    assert "Conditions that it was trained for: rain on 25 % of the photographs" in text
    assert 'class="kind">rain</span>, fraction of a downpour (trained on)' in text
    assert text.count("(trained on)") == 1
