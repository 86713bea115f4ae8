"""How a GraphQL operation comes in and how it is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.loopback.wandb_state import WandbState

Document = dict[str, Any]


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """The server says no, with a status and an errors document as W&B words it."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.document = {"errors": [{"message": message, **more}], "data": None}


@dataclass(frozen=True)
class Query:
    """What an operation is given; ``upload_url`` makes a signed address of a storage path."""

    variables: Mapping[str, Any]
    upload_url: Callable[[str], str]

    @property
    def input(self) -> Mapping[str, Any]:
        """The arguments, whether they were sent as one ``input`` or one by one."""
        found: Mapping[str, Any] = self.variables.get("input", self.variables)
        return found


Operation = Callable[[WandbState, Query], Document]


def project_node(entity: str, project: str) -> Document:
    """A project, with all that is ever asked of one."""
    return {
        "id": f"{entity}/{project}",
        "internalId": "1",
        "name": project,
        "entity": {"id": entity, "name": entity},
    }
