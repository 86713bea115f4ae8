"""Reads the text under each field of a class, which Python itself does not keep."""

import ast
import inspect
import re
import textwrap


def attribute_docs(model: type) -> dict[str, str]:
    """Return the texts by field, each on one line, in Markdown; reads the source: not at import."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    found: dict[str, str] = {}
    if isinstance(tree, ast.ClassDef):
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return {key: re.sub(r"``([^`]*)``", r"`\1`", text) for key, text in found.items()}
