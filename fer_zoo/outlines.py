"""Names and facts of built-in components, read from their source, so that listing models does not import torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outline:
    """What determines which components are compatible: a name, what is injected, and the facts written as literals.

    `injected` is that of a function; a class may inherit its `__init__`.
    """

    name: str
    injected: tuple[str, ...]
    defaults: Mapping[str, Any]


@cache
def outlines(package: str, kind: str) -> tuple[Outline, ...]:
    """Components that the modules of a package register with `@register_KIND(NAME, FACT=...)`, sorted by name.

    A fact whose value is no literal is left out.
    """
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))]
    found = [outline for tree in trees for node in tree.body for outline in _registered(node, f"register_{kind}")]
    return tuple(sorted(found, key=lambda outline: outline.name))


def _registered(node: ast.stmt, decorator: str) -> Iterator[Outline]:
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        return
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == decorator:
            injected = tuple(a.arg for a in node.args.args) if isinstance(node, ast.FunctionDef) else ()
            yield Outline(ast.literal_eval(call.args[0]), injected, dict(_facts(call)))


def _facts(call: ast.Call) -> Iterator[tuple[str, Any]]:
    for keyword in call.keywords:
        if keyword.arg:
            try:
                yield keyword.arg, ast.literal_eval(keyword.value)
            except ValueError:
                continue
