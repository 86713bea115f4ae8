"""What Prometheus reads at ``/metrics``."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from container_doors.core.predictions import PhotographResult
from container_doors.prediction.service import Service

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """Counts requests and photographs, and times each part."""

    def __init__(self, service: Service) -> None:
        """Begin to count."""
        self._all = CollectorRegistry()
        ProcessCollector(registry=self._all)
        used = service.used
        model = Gauge("doors_model_info", "The model.", ["version", "weights_sha256", "backend"],
                      registry=self._all)  # fmt: skip
        model.labels(used.version or "", used.weights_sha256, used.backend).set(1)
        taken = Gauge("doors_photographs_taken", "Waiting or looked at.", registry=self._all)
        taken.set_function(lambda: service.taken)
        left_out = Gauge("doors_not_kept", "Not kept: the disk is full.", registry=self._all)
        left_out.set_function(lambda: service.keep.left_out if service.keep else 0)
        self._requests = Counter(
            "doors_requests", "Answers.", ["path", "status"], registry=self._all
        )
        self._seconds = Histogram(
            "doors_request_seconds", "From the first byte to the answer.", ["path"],
            registry=self._all, buckets=_SECONDS,
        )  # fmt: skip
        self._photographs = Counter(
            "doors_photographs", "Photographs.", ["status"], registry=self._all
        )
        self._doors = Counter("doors_found", "Doors.", registry=self._all)
        self._parts = Histogram(
            "doors_part_seconds", "Of one photograph.", ["part"],
            registry=self._all, buckets=_SECONDS,
        )  # fmt: skip

    def answered(self, path: str, status: int, duration_s: float) -> None:
        """Count an answer; ``path`` is one of a few."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(duration_s)

    def found(self, result: PhotographResult) -> None:
        """Count a photograph."""
        self._photographs.labels(result.status).inc()
        self._doors.inc(len(result.detections))
        durations_ms = result.durations_ms.model_dump() if result.durations_ms else {}
        for part, duration_ms in durations_ms.items():
            self._parts.labels(part).observe(duration_ms / 1000)

    def text(self) -> bytes:
        """Return all, in Prometheus' format."""
        return generate_latest(self._all)
