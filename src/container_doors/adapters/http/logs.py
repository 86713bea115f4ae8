"""Logs as lines of JSON on standard error: what was asked and answered, never what was sent."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import cv2

_MOST = 200
_MOST_TRACE = 4000
_OTHERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        } | getattr(record, "fields", {})
        fields = {name: _bounded(value) for name, value in fields.items()}
        if record.exc_info:
            fields["trace"] = "".join(traceback.format_exception(*record.exc_info))[-_MOST_TRACE:]
        return json.dumps(fields)


def _bounded(value: object) -> object:
    """Cut what a client can choose; JSON escapes the rest."""
    return value[:_MOST] if isinstance(value, str) else value


class JsonLog:
    """Writes events with their fields, each on a line; thread-safe."""

    def __init__(self) -> None:
        """Write on standard error, what uvicorn has to say too; OpenCV says nothing."""
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Lines())
        self._logger = logging.getLogger("doors.serve")
        for name in ("doors.serve", *_OTHERS):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [handler], False
            logger.setLevel(logging.INFO if name == "doors.serve" else logging.ERROR)

    def event(self, name: str, **fields: object) -> None:
        """Log an event."""
        self._logger.info(name, extra={"fields": fields})

    def fault(self, name: str, **fields: object) -> None:
        """Log the exception that is being handled, which is a bug."""
        self._logger.error(name, extra={"fields": fields}, exc_info=True)
