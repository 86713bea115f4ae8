"""Which data a run was trained on, by content: one hash, and how much there is."""

import os
from hashlib import sha256

from container_doors.dataset.checks import Report
from container_doors.dataset.layout import Layout
from container_doors.records import DatasetFacts


def dataset_facts(layout: Layout, report: Report) -> DatasetFacts:
    r"""Name the data by the bytes that the checks have read; no file is read again.

    The hash is that of the lines ``relative path\0sha256\n``, sorted, of data.yaml, every picture
    and every label file, so it does not depend on where the data set is or in which order it is
    listed. A file that cannot be read is no part of it, and is an error in the report.
    """
    lines = sorted(
        os.fsencode(path.as_posix()) + b"\0" + digest.encode() + b"\n"
        for path, digest in report.digests.items()
    )
    return DatasetFacts(
        path=str(layout.data_yaml.parent),
        sha256=sha256(b"".join(lines)).hexdigest(),
        splits=report.splits,
    )
