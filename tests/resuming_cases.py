"""When a training is killed, and what it is to have in the end."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    moment: str
    left: tuple[int, int]
    """After the kill: epochs in ``metrics.jsonl``, and the checkpoint's."""
    at_epoch: int = 2
    epochs: int = 3
    expected: int = 3
    moved: bool = False
    training: dict[str, object] = field(default_factory=dict)


CASES = {
    "while the trainer saves": Case("saving", (1, 1)),
    "before our copy": Case("saved", (1, 1)),
    "between copy and exchange": Case("staged", (1, 1)),
    "between checkpoint and line": Case("put down", (1, 2)),
    "in the middle of a line": Case("in a line", (1, 2)),
    "after the line": Case("told", (2, 2)),
    "then moved": Case("put down", (1, 2), moved=True),
    "epochs after a checkpoint": Case("told", (3, 2), at_epoch=3, epochs=4, expected=4,
                                      training={"save_period": 2}),
    "after the last epoch": Case("ended", (2, 2), at_epoch=2, epochs=2, expected=2),
    "after an early stop": Case("ended", (3, 3), at_epoch=3, epochs=9, expected=3,
                                training={"patience": 1}),
}  # fmt: skip
