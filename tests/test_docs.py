"""Generated docs are up to date; navigation and links are valid."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import cli_reference  # noqa: E402
import component_tables  # noqa: E402
import model_zoo  # noqa: E402
import recipe_reference  # noqa: E402

from fer_zoo.registry import (  # noqa: E402
    BACKBONES,
    FUSIONS,
    LANDMARKERS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    TEMPORALS,
    Registry,
)

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def test_the_model_zoo_page_is_up_to_date() -> None:
    assert model_zoo.PAGE.read_text() == model_zoo.page(), "run `python tools/model_zoo.py`"


def test_the_command_line_reference_is_up_to_date() -> None:
    assert cli_reference.PAGE.read_text() == cli_reference.page(), "run `python tools/cli_reference.py`"


def test_the_recipe_reference_is_up_to_date() -> None:
    assert recipe_reference.PAGE.read_text() == recipe_reference.page(), "run `python tools/recipe_reference.py`"


@pytest.mark.parametrize(
    "page",
    # Every backbone is built for the table of backbones.
    [pytest.param(page, marks=pytest.mark.slow) if page.name == "backbones.md" else page for page in PAGES],
    ids=lambda page: page.name,
)
def test_generated_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert text.count("<!-- generated:") == len(component_tables.BLOCK.findall(text)), "a block is not closed"
    assert component_tables.written(text) == text, "run `python tools/model_zoo.py`"


def test_every_generated_table_is_used_once() -> None:
    shown = [found[1] for page in PAGES for found in component_tables.BLOCK.findall(page.read_text())]
    assert sorted(shown) == sorted(component_tables.TABLES)


@pytest.mark.parametrize("registry", [BACKBONES, TEMPORALS, FUSIONS, LANDMARKERS], ids=lambda registry: registry.kind)
def test_every_component_is_described_outside_the_tables(registry: Registry) -> None:
    page = (ROOT / "docs" / component_tables.PAGES[registry.kind][1]).read_text()
    typed = component_tables.BLOCK.sub("", page)
    names = [entry.name.removesuffix("_tiny") for entry in component_tables.described(registry)]
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", typed)] == []


@pytest.mark.parametrize("registry", [OPTIMIZERS, SCHEDULES, LOSSES], ids=lambda registry: registry.kind)
def test_the_training_page_lists_optimizers_schedules_and_losses(registry: Registry) -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (DOCS / "training.md").read_text(), re.MULTILINE)
    ours = [name for name in registry.names() if registry.get(name).module.startswith("fer_zoo.")]
    assert set(ours) <= set(listed)


def test_every_page_is_in_the_navigation() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert set(files(nav)) == {page.relative_to(DOCS).as_posix() for page in PAGES[1:]}


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
