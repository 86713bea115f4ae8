"""Summarise a data set by content: one hash, and its counts."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from container_doors.core.records import DatasetFacts
from container_doors.data.checks import Report
from container_doors.data.layout import Layout


def dataset_facts(layout: Layout, report: Report) -> DatasetFacts:
    """Summarise a data set from the hashes of the checks; no file is read again.

    A file that cannot be read is left out, and is an error in the report.
    """
    return DatasetFacts(
        path=str(layout.data_yaml.parent),
        sha256=content_sha256(report.digests),
        splits=report.splits,
    )


def content_sha256(digests: Mapping[Path, str]) -> str:
    r"""Hash the lines ``relative path\0sha256\n``, sorted, of data.yaml, pictures and labels.

    It does not depend on where the data set is or in which order it is listed.
    """
    lines = sorted(
        os.fsencode(path.as_posix()) + b"\0" + digest.encode() + b"\n"
        for path, digest in digests.items()
    )
    return sha256(b"".join(lines)).hexdigest()
