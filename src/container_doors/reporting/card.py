"""A model card as Hugging Face reads it: figures for machines above, the same for people below.

https://huggingface.co/docs/hub/model-cards; the figures are those of ``assessment.json``.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Template

from container_doors.core.files import replace_text
from container_doors.core.measurements import Assessment, Estimate, said
from container_doors.core.records import Metadata, RunRecord
from container_doors.reporting.escaping import code, markdown_templates
from container_doors.reporting.figures import count
from container_doors.reporting.gate import held, in_one_sentence
from container_doors.reporting.outputs import refuse_another_file

_GENERATED = "# written by: doors summary --card"
_BEGINS = f"---\n{_GENERATED}\n"


def write_card(
    output: Path,
    assessments: Mapping[str, Assessment],
    *,
    weights_sha256: str,
    record: RunRecord,
    metadata: Metadata | None,
) -> None:
    """Write the card; it shows no photograph and no path of this machine.

    Args:
        output: The Markdown file; one that is no card of ours is not replaced.
        assessments: By split: val and test.
        weights_sha256: Of the model.
        record: What was asked, with what, and how it ended.
        metadata: The published model's; None if what is published is not of this run.

    Raises:
        RunError: If ``output`` is something else.
    """
    refuse_another_card(output)
    name = metadata.version if metadata else record.experiment
    rows = held(record, assessments, at_the_point=False)
    front = yaml.safe_dump(_front(name, assessments, record), sort_keys=False, allow_unicode=True)
    body = _template().render(
        name=name,
        record=record,
        metadata=metadata,
        assessments=assessments,
        test=assessments["test"],
        weights_sha256=weights_sha256,
        proven=[one for one in assessments["test"].slices if one.is_proven and one.doors],
        unproven=[one for one in assessments["test"].slices if not one.is_proven],
        rows=rows,
        verdict=in_one_sentence(rows),
    )
    replace_text(output, f"{_BEGINS}{front}---\n{body}")


def refuse_another_card(output: Path) -> None:
    """See, before anything is measured for it, that a card can be written there.

    Raises:
        RunError: If something else is there.
    """
    refuse_another_file(output, begins=_BEGINS, what="card")


def _front(name: str, assessments: Mapping[str, Assessment], record: RunRecord) -> dict[str, Any]:
    return {
        "license": "agpl-3.0",  # of Ultralytics, whose code trained the weights
        "library_name": "ultralytics",
        "pipeline_tag": "object-detection",
        "tags": ["object-detection", "yolo11", "shipping-container", "container-door"],
        "model-index": [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "object-detection"},
                        "dataset": {
                            "name": "container doors",
                            "type": "container-doors",
                            "split": split,
                            "revision": record.dataset.sha256,
                        },
                        "metrics": [_metric(*score) for score in sorted(one.scores.items())],
                    }
                    for split, one in assessments.items()
                    if one.scores
                ],
            }
        ],
    }


def _metric(name: str, estimate: Estimate) -> dict[str, Any]:
    """Name the definition, since the format has no field for it, nor one for the interval."""
    whose = "Ultralytics" if name.startswith("m") else "COCO" if name.startswith("AP") else None
    bounds = f"95 % interval {estimate.bounds()}"
    return {
        "type": name,
        "value": round(estimate.value, 6),
        "name": f"{name}{f' ({whose})' if whose else ''}, {bounds}, n = {estimate.n} {estimate.of}",
    }


@cache
def _template() -> Template:
    environment = markdown_templates()
    environment.filters |= {"code": code, "count": count, "share": said}
    return environment.get_template("card.md.j2")
