"""Our trainer without Ultralytics' pictures, for trainings of which nobody looks at them."""

from typing import Any

from container_doors.adapters.yolo.engine import Engine


class Unplotted(Engine):
    """Draws nothing: the pictures of a tiny training take longer than its epochs."""

    def get_validator(self) -> Any:
        validator = super().get_validator()  # type: ignore[no-untyped-call]
        validator.args.plots = False
        return validator

    def plot_training_labels(self) -> None:
        pass

    def plot_training_samples(self, *_: object) -> None:
        pass

    def plot_metrics(self) -> None:
        pass
