"""Write docs/recipe-reference.md from the schema of recipes and the signatures of the registered components.

python tools/recipe_reference.py
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import fer_zoo  # noqa: F401  (importing registers the components)
from fer_zoo.registry import REGISTRIES, Entry, Registry
from fer_zoo.specs import SPLITS, ComponentSpec, Recipe

PAGE = Path(__file__).parent.parent / "docs" / "recipe-reference.md"

HEAD = """\
# Recipe reference

<!-- Written by `python tools/recipe_reference.py` from the schema and the registry; do not edit. -->

All keys of a recipe, except `extends`, the name of [the recipe that it modifies](recipes.md).
`fer-zoo recipes show RECIPE` prints the values of all keys for one recipe.
"""
COMPONENTS = """
# Components

Options of every registered component. Write `{name: lstm, hidden: 64}`, or only the name to use the defaults.
`fer-zoo components` prints a description of each component.
"""
NAMES = {Any: "any value", int: "integer", float: "number", str: "text", bool: "`true` or `false`"}
SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "a multiple of"}


def accepted(kind: Any, limits: Sequence[Any] = ()) -> str:
    """Describe the accepted values of a type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return accepted(arguments[0], [*arguments[1:], *limits])
    if origin in (Union, UnionType):
        return " or ".join(accepted(one, limits) for one in arguments)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (tuple, list, Sequence):
        whole = [one for one in arguments if one is not Ellipsis]
        count = "" if len(whole) < len(arguments) or origin is not tuple else f"{len(whole)} "
        return f"list of {count}{accepted(whole[0])}{'s' if whole[0] in (int, float) and count else ''}"
    if origin is dict:
        return f"`{{NAME: {accepted(arguments[1])}}}`"
    if kind is NoneType:
        return "`null`"
    bounds = [text for limit in limits for text in _bounds(limit)]
    return " ".join([NAMES[kind], " and ".join(bounds)]).strip()


def _bounds(limit: Any) -> Iterator[str]:
    parts = limit.metadata if isinstance(limit, FieldInfo) else [limit]
    for part in parts:
        if isinstance(part, annotated_types.BaseMetadata):
            yield from (f"{sign} {getattr(part, name)}" for name, sign in SIGNS.items() if hasattr(part, name))


def written(value: Any) -> str:
    """Return a default as written in a recipe."""
    if isinstance(value, ComponentSpec):
        return f"`{value.name}`"
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
    return f"`{text}`"


def sections(model: type[BaseModel], key: str = "") -> Iterator[str]:
    """Yield a table of a section's keys, then those of its subsections."""
    rows, inner = [], []
    for name, field in model.model_fields.items():
        path = f"{key}.{name}" if key else name
        nested = _nested(field)
        default = "required" if field.default is PydanticUndefined else written_default(field)
        if name == "split":
            kind = "[ranges, folds, a subject, a published split, databases, groups or a file](#split)"
            inner.append("\n## split\n\nOne of seven forms.\n" + "".join(map(_form, SPLITS.values())))
        elif nested is ComponentSpec:
            kind = f"{'an' if name[0] in 'aeiou' else 'a'} [{_kind(name)}](#{_kind(name)})"
        elif nested and name == "pretrain":
            kind = "settings like [train](#train), or `null`"
        elif nested:
            kind = f"[settings](#{path.replace('.', '')})" + (" or `null`" if field.default is None else "")
            inner += sections(nested, path)
        else:
            kind = accepted(field.annotation, field.metadata)
        rows.append((f"`{name}`", kind, default, " ".join((field.description or "").split())))
    yield (f"\n## {key}\n" if key else "") + f"\n{_table(('key', 'accepted', 'default', 'meaning'), rows)}"
    yield from inner


def written_default(field: FieldInfo) -> str:
    """Return a field's default; empty for a section, whose keys have their own defaults."""
    is_section = isinstance(field.default, BaseModel) and not isinstance(field.default, ComponentSpec)
    return "" if is_section else written(field.default)


def components(registry: Registry) -> str:
    """Return a table of the options of all built-in components of one kind."""
    entries = registry.snapshot().values()
    rows = [
        row for entry in sorted(entries, key=lambda entry: entry.name) if _built_in(entry) for row in _options(entry)
    ]
    return f"\n## {registry.kind}\n\n{_table(('name', 'option', 'accepted', 'default'), rows)}"


def page() -> str:
    """Return the page."""
    parts = [HEAD, *sections(Recipe), COMPONENTS, *map(components, REGISTRIES.values())]
    return "".join(parts)


def _built_in(entry: Entry) -> bool:
    return entry.module.partition(".")[0] == "fer_zoo"


def _options(entry: Entry) -> Iterator[tuple[str, str, str, str]]:
    if not entry.options:
        yield f"`{entry.name}`", "none", "", ""
    for number, (name, parameter) in enumerate(entry.options.items()):
        default = "required" if parameter.default is inspect.Parameter.empty else written(parameter.default)
        yield (f"`{entry.name}`" if number == 0 else ""), f"`{name}`", accepted(entry.types[name]), default


def _form(split: type[BaseModel]) -> str:
    rows = [(f"`{n}`", accepted(f.annotation, f.metadata), f.description or "") for n, f in split.model_fields.items()]
    return f"\n{inspect.cleandoc(split.__doc__ or '')}\n\n{_table(('key', 'accepted', 'meaning'), rows)}"


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _kind(name: str) -> str:
    return {"detector": "landmarker"}.get(name, name)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page())
