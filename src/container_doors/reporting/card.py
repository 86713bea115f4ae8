"""Write a model card for Hugging Face: scores for machines above, the same for people below.

https://huggingface.co/docs/hub/model-cards; the scores are those of ``evaluation.json``.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Template

from container_doors.core.conditions import in_words
from container_doors.core.files import replace_text
from container_doors.core.measurements import Assessment, Estimate, format_fraction
from container_doors.core.records import Metadata, RunRecord
from container_doors.reporting.escaping import code, markdown_templates
from container_doors.reporting.figures import count
from container_doors.reporting.gate import check_targets, in_one_sentence
from container_doors.reporting.outputs import refuse_another_file

_GENERATED = "# written by: doors summary --card"
_DEFINITIONS = {
    **dict.fromkeys(("AP50", "AP50-95"), "COCO"),
    **dict.fromkeys(("mAP50", "mAP50-95"), "Ultralytics"),
    **dict.fromkeys(("mP", "mR", "mF1"), "Ultralytics, at the best F1"),
}
_BEGINS = f"---\n{_GENERATED}\n"


def write_card(
    output: Path,
    assessments: Mapping[str, Assessment],
    *,
    weights_sha256: str,
    record: RunRecord,
    metadata: Metadata | None,
) -> None:
    """Write the card; it contains no photograph and no path of this machine.

    Args:
        output: The Markdown file; only an earlier card is replaced.
        assessments: By split: val and test.
        weights_sha256: Of the model.
        record: The run's record.
        metadata: The published model's; None if the published model is not of this run.

    Raises:
        RunError: If ``output`` is not an earlier card.
    """
    refuse_another_card(output)
    name = metadata.version if metadata else record.experiment
    rows = check_targets(record, assessments, at_the_point=False)
    front = yaml.safe_dump(_front(name, assessments, record), sort_keys=False, allow_unicode=True)
    body = _template().render(
        name=name,
        record=record,
        metadata=metadata,
        threshold=metadata and _threshold(metadata),
        assessments=assessments,
        test=assessments["test"],
        weights_sha256=weights_sha256,
        proven=[one for one in assessments["test"].slices if one.is_proven and one.doors],
        unproven=[one for one in assessments["test"].slices if not one.is_proven],
        rows=rows,
        verdict=in_one_sentence(rows),
        drawn_share=record.known_params.data.drawn_share,
        trained_for=in_words(record.known_params.augmentation.conditions),
    )
    replace_text(output, f"{_BEGINS}{front}---\n{body}")


def _threshold(metadata: Metadata) -> float:
    target = metadata.operating_target
    return (target or metadata.known_params.validation).conf_threshold


def refuse_another_card(output: Path) -> None:
    """Check, before anything is measured, that a card can be written there.

    Raises:
        RunError: If ``output`` is another file.
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
                        "metrics": [_metric(*score, one) for score in sorted(one.scores.items())],
                    }
                    for split, one in assessments.items()
                    if one.scores
                ],
            }
        ],
    }


def _metric(name: str, estimate: Estimate, of: Assessment) -> dict[str, Any]:
    """Put the definition and the interval into the name; the format has no field for them."""
    by = _DEFINITIONS.get(name, f"in use, at a confidence of {of.conf_threshold:.4g}")
    bounds = f"95 % interval {estimate.bounds()}"
    return {
        "type": name,
        "value": round(estimate.value, 6),
        "name": f"{name} ({by}), {bounds}, n = {estimate.n} {estimate.of}",
    }


@cache
def _template() -> Template:
    environment = markdown_templates()
    environment.filters |= {"code": code, "count": count, "fraction": format_fraction}
    return environment.get_template("card.md.j2")
