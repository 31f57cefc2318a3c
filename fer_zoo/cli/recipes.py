"""`fer-zoo recipes`: list, show, copy, validate and compare recipes."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from fnmatch import fnmatchcase

from fer_zoo.cli.arguments import add_recipe
from fer_zoo.cli.text import error_text, print_table
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import FerZooError, RecipeError, UnknownNameError


def add(top: Parser) -> None:
    """Add the command `recipes` with commands of its own."""
    recipes = top.command("recipes", "list, show, copy, validate or compare recipes")
    ls = recipes.command("ls", "list the packaged recipes", _ls)
    ls.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="wildcard pattern, e.g. 'paper/*'")
    add_recipe(recipes.command("show", "print a recipe with all defaults filled in", _show))
    copy = recipes.command("copy", "copy a recipe to a file for editing", _copy, writes_files=True)
    copy.add_argument("recipe", metavar="RECIPE", help="a YAML file, or the name of a packaged recipe")
    copy.add_argument("file", metavar="FILE", help="the file to write")
    validate = recipes.command("validate", "check recipes and whether their components work together", _validate)
    validate.add_argument("recipes", nargs="+", metavar="RECIPE", help="YAML files or names")
    diff = recipes.command("diff", "show the differences between two recipes", _diff)
    diff.add_argument("one", metavar="A", help="a YAML file, or the name of a packaged recipe")
    diff.add_argument("other", metavar="B", help="the recipe to compare it with")


def _ls(arguments: Namespace) -> None:
    from fer_zoo.recipe_files import describe, list_recipes

    names = [name for name in list_recipes() if fnmatchcase(name, arguments.pattern)]
    if not names:
        raise UnknownNameError(
            f"No packaged recipe matches {arguments.pattern!r}.",
            "a pattern such as 'paper/*'",
            "`fer-zoo recipes ls` lists all",
        )
    print_table([(name, describe(name)) for name in names])


def _show(arguments: Namespace) -> None:
    from fer_zoo.recipes import show_recipe

    print(show_recipe(arguments.recipe, arguments.set), end="")


def _copy(arguments: Namespace) -> None:
    from fer_zoo.recipes import copy_recipe

    print(copy_recipe(arguments.recipe, arguments.file))


def _validate(arguments: Namespace) -> None:
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


def _diff(arguments: Namespace) -> None:
    from fer_zoo.recipes import as_yaml, diff_recipes, load_recipe

    differences = diff_recipes(load_recipe(arguments.one), load_recipe(arguments.other))
    if not differences:
        print("no difference")
        return
    rows = [("", arguments.one, arguments.other), *((key, as_yaml(a), as_yaml(b)) for key, a, b in differences)]
    print_table(rows, wrapped=2, width=shutil.get_terminal_size((120, 24)).columns)
