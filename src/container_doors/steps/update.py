"""Change fields of a run's record."""

from container_doors.core.records import RunRecord
from container_doors.core.run import Run


def update_record(run: Run, record: RunRecord, **changes: object) -> RunRecord:
    """Change some fields of a run's record, also on disk; return the changed record."""
    changed = record.model_copy(update=changes)
    changed.write(run.record)
    return changed
