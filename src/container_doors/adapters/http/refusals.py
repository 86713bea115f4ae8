"""A request that is refused: the status, what is wrong, and what to do."""

import json
from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818 - it is an answer
    """What is answered instead of a result."""

    def __init__(
        self, status: int, problem: str, hint: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Say why, and what to do."""
        super().__init__(problem)
        self.status, self.problem, self.hint = status, problem, hint
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the answer's JSON."""
        return json.dumps({"error": self.problem, "hint": self.hint}).encode()


def busy(retry_after_s: int) -> Refusal:
    """Refuse for now: too much is waiting."""
    return Refusal(
        429,
        "too many photographs are waiting",
        f"send it again in {retry_after_s} s",
        {"Retry-After": str(retry_after_s)},
    )


def stopping() -> Refusal:
    """Refuse: the service ends."""
    return Refusal(
        503, "the service is stopping", "send it again in some seconds", {"Retry-After": "5"}
    )
