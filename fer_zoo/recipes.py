"""Recipe files: find, parse, extend, override, validate, dump. Knows YAML, knows no torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from fer_zoo.errors import RecipeError, UnknownNameError
from fer_zoo.registry import BACKBONES, DATASETS, FUSIONS, LANDMARKERS, TEMPORALS, Registry, unknown_name
from fer_zoo.specs import ComponentSpec, Recipe

Key = tuple[str | int, ...]

# Mapped into the wheel; in a checkout they lie at top level.
_ROOTS = (Path(__file__).parent / "recipes", Path(__file__).parent.parent / "recipes")
_COMPONENTS: dict[Key, Registry] = {
    ("model", "backbone"): BACKBONES,
    ("model", "temporal"): TEMPORALS,
    ("model", "fusion"): FUSIONS,
    ("model", "input", "landmarks", "detector"): LANDMARKERS,
    ("data", "dataset"): DATASETS,
}


@dataclass
class _Document:
    """Parsed YAML and where each key stands, as `file:line`."""

    data: dict[str, Any]
    places: dict[Key, str] = field(default_factory=dict)

    def place(self, key: Key) -> str:
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, "")


def list_recipes() -> list[str]:
    """Names of the recipes that come with fer_zoo, e.g. "quickstart" or "release/incres3d_tiny_lstm_lm"."""
    root = _root()
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))


def find_recipe(name: str | Path) -> Path:
    """Return the file of a recipe given by path or by name.

    Raises:
        UnknownNameError: there is no such file and no such name.
    """
    path = Path(name)
    if path.is_file():
        return path
    packaged = _root() / f"{name}.yaml"
    if packaged.is_file() and _root().resolve() in packaged.resolve().parents:
        return packaged
    if path.suffix in (".yaml", ".yml"):
        raise UnknownNameError(f"There is no recipe file {str(name)!r}.", "a path to a YAML file", "check the path")
    raise unknown_name("recipe", str(name), list_recipes(), "give a path to a YAML file or one of these names")


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load, extend, override and validate a recipe.

    Args:
        name: path of a YAML file or name of a packaged recipe.
        overrides: settings such as "train.lr=3e-4"; the value is YAML.

    Raises:
        UnknownNameError: no such recipe.
        RecipeError: every problem found, each with its key path and place.
    """
    path = find_recipe(name)
    document = _extended(path)
    problems = [problem for text in overrides if (problem := _override(document, text))]
    recipe = None
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        problems += [_problem(document, dict(e)) for e in error.errors()]
    problems += _component_problems(document)
    if problems or recipe is None:
        raise RecipeError(
            f"Recipe {str(name)!r} has {len(problems)} problem{'s' * (len(problems) != 1)}:",
            "keys of fer_zoo.specs.Recipe and options of the registered components",
            "mend the lines named above",
            problems=problems,
        )
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """Return a recipe as YAML with every default written out; loading it gives the same recipe."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, width=120)
    return text


def _root() -> Path:
    return next((root for root in _ROOTS if root.is_dir()), _ROOTS[0])


def _extended(path: Path) -> _Document:
    document = _parse(path)
    parent_name = document.data.pop("extends", None)
    if parent_name is None:
        return document
    beside = path.parent / f"{parent_name}.yaml"
    parent = _parse(beside if beside.is_file() else find_recipe(parent_name))
    if "extends" in parent.data:
        raise RecipeError(
            f"{path.name} extends {parent_name!r}, which itself extends {parent.data['extends']!r}.",
            "one level of `extends`",
            f"extend {parent.data['extends']!r} directly",
        )
    _merge(parent.data, document.data)
    parent.places.update(document.places)
    return parent


def _merge(base: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        old = base.get(key)
        # Another component of the same kind has other options: it replaces, it does not inherit them.
        replaced = isinstance(value, dict) and "name" in value and isinstance(old, dict) and old != value
        if isinstance(value, dict) and isinstance(old, dict) and not (replaced and old.get("name") != value["name"]):
            _merge(old, value)
        else:
            base[key] = value


def _override(document: _Document, text: str) -> str | None:
    path, equals, value = text.partition("=")
    if not equals or not path:
        return f"--set {text}: write key.path=value"
    keys = path.strip().split(".")
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
        target[keys[-1]] = yaml.load(value, Loader=_Loader)
    except yaml.YAMLError as error:
        return f"--set {text}: the value is no YAML: {str(error).splitlines()[0]}"
    document.places[tuple(keys)] = "--set"
    return None


def _component_problems(document: _Document) -> list[str]:
    problems = []
    for key, registry in _COMPONENTS.items():
        value: Any = document.data
        for part in key:
            value = value.get(part) if isinstance(value, dict) else None
        try:
            component = ComponentSpec.model_validate(value) if value is not None else None
        except ValidationError:
            continue  # reported by the schema
        if component is None:
            continue
        if component.name not in registry:
            error = unknown_name(registry.kind, component.name, registry.names(), "")
            problems.append(_located(document, key, f"{error.given} {error.accepted}"))
        else:
            found = registry.get(component.name).problems(component.options)
            problems += [_located(document, (*key, text.split(":")[0]), text.split(": ", 1)[1]) for text in found]
    return problems


def _problem(document: _Document, error: Mapping[str, Any]) -> str:
    key: Key = tuple(error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = list(_fields(key[:-1]))
        close = difflib.get_close_matches(str(key[-1]), known, n=1)
        message = f"unknown key{f' (did you mean {close[0]!r}?)' if close else ''}; accepted: {', '.join(known)}"
    elif error["type"] == "missing":
        message = "required key is missing"
    else:
        message = f"{error['input']!r} is wrong: {message}"
    return _located(document, key, message)


def _located(document: _Document, key: Key, message: str) -> str:
    place = document.place(key)
    return f"{'.'.join(map(str, key)) or 'recipe'}{f' ({place})' if place else ''}: {message}"


def _fields(key: Key) -> Iterable[str]:
    """Keys that the schema accepts below a key path."""
    model = _section(key)
    return list(model.model_fields) if model else ()


def _section(key: Key) -> type[BaseModel] | None:
    """The schema at a key path, `X` for `X | None`; None where there is no fixed one."""
    model: type[BaseModel] = Recipe
    for part in key:
        field = model.model_fields.get(str(part))
        types = [field.annotation, *get_args(field.annotation)] if field else []
        section = next((t for t in types if isinstance(t, type) and issubclass(t, BaseModel)), None)
        if section is None:
            return None
        model = section
    return model


def _off_by_default(key: Key) -> bool:
    above = _section(key[:-1])
    field = above.model_fields.get(str(key[-1])) if above else None
    return field is not None and field.default is None


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number and a key may stand only once."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _parse(path: Path) -> _Document:
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise RecipeError(f"{path} holds no mapping.", "a YAML mapping of recipe keys", "see the recipe reference")
        places: dict[Key, str] = {}
        twice: list[str] = []
        _walk(root, (), path.name, places, twice)
        if twice:
            raise RecipeError(f"{path} has duplicate keys:", "each key once", "delete one of each pair", problems=twice)
        return _Document(loader.construct_document(root), places)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no YAML: {error}", "a YAML mapping", "mend the place named above") from error


def _walk(node: yaml.Node, key: Key, file: str, places: dict[Key, str], twice: list[str]) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for name_node, value in node.value:
        child = (*key, str(name_node.value))
        place = f"{file}:{name_node.start_mark.line + 1}"
        if child in places:
            twice.append(f"{'.'.join(map(str, child))}: {places[child]} and {place}")
        places[child] = place
        _walk(value, child, file, places, twice)
