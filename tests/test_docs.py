"""Docs that are generated are what the generator gives now; the navigation and the links lead somewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import model_zoo  # noqa: E402
import recipe_reference  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_model_zoo_page_is_up_to_date() -> None:
    assert model_zoo.PAGE.read_text() == model_zoo.page(), "run `python tools/model_zoo.py`"


def test_the_recipe_reference_is_up_to_date() -> None:
    assert recipe_reference.PAGE.read_text() == recipe_reference.page(), "run `python tools/recipe_reference.py`"


def test_every_page_is_in_the_navigation() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert set(files(nav)) == {page.name for page in PAGES[1:]}


def files(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for entry in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from files(entry)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_verbs_and_recipes_that_exist(page: Path) -> None:
    from fer_zoo.cli import parser
    from fer_zoo.recipes import find_recipe

    for line in re.findall(r"^(?:\$ )?fer-zoo (.+?)(?:\s+#.*)?$", page.read_text(), re.MULTILINE):
        arguments = parser().parse_args([word.strip("'\"") for word in line.split()])
        named = [getattr(arguments, key, None) for key in ("recipe", "one", "other")]
        for recipe in [*named, *getattr(arguments, "recipes", [])]:
            if recipe and not recipe.endswith(".yaml"):
                find_recipe(recipe)
