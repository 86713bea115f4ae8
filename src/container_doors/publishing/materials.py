"""Write a run's software bill of materials (SBOM): CycloneDX 1.6, reproducible byte for byte.

https://cyclonedx.org/docs/1.6/json/. It has a hash only where the component itself was hashed.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

from container_doors.core.files import replace_text_twice
from container_doors.core.ports import Installed
from container_doors.core.records import Artifact, RunRecord
from container_doors.core.run import Run

Component = dict[str, Any]


def write_materials(
    run: Run, record: RunRecord, model: Artifact, installed: Sequence[Installed]
) -> None:
    """Write ``sbom.cdx.json`` of a trained run; write nothing if no package was found."""
    if installed:
        document = bill_of_materials(record, model, installed)
        replace_text_twice(run.materials, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def bill_of_materials(
    record: RunRecord, model: Artifact, installed: Sequence[Installed]
) -> dict[str, Any]:
    """Return the bill of materials: the model, its data, code, Python and packages."""
    components = [_data(record), _python(record), *(_code(record)), *map(_package, installed)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{UUID(hex=record.run_id)}",
        "version": 1,
        "metadata": {
            "timestamp": record.started_at.isoformat(),
            "component": {
                "type": "machine-learning-model",
                "bom-ref": "model",
                "name": record.experiment,
                "hashes": [_sha256(model.sha256)],
            },
        },
        "components": components,
        "dependencies": [{"ref": "model", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _data(record: RunRecord) -> Component:
    return {
        "type": "data",
        "bom-ref": "data",
        "name": record.dataset.path,
        # The hash of the list of its files and their hashes; dataset.json has each of them.
        "hashes": [_sha256(record.dataset.sha256)],
    }


def _python(record: RunRecord) -> Component:
    return {
        "type": "platform",
        "bom-ref": "python",
        "name": "python",
        "version": record.environment.python,
        "description": record.environment.platform,
    }


def _code(record: RunRecord) -> list[Component]:
    if record.code.commit is None:
        return []
    return [
        {
            "type": "application",
            "bom-ref": "code",
            "name": "training code" if record.code.clean else "training code, with changes",
            "pedigree": {"commits": [{"uid": record.code.commit}]},
        }
    ]


def _package(installed: Installed) -> Component:
    version = quote(installed.version, safe="")
    purl = f"pkg:pypi/{installed.name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": installed.name,
        "version": installed.version,
        "purl": purl,
        **_licences(installed),
        **({"hashes": [_sha256(installed.sha256)]} if installed.sha256 else {}),
    }


def _licences(installed: Installed) -> dict[str, Any]:
    if installed.licence:
        return {"licenses": [{"expression": installed.licence}]}
    if installed.licence_name:
        return {"licenses": [{"license": {"name": installed.licence_name}}]}
    return {}


def _sha256(content: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": content}
