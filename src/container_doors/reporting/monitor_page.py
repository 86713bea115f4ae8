"""Write what ``doors monitor`` found as one HTML page that needs no network."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Template

from container_doors.core.files import replace_text
from container_doors.core.monitoring import Monitored
from container_doors.reporting.charts import interval
from container_doors.reporting.escaping import page_templates, printable_text
from container_doors.reporting.figures import count
from container_doors.reporting.offline import policy
from container_doors.reporting.outputs import refuse_another_file

_BEGINS = "<!doctype html><!-- doors monitor -->"

_STATES = {"holds": "holds", "missed": "missed", "unproven": "not proven"}
_OVERALL = {"as tested": "holds", "changed": "not proven", "recall missed": "missed"}


def write_monitor(output: Path, found: Monitored) -> None:
    """Write the page.

    Raises:
        RunError: If ``output`` is not an earlier page.
    """
    refuse_another_monitor(output)
    style = files("container_doors.reporting").joinpath("page.css").read_text("utf-8")
    recall = found.recall
    text = _template().render(
        policy=policy(style),
        style=style,
        found=found,
        recall=recall,
        chart=recall and interval(recall.recall, target=recall.target),
        state=recall and _STATES[recall.verdict],
        overall=_OVERALL[found.verdict],
    )
    replace_text(output, _BEGINS + text)


def refuse_another_monitor(output: Path) -> None:
    """Check, before anything is compared, that a page can be written there.

    Raises:
        RunError: If ``output`` is another file.
    """
    refuse_another_file(output, begins=_BEGINS, what="page of doors monitor", option="--out")


@cache
def _template() -> Template:
    environment = page_templates(printable_text)
    environment.filters |= {"count": count}
    return environment.get_template("monitor.html.j2")
