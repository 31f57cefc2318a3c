"""What is wrong with a recipe, all of it at once, each problem with its key path and place. Knows no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from fer_zoo.compatibility import conflict, fusions_for, normalisation_conflict, suited
from fer_zoo.documents import Key
from fer_zoo.recipe_documents import Document, section
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
from fer_zoo.specs import SHORT_KEYS, SPLITS, ComponentSpec, DatabaseSplit, FoldSplit, InputSpec, Recipe

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


def validated(document: Document) -> tuple[Recipe | None, list[str]]:
    """Return the recipe of a document and every problem found; a recipe may fit the schema and still have problems."""
    recipe, problems = None, []
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        problems = [_problem(document, dict(e)) for e in error.errors()]
    problems += _component_problems(document, recipe)
    for find in (_pair_problems, _normalisation_problems, _database_problems):
        problems += find(document, recipe) if recipe else []
    return recipe, problems


def _component_problems(document: Document, recipe: Recipe | None) -> list[str]:
    problems = []
    for key, registry in COMPONENTS.items():
        value: Any = document.data
        if recipe is not None and key[0] in ("pretrain", "train"):
            value = {key[0]: (block := getattr(recipe, str(key[0]))) and block.model_dump()}  # with the short keys
        for part in key:
            value = value.get(part) if isinstance(value, dict) else None
        try:
            component = ComponentSpec.model_validate(value) if value is not None else None
        except ValidationError:
            continue  # reported by the schema
        if component is None:
            continue
        if component.name not in registry:
            problems.append(_located(document, key, _unknown(registry, component.name)))
        else:
            found = registry.get(component.name).problems(component.options)
            for option, text in (problem.split(": ", 1) for problem in found):
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


def _normalisation_problems(document: Document, recipe: Recipe) -> list[str]:
    name = recipe.model.backbone.name
    if recipe.backbone_weights == "random" or name not in BACKBONES:
        return []
    reason = normalisation_conflict(BACKBONES.get(name), recipe.model.input.model_dump(), InputSpec().model_dump())
    return [_located(document, ("model", "input"), f"{reason}; leave mean and std out")] if reason else []


def _pair_problems(document: Document, recipe: Recipe) -> list[str]:
    backbone, fused = recipe.model.backbone.name, recipe.model.fusion.name
    if backbone not in BACKBONES or fused not in FUSIONS:
        return []  # reported as unknown
    reason = conflict(BACKBONES.get(backbone), FUSIONS.get(fused))
    if reason is None:
        return []
    partners = ", ".join(fusions_for(BACKBONES.get(backbone)))
    return [_located(document, ("model", "fusion"), f"{reason}; it takes {partners}")]


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
        close = difflib.get_close_matches(str(where[-1]), known, n=1)
        message = f"unknown key{f' (did you mean {close[0]!r}?)' if close else ''}; accepted: {', '.join(known)}"
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
