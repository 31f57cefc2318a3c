"""Packaged recipes are described without loading them, as loading them does."""

from __future__ import annotations

import pytest

from fer_zoo.recipe_files import describe, list_recipes
from fer_zoo.recipes import load_recipe


@pytest.mark.parametrize("name", list_recipes())
def test_a_description_is_that_of_the_loaded_recipe(name: str) -> None:
    assert describe(name) == load_recipe(name).description
