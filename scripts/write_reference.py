"""Writes docs/commands.md, docs/params.md and docs/predictions.schema.json.

They are of the parser and of the models:

    uv run python scripts/write_reference.py

tests/test_reference.py fails while one of them is not what this would write.
"""

import argparse
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from container_doors.cli.parser import build_parser
from container_doors.core import config
from container_doors.core.attribute_docs import attribute_docs
from container_doors.core.conditions import ROBUST, Conditions
from container_doors.core.predictions import json_schema
from container_doors.core.section import Section

DOCS = Path(__file__).parents[1] / "docs"
_NOTE = "<!-- Written by scripts/write_reference.py. Change the {source} instead. -->\n\n"


_WITHOUT_EFFECT = """
## Values without effect
Refused, because another setting makes them useless:

* `weights` with `pretrained: false`
* `warmup_bias_lr` with `warmup_epochs: 0`
* `close_mosaic`, other than its default, with `mosaic: 0` and `mixup: 0`
* `every_minutes`, other than its default, with `publish: false`
* `drawn_path`, other than its default, with `drawn_share: 0`
* `low` and `high` of a condition, other than their defaults, with `probability: 0`

Only a warning, so that `--set detection.training.epochs=3` alone makes a short run, and
`--set wandb.mode=disabled` a private one:

* `patience` and `close_mosaic` of at least `epochs`; `warmup_epochs` too, as the learning rate
  would still be rising at the end
* `close_mosaic`, at its default, with `mosaic: 0` and `mixup: 0`
* `entity` and `project` with `mode: disabled`
"""


def main() -> None:
    """Write all of them."""
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Write them as text, by file name."""
    return {
        "commands.md": commands(build_parser()),
        "params.md": params(),
        "predictions.schema.json": f"{json.dumps(json_schema(), indent=2)}\n",
    }


def commands(parser: argparse.ArgumentParser) -> str:
    """Describe every command: what it does, its arguments and options."""
    parts = [
        "# Commands\n",
        _NOTE.format(source="options, src/container_doors/cli/options/,"),
        f"{parser.epilog[0].upper()}{parser.epilog[1:]}.\n" if parser.epilog else "",
    ]
    for prog, command in _each(parser):
        parts.append(f"\n## {prog}\n{command.description}\n\n")
        rows = [_row(action) for action in command._actions if _is_shown(action)]  # noqa: SLF001 - argparse has no other name for it
        if rows:
            parts += ["| argument | what it does |\n", "| --- | --- |\n", *rows]
    return "".join(parts)


def _each(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Find every command that does something, in the order of the help."""
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in dict.fromkeys(action.choices.values()):
                if command.get_default("handler"):
                    yield command.prog, command
                yield from _each(command)


def _is_shown(action: argparse.Action) -> bool:
    return action.dest != "help" and action.help != argparse.SUPPRESS


def _row(action: argparse.Action) -> str:
    shown = action.metavar or "|".join(map(str, action.choices or ()))
    if not action.option_strings:
        name = f"`{shown or action.dest}`"
    elif action.nargs == 0:
        name = ", ".join(f"`{option}`" for option in action.option_strings)
    else:
        value = f"[{shown}]" if action.nargs == "?" else shown
        name = ", ".join(f"`{option} {value}`" for option in action.option_strings)
    return f"| {_cell(name)} | {_cell((action.help or '') % vars(action))} |\n"


def params() -> str:
    """Describe every key of params.yaml: its type, its limits, its default."""
    schema = config.Params.model_json_schema()
    parts = [
        "# Parameters\n",
        _NOTE.format(source="models, src/container_doors/core/config.py,"),
        "Keys of `params.yaml`, below `detection`. Each can be overridden: "
        "`--set detection.training.epochs=3`.\n",
    ]
    for section in schema["properties"]:
        model = config.Params.model_fields[section].annotation
        if not (inspect.isclass(model) and issubclass(model, Section)):
            raise TypeError(f"{section}: expected a section, found {model}")
        meanings = attribute_docs(model)
        parts.append(f"\n## {section}\n{inspect.cleandoc(model.__doc__ or '')}\n\n")
        parts += ["| key | value | default | meaning |\n", "| --- | --- | --- | --- |\n"]
        described = model.model_json_schema()
        for key, value in described["properties"].items():
            if "$ref" in value:
                continue
            default = _literal(value["default"]) if "default" in value else "none: give one"
            meaning = meanings.get(key, "")
            parts.append(
                f"| `{key}` | {_cell(_kind(value))} | {_cell(default)} | {_cell(meaning)} |\n"
            )
        if section == "augmentation":
            parts.append(_conditions())
    return "".join([*parts, _WITHOUT_EFFECT])


def _conditions() -> str:
    """Describe the conditions: each with its unit, its limits, and what it trains for."""
    parts = [
        "\n## augmentation.conditions\n",
        f"{inspect.cleandoc(Conditions.__doc__ or '')}\n\n".replace("``", "`"),
        "Each has `probability`, `low` and `high`: "
        "`--set detection.augmentation.conditions.rain.probability=0.2`. A probability of "
        "`null` is what the preset says, and 0 without one. A condition that has a probability, "
        "and changes nothing at both ends, is refused; so is a range beyond the limits.\n\n",
        "| condition | default of `low` and `high` | in | limits | `robust` sets `probability` | "
        "trains for these corruptions of `doors robustness` | meaning |\n",
        "| --- | --- | --- | --- | --- | --- | --- |\n",
    ]
    for name, condition in Conditions().each():
        least, most = sorted((condition.no_effect, condition.limit))
        cells = (
            f"`{name}`",
            f"{condition.low:g}, {condition.high:g}",
            condition.unit,
            f"{least:g} to {most:g}; {condition.no_effect:g} has no effect",
            f"{ROBUST[name]:g}",
            ", ".join(condition.corruptions),
            inspect.cleandoc(condition.__doc__ or ""),
        )
        parts.append(f"| {' | '.join(map(_cell, cells))} |\n")
    return "".join(parts)


def _kind(value: Mapping[str, Any]) -> str:
    """Name the type of a value and its limits.

    >>> _kind({"type": "integer", "exclusiveMinimum": 0})
    'integer, above 0'
    """
    if "anyOf" in value:
        return " or ".join(_kind(one) for one in value["anyOf"])
    if "enum" in value or "const" in value:
        return " or ".join(_literal(one) for one in value.get("enum", [value.get("const")]))
    kind = {"null": "null", "array": "list", "object": "map"}.get(value["type"], value["type"])
    if kind == "list" and "items" in value:
        kind = f"list of {_kind(value['items'])}s"
    limits = {
        "exclusiveMinimum": "above {}",
        "minimum": "from {}",
        "exclusiveMaximum": "below {}",
        "maximum": "to {}",
        "multipleOf": "a multiple of {}",
    }
    bounds = [text.format(f"{value[key]:.12g}") for key, text in limits.items() if key in value]
    return ", ".join([kind, *bounds])


def _literal(value: object) -> str:
    """Write a value as YAML does.

    >>> _literal(None), _literal(True), _literal(0.5), _literal([])
    ('`null`', '`true`', '`0.5`', '`[]`')
    """
    return f"`{json.dumps(value).strip(chr(34))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
