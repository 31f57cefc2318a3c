"""Recipe files as YAML with the place of each key: parse, extend, override, and say all that is wrong at once.

Knows no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fer_zoo.documents import DEEPEST, DocumentError, Key, parse_yaml, parse_yaml_with_lines, read_text
from fer_zoo.entries import did_you_mean
from fer_zoo.errors import RecipeError
from fer_zoo.names import conflict, fusions_for, normalisation_conflict, suited
from fer_zoo.registry import (
    BACKBONES,
    DATASETS,
    FUSIONS,
    LANDMARKERS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    TEMPORALS,
    Entry,
    Registry,
    unknown_name,
)
from fer_zoo.specs import SHORT_KEYS, SPLITS, ComponentSpec, DatabaseSplit, FoldSplit, Recipe, split_form

PARTS = {"backbone": BACKBONES, "temporal": TEMPORALS, "fusion": FUSIONS}
COMPONENTS: dict[Key, Registry] = {
    ("model", "backbone"): BACKBONES,
    ("model", "temporal"): TEMPORALS,
    ("model", "fusion"): FUSIONS,
    ("model", "input", "landmarks", "detector"): LANDMARKERS,
    ("data", "dataset"): DATASETS,
    **{
        (block, kind): registry
        for block in ("pretrain", "train")
        for kind, registry in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("loss", LOSSES))
    },
}


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
    model: type[BaseModel] | None = Recipe
    for part in key:
        if part in SPLITS:  # pydantic names the form of a split after the key
            model = SPLITS[str(part)]
            continue
        field = model.model_fields.get(str(part)) if model else None
        kinds = [field.annotation, *get_args(field.annotation)] if field else []
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
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


def validated(document: Document) -> tuple[Recipe | None, list[str]]:
    """Return the recipe of a document and every problem found; a recipe may fit the schema and still have problems."""
    recipe, problems = None, []
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        problems = [_problem(document, dict(e)) for e in error.errors()]
    problems += _component_problems(document, recipe)
    if recipe is not None:
        problems += _backbone_problems(document, recipe) + _database_problems(document, recipe)
    return recipe, problems


def _component_problems(document: Document, recipe: Recipe | None) -> list[str]:
    # A valid recipe has the options that are given by short keys.
    data, problems = document.data if recipe is None else recipe.model_dump(), []
    for key, registry in COMPONENTS.items():
        if (value := value_at(data, key)) is None:
            continue
        try:
            component = ComponentSpec.model_validate(value)
        except ValidationError:
            continue  # reported by the schema
        if component.name not in registry:
            problems.append(_located(document, key, _unknown(registry, component.name)))
            continue
        for problem in registry.get(component.name).problems(component.options):
            option, text = problem.split(": ", 1)
            short = (key[0], option) if option in SHORT_KEYS and (key[0], option) in document.places else None
            problems.append(_located(document, short or (*key, option), text))
    return problems


def fill_suited(document: Document) -> None:
    """Fill in what the backbone says suits it, where the recipe says nothing: a recipe is what the name would be."""
    model = document.data.get("model")
    entries = entries_of(model)
    if not (entries and isinstance(model, dict)):
        return  # reported by the schema
    for path, value in suited(*entries).items():
        target = model
        if len(path) == 2:
            target = model.setdefault(path[0], {})
            if isinstance(target, str):
                target = model[path[0]] = {"name": target}
        if isinstance(target, dict):
            target.setdefault(path[-1], list(value) if isinstance(value, tuple) else value)


def entries_of(model: Any) -> list[Entry]:
    """The backbone, temporal head and fusion that a model section names; none if one is not registered."""
    entries = []
    for kind, registry in PARTS.items():
        part = model.get(kind, "none" if kind == "fusion" else None) if isinstance(model, dict) else None
        name = part.get("name") if isinstance(part, dict) else part
        if not isinstance(name, str) or name not in registry:
            return []
        entries.append(registry.get(name))
    return entries


def _backbone_problems(document: Document, recipe: Recipe) -> list[str]:
    if recipe.model.backbone.name not in BACKBONES:
        return []  # reported as unknown
    backbone, fused, problems = BACKBONES.get(recipe.model.backbone.name), recipe.model.fusion.name, []
    if fused in FUSIONS and (reason := conflict(backbone, FUSIONS.get(fused))):
        message = f"{reason}; it takes {', '.join(fusions_for(backbone))}"
        problems.append(_located(document, ("model", "fusion"), message))
    if recipe.backbone_weights != "random" and (reason := normalisation_conflict(backbone, recipe.model.input)):
        problems.append(_located(document, ("model", "input"), f"{reason}; leave mean and std out"))
    return problems


def _database_problems(document: Document, recipe: Recipe) -> list[str]:
    match recipe.split:
        case DatabaseSplit(train_on=names):  # test_on is also under `data`, and is checked there
            key = "train_on"
        case FoldSplit(pooled_with=names):
            key = "pooled_with"
            if duplicates := sorted({name for name in names if [recipe.data.dataset.name, *names].count(name) > 1}):
                return [_located(document, ("split", key), f"duplicates: {duplicates}; data.dataset is already pooled")]
        case _:
            return []
    return [_located(document, ("split", key), _unknown(DATASETS, name)) for name in names if name not in DATASETS]


def _unknown(registry: Registry, name: str) -> str:
    error = unknown_name(registry.kind, name, registry.names(), "")
    return f"{error.given} {error.accepted}"


def _problem(document: Document, error: Mapping[str, Any]) -> str:
    where: Key = tuple(error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = _fields(where[:-1])
        places = [(*where[:-1], part) for part in known]
        inside = [".".join(map(str, (*place, where[-1]))) for place in places if where[-1] in _fields(place)]
        guess = f" (did you mean {' or '.join(map(repr, inside))}?)" if inside else did_you_mean(str(where[-1]), known)
        message = f"unknown key{guess}; accepted: {', '.join(known)}"
    elif error["type"] == "missing":
        message = "required key is missing"
    elif error["type"] == "model_type":
        is_component = section(where) is ComponentSpec
        accepted = "NAME or {name: NAME, OPTION: VALUE}" if is_component else f"settings: {', '.join(_fields(where))}"
        message = f"{error['input']!r} is wrong: write {accepted}"
    else:
        message = f"{error['input']!r} is wrong: {message.replace('valid tuple', 'list')}"
    # pydantic puts the form of a split behind the key.
    return _located(document, tuple(part for part in where if part not in SPLITS), message)


def _located(document: Document, key: Key, message: str) -> str:
    place = document.place(key)
    return f"{'.'.join(map(str, key)) or 'recipe'}{f' ({place})' if place else ''}: {message}"


def _fields(key: Key) -> list[str]:
    """Keys that the schema accepts below a key path."""
    model = section(key)
    return list(model.model_fields) if model else []
