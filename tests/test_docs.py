"""Docs that are generated are what the generator gives now; the navigation and the links lead somewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import model_zoo  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_model_zoo_page_is_up_to_date() -> None:
    assert model_zoo.PAGE.read_text() == model_zoo.page(), "run `python tools/model_zoo.py`"


def test_every_page_is_in_the_navigation() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert {file for entry in nav for file in entry.values()} == {page.name for page in PAGES[1:]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_verbs_and_recipes_that_exist(page: Path) -> None:
    from fer_zoo.cli import _parser
    from fer_zoo.recipes import find_recipe

    for line in re.findall(r"^(?:\$ )?fer-zoo (.+?)(?:\s+#.*)?$", page.read_text(), re.MULTILINE):
        arguments = _parser().parse_args([word.strip("'\"") for word in line.split()])
        if hasattr(arguments, "recipe") and not arguments.recipe.endswith(".yaml"):
            find_recipe(arguments.recipe)
