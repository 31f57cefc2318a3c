"""Recipe files as YAML with the place of each key: parse, extend, override. Knows the schema, checks no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from fer_zoo.documents import DEEPEST, DocumentError, Key, parse_yaml, parse_yaml_with_lines, read_text
from fer_zoo.errors import RecipeError
from fer_zoo.specs import SHORT_KEYS, SPLITS, ComponentSpec, Recipe, split_form


@dataclass
class Document:
    """Parsed YAML and where each key is, as `file:line`."""

    data: dict[str, Any]
    places: dict[Key, str] = field(default_factory=dict)

    def place(self, key: Key) -> str:
        """Where a key is, or the nearest one above it whose place is known; "" if there is none."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, "")


def parse(path: Path, *, keys: str = "recipe keys", see: str = "the recipe reference") -> Document:
    """Read one file, without what it extends.

    Args:
        keys, see: what it should hold, and where that is explained.

    Raises:
        OSError: it cannot be read.
        RecipeError: it is not a YAML mapping, or a key is given twice.
    """
    accepted = f"a YAML mapping of {keys}"
    try:
        parsed = parse_yaml_with_lines(read_text(path))
    except DocumentError as error:
        do = f"correct the place named above; see {see}"
        raise RecipeError(f"{path} cannot be read as YAML: {error}.", accepted, do) from error
    if not isinstance(parsed.value, dict):
        raise RecipeError(f"{path} is not a YAML mapping.", accepted, f"see {see}")
    places = {key: f"{path.name}:{line}" for key, line in parsed.lines.items()}
    if parsed.duplicates:
        twice = [f"{'.'.join(map(str, key))}: {path.name}:{a} and {path.name}:{b}" for key, a, b in parsed.duplicates]
        raise RecipeError(f"{path} has duplicate keys:", "each key once", "delete one of each pair", problems=twice)
    return Document(parsed.value, places)


def extended(child: Document, parent: Document) -> Document:
    """Return the parent changed by the child; what a paper printed for the parent does not hold for the child."""
    parent.data.pop("published", None)
    _merge(parent.data, child.data)
    kept = {key: place for key, place in parent.places.items() if value_at(parent.data, key) is not None}
    parent.places = {**kept, **child.places}
    return parent


def value_at(data: Any, key: Key) -> Any:
    """The value at a key path of nested mappings; None if there is none."""
    for part in key:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def override(document: Document, text: str) -> str | None:
    """Apply "key.path=value" to a document; returns what is wrong with the text, if anything is."""
    path, equals, written = text.partition("=")
    if not equals or not path:
        return f"--set {text}: write key.path=value"
    keys = path.strip().split(".")
    if len(keys) > DEEPEST:
        return f"--set {text[:80]}...: no key is nested more than {DEEPEST} deep"
    target: Any = document.data
    for depth, key in enumerate(keys[:-1]):
        if isinstance(target.get(key), str):  # a component given by its name alone
            target[key] = {"name": target[key]}
        if target.get(key) is None and _off_by_default(tuple(keys[: depth + 1])):
            return f"--set {text}: this recipe has no {key!r}; write it in a recipe file"
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            return f"--set {text}: {key!r} holds a value, not settings"
    try:
        value = parse_yaml(written)
    except DocumentError as error:
        return f"--set {text}: the value cannot be read as YAML: {error}"
    *above, last = keys
    if len(keys) in (2, 3) and isinstance(block := document.data.get(keys[0]), dict):
        _drop_restated(block, {keys[1]: value if len(keys) == 2 else {last: value}})
    if last == "name" and section(tuple(above)) is ComponentSpec and target.get("name") != value:
        _drop_options(document, target, tuple(above))
    target[last] = value
    document.places[tuple(keys)] = "--set"
    return None


def section(key: Key) -> type[BaseModel] | None:
    """The schema at a key path, `X` for `X | None`; None where there is no fixed one."""
    model: type[BaseModel] = Recipe
    for part in key:
        if part in SPLITS:  # pydantic names the form of a split after the key
            model = SPLITS[str(part)]
            continue
        field = model.model_fields.get(str(part))
        types = [field.annotation, *get_args(field.annotation)] if field else []
        # `Annotated[X, ...]` is not a type; X is its origin.
        origins = [getattr(kind, "__origin__", kind) for kind in types]
        found = next((kind for kind in origins if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if found is None:
            return None
        model = found
    return model


def _drop_options(document: Document, component: dict[str, Any], key: Key) -> None:
    """Another component has other options: those of the file go, as for a child recipe; those of --set are meant."""
    for option in [option for option in component if document.places.get((*key, option)) != "--set"]:
        del component[option]
        document.places.pop((*key, option), None)
    document.places[key] = "--set"


def _off_by_default(key: Key) -> bool:
    above = section(key[:-1])
    field = above.model_fields.get(str(key[-1])) if above else None
    return field is not None and field.default is None


def _drop_restated(base: dict[str, Any], change: Mapping[str, Any]) -> None:
    """Of a short key of training and the option that it is short for, drop the one that the change overrides."""
    for short, kind in SHORT_KEYS.items():
        component = change.get(kind)
        if isinstance(component, dict) and short in component:
            base.pop(short, None)
        if short in change and isinstance(base.get(kind), dict):
            base[kind].pop(short, None)


def _merge(base: dict[str, Any], change: Mapping[str, Any]) -> None:
    _drop_restated(base, change)
    for key, value in change.items():
        old = base.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not _replaces(key, value, old):
            _merge(old, value)
        elif isinstance(value, dict) and isinstance(old, str) and "name" not in value:
            base[key] = {"name": old, **value}  # options of a component given by its name alone
        else:
            base[key] = value


def _replaces(key: str, value: dict[str, Any], old: dict[str, Any]) -> bool:
    """Another component of the same kind has other options, another form of split other keys: none are inherited."""
    if key == "split":
        return split_form(value) != split_form(old)
    return "name" in value and old.get("name") != value["name"]
