"""Which recipe files there are. Imports little, so that the command line lists them at once."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from fer_zoo.documents import parse_yaml, read_text
from fer_zoo.errors import UnknownNameError
from fer_zoo.paths import find_path
from fer_zoo.registry import unknown_name

# Mapped into the wheel; in a checkout they are at the top level.
_ROOTS = (Path(__file__).parent / "recipes", Path(__file__).parent.parent / "recipes")
_LONGEST_NAME = 300


def list_recipes() -> list[str]:
    """Names of the recipes that come with fer_zoo, e.g. "quickstart" or "release/incres3d_tiny_lstm_lm"."""
    root = recipe_root()
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))


def find_recipe(name: str | Path) -> Path:
    """Return the file of a recipe given by path or by name.

    Raises:
        UnknownNameError: there is no such file and no such name.
    """
    path = find_path(name)
    if os.path.isfile(path):  # unlike Path.is_file, False for names that no file can have
        return path
    packaged = recipe_root() / f"{name}.yaml"
    if os.path.isfile(packaged) and recipe_root().resolve() in packaged.resolve().parents:
        return packaged
    if path.suffix in (".yaml", ".yml"):
        close = difflib.get_close_matches(str(path.with_suffix("")), list_recipes(), n=1, cutoff=0.8)
        packaged_too = f", or write {close[0]!r}, which is a packaged recipe" if close else ""
        raise UnknownNameError(
            f"There is no recipe file {short_name(name)!r}.", "a path to a YAML file", f"check the path{packaged_too}"
        )
    raise unknown_name("recipe", short_name(name), list_recipes(), "give a path to a YAML file or one of these names")


def describe(name: str) -> str:
    """The description of a packaged recipe: its own, or that of the recipe it extends; "" if it has none."""
    data = parse_yaml(read_text(find_recipe(name)))
    if "description" not in data and "extends" in data:
        return describe(str(data["extends"]))
    return str(data.get("description", ""))


def short_name(name: str | Path) -> str:
    """A name for a message, cut off where it is very long."""
    text = str(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def recipe_root() -> Path:
    """Folder of the packaged recipes."""
    return next((root for root in _ROOTS if root.is_dir()), _ROOTS[0])
