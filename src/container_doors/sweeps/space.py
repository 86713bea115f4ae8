"""The search space of ``sweep.yaml``: ranges and choices, by the keys of ``params.yaml``."""

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from operator import attrgetter
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from container_doors.core.config import Params, params_with
from container_doors.core.errors import ConfigError
from container_doors.core.parsing import listed
from container_doors.core.printable import shortened
from container_doors.core.sweeps import Choice, Range, Scalar, Space

SEARCHED = ("model", "training", "augmentation")
"""The sections whose keys change what a training learns."""

_UNSEARCHED = {
    "training.device": "it changes where a training runs, not what it learns",
    "training.workers": "it changes the speed alone",
    "training.cache": "it changes the speed alone",
    "training.save_period": "it changes how often a checkpoint is written",
    "training.seed": "the best of several seeds is the luckiest: vary it to see the spread, "
    "not to choose",
}
_RANGE_KEYS = ("low", "high", "log", "step")


class SpaceError(ValueError):
    """One key of a search space is faulty."""


def searchable_keys() -> dict[str, Any]:
    """Return the type of each key that can be searched, by its name in ``params.yaml``."""
    found = {}
    for section in SEARCHED:
        model = Params.model_fields[section].annotation
        for key, kind in _leaves(model, section):
            if key not in _UNSEARCHED:
                found[f"detection.{key}"] = kind
    return found


def _leaves(model: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - an annotation
    """Yield the keys of a section and of those in it, with their types; ``None`` is left out."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        kinds = [one for one in get_args(model) if one is not type(None)]
        is_optional = type(None) in get_args(model) and len(kinds) == 1
        kind = kinds[0] if is_optional else model
        yield name, get_args(kind)[0] if get_origin(kind) is Annotated else kind
        return
    for key, field in model.model_fields.items():
        yield from _leaves(field.annotation, f"{name}.{key}")


def parse_axis(key: str, value: object) -> Range | Choice:
    """Read what is searched for one key.

    Args:
        key: Of ``params.yaml``, such as ``detection.training.learning_rate``.
        value: A map with ``low`` and ``high``, or a list.

    Raises:
        SpaceError: With what was expected and what was found.
    """
    known = searchable_keys()
    if key not in known:
        raise SpaceError(_no_such_key(key, known))
    if isinstance(value, list):
        return _choice(_as_numbers(value) if known[key] is float else value)
    if not isinstance(value, Mapping):
        raise SpaceError(
            f"a single value is no search: set it for all trials in params.yaml, or by --set "
            f"{key}={shortened(str(value), 40)}; to search write {{low: ..., high: ...}} or a list"
        )
    if known[key] not in (int, float):
        raise SpaceError("a range needs a number, and this key has none: write a list of values")
    return _range(value, is_whole=known[key] is int)


def fitting_faults(params: Params, key: str, space: Space) -> Iterator[str]:
    """Check that params allow the values at the ends of a range, and each of a choice.

    Args:
        params: Those of the baseline.
        key: Of the range or choice.
        space: All that is searched: a fault of another of its keys may be none in a trial.
    """
    for value in _extremes(space[key]):
        try:
            with_values(params, {key: value}, where="it")
        except ConfigError as error:
            for fault in error.faults:
                faulty = fault.partition(":")[0]
                if faulty == key:
                    yield fault
                elif faulty not in space:
                    yield f"{key}: with {value}: {fault}"


def with_values(params: Params, values: Mapping[str, Scalar], *, where: str) -> Params:
    """Return params with other values.

    Raises:
        ConfigError: If these values cannot be used, together.
    """
    return params_with(params, [override(*one) for one in values.items()], where=where)


def override(key: str, value: Scalar) -> str:
    """Write a value as ``--set`` takes it; YAML reads it back exactly.

    >>> override("detection.training.learning_rate", 1e-05)
    'detection.training.learning_rate=1.0e-05'
    >>> override("detection.training.optimizer", "SGD")
    'detection.training.optimizer=SGD'
    """
    text: str = yaml.safe_dump(value, width=math.inf)
    return f"{key}={text.removesuffix(chr(10)).removesuffix(chr(10) + '...')}"


def values_of(params: Params, space: Space) -> dict[str, Scalar]:
    """Return the values that params have for the keys of a space."""
    found = {}
    for key in space:
        found[key] = attrgetter(key.partition(".")[2])(params)
    return found


def contains(axis: Range | Choice, value: Scalar) -> bool:
    """Return whether a value is in a range or a choice.

    >>> contains(Range(low=2, high=8, step=3, is_whole=True), 5)
    True
    >>> contains(Choice(of=[1, "1"]), True)
    False
    """
    if isinstance(axis, Choice):
        return any(type(one) is type(value) and one == value for one in axis.of)
    if not isinstance(value, int | float) or not axis.low <= value <= axis.high:
        return False
    steps = 0.0 if axis.step is None else (value - axis.low) / axis.step
    return math.isclose(steps, round(steps), abs_tol=1e-9)


def _extremes(axis: Range | Choice) -> list[Scalar]:
    if isinstance(axis, Choice):
        return list(axis.of)
    values = [axis.low, axis.high]
    if axis.step is not None:
        values.insert(1, axis.low + axis.step)
    return [int(one) for one in values] if axis.is_whole else [*values]


def _as_numbers(values: list[Any]) -> list[Any]:
    """Return whole numbers as the floats that params make of them."""
    return [float(one) if type(one) is int else one for one in values]


def _choice(values: list[Any]) -> Choice:
    bad = [one for one in values if not isinstance(one, bool | int | float | str | None)]
    if bad:
        raise SpaceError(f"expected a list of single values, found {shortened(repr(bad[0]), 60)}")
    if len(values) < 2:
        raise SpaceError(f"expected two values or more to choose from, found {len(values)}")
    if len({(type(one), one) for one in values}) < len(values):
        raise SpaceError(f"expected each value once, found {shortened(str(values), 60)}")
    return Choice(of=values)


def _range(given: Mapping[Any, Any], *, is_whole: bool) -> Range:
    unknown = [str(one) for one in given if one not in _RANGE_KEYS]
    if unknown:
        raise SpaceError(
            f"no such key in a range: {listed(unknown)}{suggestion(unknown[0], _RANGE_KEYS)}"
        )
    missing = [one for one in ("low", "high") if one not in given]
    if missing:
        raise SpaceError(f"a range needs low and high, found no {' and no '.join(missing)}")
    low, high = (_number(one, given[one], is_whole=is_whole) for one in ("low", "high"))
    is_log = given.get("log", False)
    if not isinstance(is_log, bool):
        raise SpaceError(f"log: expected true or false, found {shortened(repr(is_log), 40)}")
    if low >= high:
        raise SpaceError(f"an empty range: expected low < high, found {low:g} and {high:g}")
    if is_log and low <= 0:
        raise SpaceError(f"log: true needs low above 0, found {low:g}")
    step = _step(given, is_whole=is_whole, is_log=is_log)
    if step is not None and not contains(
        Range(low=low, high=high, is_whole=is_whole, step=step), high
    ):
        raise SpaceError(f"expected high to be low plus a multiple of {step:g}, found {high:g}")
    return Range(low=low, high=high, is_whole=is_whole, is_log=is_log, step=step)


def _step(given: Mapping[Any, Any], *, is_whole: bool, is_log: bool) -> float | None:
    if "step" not in given:
        return 1.0 if is_whole and not is_log else None
    if is_log:
        raise SpaceError("step would be ignored, because log is true: leave one of them out")
    step = _number("step", given["step"], is_whole=is_whole)
    if step <= 0:
        raise SpaceError(f"step: expected a number above 0, found {step:g}")
    return step


def _number(name: str, value: object, *, is_whole: bool) -> float:
    """Read a number; YAML 1.1 takes 1e-4 for text, and here only a number can be meant."""
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise SpaceError(f"{name}: expected a number, found {shortened(repr(value), 40)}")
    if is_whole and number != int(number):
        raise SpaceError(f"{name}: expected a whole number, found {number:g}")
    return number


def _no_such_key(key: str, known: Mapping[str, Any]) -> str:
    short = key.removeprefix("detection.")
    if short in _UNSEARCHED:
        return f"cannot be searched: {_UNSEARCHED[short]}"
    section = short.partition(".")[0]
    if section in Params.model_fields and section not in SEARCHED:
        return (
            f"cannot be searched: keys of {section} do not change what a training learns; those "
            f"of {', '.join(SEARCHED)} do"
        )
    ends = [one for one in known if one.endswith(f".{short}")]
    return f"no such key in params.yaml{suggestion(key, ends or list(known))}"


def suggestion(found: str, known: list[str] | tuple[str, ...]) -> str:
    """Name the word that is spelled most similarly, or all of a few.

    >>> suggestion("hihg", ("low", "high"))
    "; did you mean 'high'?"
    """
    near = known[:1] if len(known) == 1 else get_close_matches(found[:100], known, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known here: {', '.join(known)}" if len(known) < 10 else ""
