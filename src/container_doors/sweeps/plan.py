"""``sweep.yaml``, typed: what is searched, for what, and for how long."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from container_doors.core.config import Params
from container_doors.core.errors import ConfigError
from container_doors.core.parsing import (
    MOST_YAML_BYTES,
    ParsingError,
    key_lines,
    parse_yaml,
    read_bounded,
)
from container_doors.core.printable import one_line, shortened
from container_doors.core.section import Section
from container_doors.core.sweeps import Space
from container_doors.sweeps.space import SpaceError, fitting_faults, parse_axis, suggestion

_MOST_FAULTS = 50
_FOLDS = "folds "
_EXAMPLE = """space: {detection.training.learning_rate: {low: 0.0001, high: 0.01, log: true}}"""


class Budget(Section):
    """When a sweep ends."""

    trials: int = Field(default=20, ge=2, le=1000)
    """How many, with the baseline, which is the first."""
    hours: float | None = Field(default=None, gt=0)
    """Hours of training, added up over all trials; after them no further trial begins. None: no
    limit."""


class Pruning(Section):
    """When a trial is stopped early, because others were better by then."""

    rule: Literal["median", "none"] = "median"
    """``median``: after an epoch in which its best mAP50-95 on val so far is below the median of
    the finished trials'; ``none``: never."""
    after_epochs: int = Field(default=5, ge=1)
    """No trial is stopped before the end of this epoch."""
    after_trials: int = Field(default=4, ge=1)
    """None is stopped before so many have finished."""

    @model_validator(mode="before")
    @classmethod
    def _rule_alone(cls, value: object) -> object:
        return {"rule": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _none_has_no_settings(self) -> "Pruning":
        if self.rule == "none" and self.model_fields_set - {"rule"}:
            raise ValueError("after_epochs and after_trials would be ignored, because rule is none")
        return self


class _Settings(Section):
    """Everything but the space."""

    objective: Literal["val mAP50-95", "val mAP50", "folds AP50-95", "folds AP50"] = "val mAP50-95"
    """What is maximised: a score of the best epoch on val, or one pooled over all folds."""
    budget: Budget = Budget()
    pruning: Pruning = Pruning()
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Another one chooses other trials; it is not the seed of a training."""

    @model_validator(mode="after")
    def _folds_are_not_pruned(self) -> "_Settings":
        asked = self.pruning if "pruning" in self.model_fields_set else None
        if self.objective.startswith(_FOLDS) and asked is not None and asked.rule != "none":
            raise ValueError(
                "pruning would be ignored, because the score of folds is known at their end: write "
                "pruning: none, or leave it out"
            )
        return self


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep as it is asked for."""

    space: Space
    objective: str
    budget: Budget
    pruning: Pruning
    seed: int

    @property
    def is_over_folds(self) -> bool:
        """Whether each trial is a cross-validation."""
        return self.objective.startswith(_FOLDS)

    def definition(self) -> dict[str, Any]:
        """Return all that the choice of trials follows from; the budget is no part of it."""
        return {
            "space": {key: axis.model_dump(mode="json") for key, axis in self.space.items()},
            "objective": self.objective,
            "pruning": self.pruning.model_dump(mode="json"),
            "seed": self.seed,
        }


def read_plan(path: Path, params: Params) -> Plan:
    """Read and check ``sweep.yaml``.

    Args:
        path: The file.
        params: Those of the baseline; each value of the space must fit among them.

    Raises:
        ConfigError: With all faults at once, each with its line and its key.
    """
    document, lines = _read(path)
    faults: list[tuple[int, str]] = []
    space: Space = {}
    for key, value in _searched(document.get("space"), faults):
        try:
            space[key] = parse_axis(key, value)
        except SpaceError as error:
            faults.append((lines.get(("space", key), 0), f"{key}: {error}"))
    for key in space:
        at = lines.get(("space", key), 0)
        faults += [(at, fault) for fault in fitting_faults(params, key, space)]
    settings = _Settings()
    try:
        rest = {key: value for key, value in document.items() if key != "space"}
        settings = _Settings.model_validate(rest)
    except ValidationError as error:
        faults += [_fault(one, lines) for one in error.errors()[:_MOST_FAULTS]]
    if faults:
        raise ConfigError(
            f"{path} has {len(faults)} fault(s):",
            hint="each line names the key to correct; docs/sweeps.md has a complete example",
            faults=[
                shortened(f"line {line}: {fault}" if line else fault, 500)
                for line, fault in sorted(faults)[:_MOST_FAULTS]
            ],
        )
    pruning = settings.pruning
    if settings.objective.startswith(_FOLDS):
        pruning = Pruning(rule="none")
    return Plan(space, settings.objective, settings.budget, pruning, settings.seed)


def _read(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    try:
        content = read_bounded(path, MOST_YAML_BYTES)
        document = parse_yaml(content)
    except FileNotFoundError:
        raise ConfigError(
            f"no search space at {path}",
            hint=f"write it; the shortest is one line: {_EXAMPLE}",
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder", hint="pass the file: sweep.yaml") from None
    except ParsingError as error:
        where = path if error.line is None else f"{path}:{error.line}"
        raise ConfigError(
            f"{where} is not YAML: {one_line(error)}",
            hint="correct the line; docs/sweeps.md has a complete example",
        ) from None
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path}: expected keys, such as space, found {shortened(repr(document), 60)}",
            hint=f"the shortest is one line: {_EXAMPLE}",
        )
    return document, key_lines(content)


def _searched(space: object, faults: list[tuple[int, str]]) -> Iterator[tuple[str, object]]:
    """Yield the keys of a space; a short name is completed."""
    if not isinstance(space, Mapping) or not space:
        found = "none" if not space else shortened(repr(space), 60)
        faults.append(
            (0, f"space: expected keys of params.yaml with ranges or lists, found {found}")
        )
        return
    for key, value in space.items():
        yield str(key), value


def _fault(error: Any, lines: Mapping[tuple[str, ...], int]) -> tuple[int, str]:  # noqa: ANN401 - pydantic's ErrorDetails, not imported
    place = tuple(str(part) for part in error["loc"])
    key = ".".join(place)
    found = shortened(repr(error["input"]), 60)
    match error["type"]:
        case "extra_forbidden":
            sections: dict[tuple[str, ...], type[Section]] = {
                (): _Settings, ("budget",): Budget, ("pruning",): Pruning,
            }  # fmt: skip
            known = [*(["space"] if len(place) == 1 else []), *sections[place[:-1]].model_fields]
            text = f"no such key{suggestion(place[-1], known)}"
        case "literal_error":
            text = f"expected {error['ctx']['expected']}, found {found}"
        case "value_error":
            text = str(error["ctx"]["error"])
        case _:
            text = f"{error['msg'][0].lower()}{error['msg'][1:]}, found {found}"
    return lines.get(place, 0), f"{key}: {text}"
