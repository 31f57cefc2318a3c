"""`fer-zoo recipes`: list, show, copy, validate and compare recipes."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from fer_zoo.cli.arguments import add_recipe
from fer_zoo.cli.text import error_text, print_table
from fer_zoo.documents import dump_yaml
from fer_zoo.errors import FerZooError, RecipeError, UnknownNameError

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs

_NARROWEST = 24


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `recipes` with verbs of its own."""
    recipes = verbs.add_parser("recipes", parents=[common], help="list, show, copy, validate or compare recipes")
    inner = recipes.add_subparsers(title="verbs", required=True, metavar="VERB")

    ls = inner.add_parser("ls", parents=[common], help="list the packaged recipes")
    ls.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="wildcard pattern, e.g. 'paper/*'")
    ls.set_defaults(verb=_ls)

    show = inner.add_parser("show", parents=[common], help="print a recipe with all defaults filled in")
    add_recipe(show)
    show.set_defaults(verb=_show)

    copy = inner.add_parser("copy", parents=[common], help="copy a recipe to a file for editing")
    copy.add_argument("recipe", metavar="RECIPE", help="a YAML file, or the name of a packaged recipe")
    copy.add_argument("file", metavar="FILE", help="the file to write")
    copy.set_defaults(verb=_copy, writes_files=True)

    validate = inner.add_parser(
        "validate", parents=[common], help="check recipes and whether their components work together"
    )
    validate.add_argument("recipes", nargs="+", metavar="RECIPE", help="YAML files or names")
    validate.set_defaults(verb=_validate)

    diff = inner.add_parser("diff", parents=[common], help="show the differences between two recipes")
    diff.add_argument("one", metavar="A", help="a YAML file, or the name of a packaged recipe")
    diff.add_argument("other", metavar="B", help="the recipe to compare it with")
    diff.set_defaults(verb=_diff)


def _ls(arguments: argparse.Namespace) -> None:
    from fer_zoo.recipe_files import describe, list_recipes

    names = [name for name in list_recipes() if fnmatchcase(name, arguments.pattern)]
    if not names:
        raise UnknownNameError(
            f"No packaged recipe matches {arguments.pattern!r}.",
            "a pattern such as 'paper/*'",
            "`fer-zoo recipes ls` lists all",
        )
    print_table([(name, describe(name)) for name in names])


def _show(arguments: argparse.Namespace) -> None:
    from fer_zoo.recipes import show_recipe

    print(show_recipe(arguments.recipe, arguments.set), end="")


def _copy(arguments: argparse.Namespace) -> None:
    from fer_zoo.recipes import copy_recipe

    print(copy_recipe(arguments.recipe, arguments.file))


def _validate(arguments: argparse.Namespace) -> None:
    bad = 0
    for name in arguments.recipes:
        try:
            _check(name)
        except FerZooError as error:
            bad += 1
            print(f"{name}: {error_text(error)}", file=sys.stderr)
        else:
            print(f"{name}: ok")
    if bad:
        given = f"{bad} of {len(arguments.recipes)} recipes are invalid."
        raise RecipeError(given, "recipes without a problem", "fix the problems listed above")


def _check(name: str) -> None:
    import torch

    from fer_zoo.compose import build
    from fer_zoo.recipes import load_recipe
    from fer_zoo.training.pretrain import frame_recipe

    recipe = load_recipe(name)
    with torch.device("meta"):  # components that do not fit fail when the network is built; this takes no memory
        build(recipe.model)
        if recipe.pretrain is not None:
            build(frame_recipe(recipe).model)


def _diff(arguments: argparse.Namespace) -> None:
    from fer_zoo.recipes import diff_recipes, load_recipe

    differences = diff_recipes(load_recipe(arguments.one), load_recipe(arguments.other))
    if not differences:
        print("no difference")
        return
    rows = [("", arguments.one, arguments.other), *((key, _text(a), _text(b)) for key, a, b in differences)]
    print("\n".join(_table(rows)))


def _text(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"name"}:
        return str(value["name"])
    return dump_yaml(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def _table(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    """Yield rows of a key and two values; the values are wrapped to fit the terminal."""
    keys = max(len(key) for key, _, _ in rows)
    width = max(_NARROWEST, (shutil.get_terminal_size((120, 24)).columns - keys - 4) // 2)
    column = min(width, max(len(a) for _, a, _ in rows))
    for key, a, b in rows:
        cells = ([key], _wrapped(a, column), _wrapped(b, width))
        for line in zip_longest(*cells, fillvalue=""):
            yield f"{line[0]:<{keys}}  {line[1]:<{column}}  {line[2]}".rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
