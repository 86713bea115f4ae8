"""The ``doors`` commands that our own messages name, as templates of the source and as printed."""

import argparse
import ast
import contextlib
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from container_doors.cli.parser import build_parser

SOURCE = Path(__file__).parents[1] / "src/container_doors"
SCRIPTS = Path(__file__).parents[1] / "scripts"
VALUE = "exp1"
"""What stands for a part of a template that is known only when it is printed."""

COMMANDS = (
    "demo", "data", "train", "evaluate", "compare", "gate", "latency", "publish",
    "runs", "metadata", "version", "summary", "sync", "verify", "predict", "track", "storage",
    "kaggle", "tunnel", "doctor", "completion", "init", "export", "serve", "monitor", "crossval",
    "sweep", "robustness",
)  # fmt: skip

_NUMBERS = re.compile(rf"(--(?:folds|seeds|train|port|queue|max-files)) {VALUE}\b")
"""Options whose value is a number."""

_NAMED = re.compile(rf"(?<![\w./-])doors (?=(?:{'|'.join(COMMANDS)})\b)")
_END = re.compile(r"&&|\|\||[`)<]|[,;:](?=\s|$)|\.(?=\s|$)")
"""Ends a command in a sentence."""


def templates() -> Iterator[tuple[str, str]]:
    """Yield every text of ours that can be printed, and where it stands; docstrings cannot."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        left_out = {id(found) for node in ast.walk(tree) for found in _docstrings(node)}
        for node in ast.walk(tree):
            text = None if id(node) in left_out else _text_of(node)
            if text is not None:
                yield f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}", text
            if isinstance(node, ast.JoinedStr):
                left_out |= {id(part) for part in node.values}
    for path in [*SOURCE.rglob("*.j2"), *SCRIPTS.glob("*.sh")]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.startswith("#"):
                text = re.sub(r"\{\{.*?\}\}|\"?\$\{?\w+\}?\"?", VALUE, line)
                yield f"{path.name}:{number}", text.replace('"', "")


def _text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.Constant) else VALUE for one in node.values]
        return (
            _NUMBERS.sub(r"\1 5", "".join(map(str, parts)))
            .replace(f"--split {VALUE}", "--split test")
            .replace(f"--format {VALUE}", "--format onnx")
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _docstrings(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the texts that stand alone: the docstrings of modules, functions and attributes."""
    for field in ast.iter_child_nodes(node):
        if isinstance(field, ast.Expr) and isinstance(field.value, ast.Constant):
            yield field.value


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield each command that a text names: its longest part that the parser takes.

    One that does not parse ends with the words that were tried, after a mark.
    """
    for match in _NAMED.finditer(text):
        words = _END.split(text[match.end() :], maxsplit=1)[0].replace("'", "").split()
        lengths = range(len(words), 0, -1)
        length = next((length for length in lengths if parses(words[:length])), 0)
        is_whole = length and not "".join(words[length : length + 1]).startswith("-")
        yield words[:length] if is_whole else ["?", *words]


@cache
def _parser() -> argparse.ArgumentParser:
    return build_parser()


def parses(words: list[str]) -> bool:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            _parser().parse_args(words)
        except SystemExit:
            return False
    return True
