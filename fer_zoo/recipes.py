"""Recipe files: find, load, dump, copy, compare. Knows YAML, knows no torch."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fer_zoo.documents import Key, dump_yaml, parse_yaml_with_lines, read_text
from fer_zoo.errors import RecipeError, UnknownNameError
from fer_zoo.names import suited
from fer_zoo.recipe_documents import (
    COMPONENTS,
    PARTS,
    Document,
    entries_of,
    extended,
    fill_suited,
    override,
    parse,
    section,
    validated,
    value_at,
)
from fer_zoo.recipe_files import find_recipe, list_recipes, recipe_root, short_name
from fer_zoo.specs import SHORT_KEYS, ComponentSpec, Recipe

__all__ = [
    "copy_recipe",
    "diff_recipes",
    "dump_recipe",
    "find_recipe",
    "list_recipes",
    "load_recipe",
    "show_recipe",
    "training_changes",
    "with_backbone_of",
]

# A packaged recipe extends one that extends none (tests/test_recipes.py); a user's may extend any packaged one.
_MOST_LEVELS = 2


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load, extend, override and validate a recipe.

    Args:
        name: path of a YAML file or name of a packaged recipe.
        overrides: settings such as "train.lr=3e-4"; the value is YAML.

    Raises:
        UnknownNameError: no such recipe.
        RecipeError: every problem found, each with its key path and place.
    """
    return _loaded(name, overrides)[0]


def _loaded(name: str | Path, overrides: Sequence[str]) -> tuple[Recipe, Document]:
    document = _document(find_recipe(name))
    problems = [problem for text in overrides if (problem := override(document, text))]
    fill_suited(document)
    recipe, found = validated(document)
    problems += found
    if problems or recipe is None:
        raise RecipeError(
            f"Recipe {str(name)!r} has {len(problems)} problem{'s' * (len(problems) != 1)}:",
            "keys of fer_zoo.specs.Recipe and options of the registered components",
            "correct the lines named above",
            problems=problems,
        )
    return recipe, document


def dump_recipe(recipe: Recipe) -> str:
    """Return a recipe as YAML with its defaults written out; loading it gives the same training."""
    data = recipe.model_dump(mode="json")
    entries = entries_of(data["model"])
    for kind, option in (path for path in (suited(*entries) if entries else {}) if len(path) == 2):
        # If it were missing, the recipe would get the default of the backbone when it is loaded.
        if kind != "input" and option not in data["model"][kind]:
            data["model"][kind][option] = dict(zip(PARTS, entries, strict=True))[kind].options[option].default
    return dump_yaml(data)


def show_recipe(name: str | Path, overrides: Sequence[str] = ()) -> str:
    """Return a recipe as `dump_recipe` does; if it extends another, with the file and line of each value as a comment.

    Values without a comment are defaults.

    Raises:
        UnknownNameError, RecipeError: as `load_recipe`.
    """
    recipe, document = _loaded(name, overrides)
    text = dump_recipe(recipe)
    if len({place.rpartition(":")[0] for place in document.places.values()} - {""}) < 2:
        return text
    shown, lines = parse_yaml_with_lines(text), text.splitlines()
    first_lines = {*shown.lines.values(), len(lines) + 1}
    for key, line in shown.lines.items():
        value, place = value_at(shown.value, key), _origin(document, key)
        wrapped = isinstance(value, str) and line + 1 not in first_lines  # a comment would end it
        if place and not wrapped and not isinstance(value, dict):
            lines[line - 1] += f"  # {place}"
    return "\n".join(lines) + "\n"


def _origin(document: Document, key: Key) -> str | None:
    """Where a value was written; None for a default."""
    if key in document.places:
        return document.places[key]
    if key[-1] == "name":  # a component given by its name alone
        return document.places.get(key[:-1])
    return document.places.get((key[0], key[-1])) if key[-1] in SHORT_KEYS else None


def copy_recipe(name: str | Path, to: str | Path) -> Path:
    """Copy a recipe file unchanged, with comments and `extends`, for editing; returns the new file.

    A parent that lies beside the recipe is named by its path from the new place; packaged parents need no change.

    Raises:
        UnknownNameError: no such recipe.
        RecipeError: the recipe cannot be loaded, there is a file already, or it cannot be written.
    """
    source, target = find_recipe(name), Path(to)
    load_recipe(source)
    text = read_text(source)
    parent = _parsed(source).data.get("extends")
    if parent is not None and not os.path.isfile(recipe_root() / f"{parent}.yaml"):
        way = Path(os.path.relpath(_parent(source, parent).with_suffix(""), target.parent)).as_posix()
        line = dump_yaml({"extends": way}, allow_unicode=True, width=10**6).rstrip("\n")
        text, found = re.subn(r"(?m)^extends:.*$", lambda _: line, text, count=1)
        if not found:
            given = f"{source} does not have `extends: NAME` on a line of its own."
            raise RecipeError(given, "such a line, whose path is changed in the copy", "write it so")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        given = f"The recipe cannot be copied to {target}: {error.strerror}."
        raise RecipeError(given, "a new file in a folder that exists", "choose another name") from error
    return target


def diff_recipes(one: Recipe, other: Recipe) -> list[tuple[str, Any, Any]]:
    """Return the differences between two recipes as (key path, value of one, value of the other), in schema order.

    A component that is replaced by another one is shown whole; for the same component, the options that differ, with
    defaults filled in. A section that only one recipe has is shown without its defaults. `description` is
    left out.
    """
    a, b = (recipe.model_dump(mode="json", exclude={"description"}) for recipe in (one, other))
    return list(_differences((), a, b))


def training_changes(was: Recipe, now: Recipe) -> list[str]:
    """What two recipes train differently, in words; `description` and `published` are no part of it."""
    was = with_backbone_of(now, was)
    differ = diff_recipes(was, with_backbone_of(was, now))
    return [f"{key} was {old!r}, now {new!r}" for key, old, new in differ if key.split(".")[0] != "published"]


def with_backbone_of(started: Recipe, recipe: Recipe) -> Recipe:
    """Return `recipe` with the backbone of `started`, if that only adds the commit and the config of a Hub model."""
    known, given = started.model.backbone, recipe.model.backbone
    if known.name != given.name or not all(_adds(known.options.get(k), v) for k, v in given.options.items()):
        return recipe
    if not {"hub", "config"} & known.options.keys():
        return recipe
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"backbone": known})})


def _adds(known: Any, given: Any) -> bool:
    """Whether a value is the given one, with a commit or further settings."""
    if isinstance(known, dict) and isinstance(given, dict):
        return all(key in known and known[key] == value for key, value in given.items())
    pinned = isinstance(known, str) and isinstance(given, str) and re.sub(r"^hf-hub:|@[0-9a-f]{40}$", "", known)
    return bool(known == given or (pinned and pinned == given.removeprefix("hf-hub:").partition("@")[0]))


def _document(path: Path, children: tuple[Path, ...] = ()) -> Document:
    document = _parsed(path)
    parent_name = document.data.pop("extends", None)
    if parent_name is None:
        return document
    place = document.places["extends",]
    if not isinstance(parent_name, str):
        raise RecipeError(
            f"{place}: extends {parent_name!r}.",
            "the name of one recipe, packaged or beside this file",
            "extend one, and write what the others change in this file",
        )
    try:
        parent = _parent(path, parent_name)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{place}: extends {short_name(parent_name)!r}. {error.given}", error.accepted, error.do
        ) from error
    chain = (*children, path)
    written = ", which extends ".join([*(file.name for file in chain), short_name(parent_name)])
    written = f"{place}: {written.replace(', which', '', 1)}."
    if parent.resolve() in [file.resolve() for file in chain]:
        raise RecipeError(written, "recipes that do not extend each other in a circle", "take `extends` out of one")
    if len(chain) > _MOST_LEVELS:
        do = f"let {chain[0].name} extend {chain[2].name}, and repeat in it what {chain[1].name} changes"
        raise RecipeError(written, f"at most {_MOST_LEVELS} levels of `extends`", do)
    return extended(document, _document(parent, chain))


def _parsed(path: Path) -> Document:
    try:
        return parse(path)
    except OSError as error:
        given = f"The recipe {path} cannot be read: {error.strerror or error}."
        raise RecipeError(given, "a YAML file that you may read", "check the file and its permissions") from error


def _parent(path: Path, name: object) -> Path:
    beside = path.parent / f"{str(name).removesuffix('.yaml')}.yaml"
    return beside if os.path.isfile(beside) else find_recipe(str(name))


def as_yaml(value: Any) -> str:
    """A value of a recipe as one line of YAML; a component without options is its name."""
    if isinstance(value, dict) and value.keys() == {"name"}:
        return str(value["name"])
    return dump_yaml(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def _differences(key: Key, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict) and one.get("name") == other.get("name"):
        a, b = _with_defaults(key, one), _with_defaults(key, other)
        if a.keys() == b.keys():
            for name in a:
                yield from _differences((*key, name), a[name], b[name])
            return
    if one != other:
        yield ".".join(map(str, key)), _brief(key, one), _brief(key, other)


def _with_defaults(key: Key, value: dict[str, Any]) -> dict[str, Any]:
    if key not in COMPONENTS:
        return value
    options = COMPONENTS[key].get(value["name"]).options
    defaults = {name: p.default for name, p in options.items() if p.default is not inspect.Parameter.empty}
    return {**defaults, **value}


def _brief(key: Key, value: Any) -> Any:
    """A section that the other recipe lacks, without its defaults."""
    spec = section(key)
    if not isinstance(value, dict) or spec is None or spec is ComponentSpec:
        return value
    return spec.model_validate(value).model_dump(mode="json", exclude_defaults=True)
