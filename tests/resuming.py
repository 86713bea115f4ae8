"""Real trainings that kill themselves at a chosen moment, and go on; run by the tests.

    python -m tests.resuming ROOT DATA_YAML CASE ...

Each go is a forked process, so that it costs no import. Under ROOT each case leaves a folder.
"""

import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from container_doors.adapters.yolo.environment import import_ultralytics

import_ultralytics()

from container_doors.adapters.yolo import callbacks as yolo_callbacks  # noqa: E402
from container_doors.adapters.yolo.trainer import YoloTrainer  # noqa: E402
from container_doors.core.records import Epoch, StartingWeights  # noqa: E402
from container_doors.core.run import Run  # noqa: E402
from container_doors.training.checkpoint import resumable_epoch  # noqa: E402
from container_doors.training.history import append_epoch, format_epochs, read_epochs  # noqa: E402
from container_doors.training.recorder import Recorder  # noqa: E402
from tests.resuming_cases import CASES, Case  # noqa: E402
from tests.tiny import Printing, tiny_params  # noqa: E402
from tests.unplotted import Unplotted  # noqa: E402

IMPORTED_BY_A_TRAINING = ("matplotlib.pyplot", "polars", "thop", "torch._inductor", "torchvision")
"""By Ultralytics, when it first needs them: each go would import them again."""

SCORES = (0.3, 0.5, 0.2, 0.1)
"""Of the epochs until the kill: after two epochs a real one would be 0."""

LATER_SCORES = (0.05, 0.06, 0.07, 0.08)
"""Of the epochs afterwards, by their number as well."""


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


def a_trainer(case: Case, scores: tuple[float, ...]) -> type:
    """Derive Ultralytics' trainer: scores as given, and death at the chosen moment."""

    class Trainer(Unplotted):
        def validate(self) -> tuple[dict[str, float], float]:
            before: Any = self.best_fitness
            score = scores[self.epoch]
            metrics, _ = super().validate()  # type: ignore[no-untyped-call]
            best: Any = score if before is None else max(before, score)
            self.best_fitness = best
            return {**metrics, "metrics/mAP50-95(B)": score}, score

        def save_model(self) -> bool:
            due = self.epoch + 1 == case.at_epoch
            if due and case.moment == "saving":
                self.last.write_bytes(b"PK half")
                self.best.write_bytes(b"PK half")
                die()
            super().save_model()
            if due and case.moment == "saved":
                die()
            return True

        def plot_metrics(self) -> None:
            if case.moment == "ended":
                die()

    return Trainer


class Dying(Recorder):
    case = Case("never", (0, 0))

    def epoch_finished(self, epoch: Epoch) -> None:
        due, path = epoch.number == self.case.at_epoch, self._run.metrics_jsonl
        if due and self.case.moment == "put down":
            die()
        if due and self.case.moment == "in a line":
            with path.open("a", encoding="utf-8") as file:
                file.write(format_epochs([epoch])[:30])
            die()
        if due and self.case.moment == "told":
            append_epoch(path, epoch)
            die()
        super().epoch_finished(epoch)


def train(root: Path, data_yaml: Path, case: Case, scores: tuple[float, ...], **how: Any) -> None:
    run = Run("a", root=root)
    run.directory.mkdir(parents=True, exist_ok=True)
    Dying.case = case
    if case.moment == "staged":
        callbacks: Any = yolo_callbacks
        callbacks.make_newest = _dying_in(callbacks.make_newest, case)
    recorder = Dying(run, epochs=case.epochs, progress=Printing())
    YoloTrainer(vendor_trainer=a_trainer(case, scores)).train(
        tiny_params(epochs=case.epochs, **case.training), run, data_yaml=data_yaml,
        weights=StartingWeights(source="random"), listener=recorder, **how,
    )  # fmt: skip


def _dying_in(make_newest: Callable[..., None], case: Case) -> Callable[..., None]:
    def replaced(run: Run, staged: Path, epoch: Epoch, *, is_last: bool) -> None:
        if epoch.number == case.at_epoch:
            die()
        make_newest(run, staged, epoch, is_last=is_last)

    return replaced


def in_a_fork(work: Callable[[], None]) -> int:
    """Returns the exit code, negative for a signal."""
    for name in IMPORTED_BY_A_TRAINING:
        importlib.import_module(name)
    sys.stdout.flush()
    gc.freeze()  # PyTorch's objects would be looked through after each epoch
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except Exception:  # noqa: BLE001 - what else would a process show when it ends
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(root: Path, data_yaml: Path, names: list[str]) -> None:
    for name in names:
        case = CASES[name]
        sys.stdout.write(f"== {name}\n")
        first = root / name / "first"
        code = in_a_fork(lambda: train(first, data_yaml, case, SCORES))  # noqa: B023
        assert code == -signal.SIGKILL, f"{name}: ended with {code} and was to be killed"
        run = Run("a", root=first)
        left = (len(read_epochs(run.metrics_jsonl)), resumable_epoch(run))
        assert left == case.left, f"{name}: expected {case.left} after the kill, found {left}"
        later = first.rename(first.with_name("later")) if case.moved else first
        calm = Case("never", case.left, epochs=case.epochs, training=case.training)
        code = in_a_fork(lambda: train(later, data_yaml, calm, LATER_SCORES, resume=True))  # noqa: B023
        (root / name / "code").write_text(str(code))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
