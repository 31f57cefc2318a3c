"""Clips of a recipe: what this version cannot load is refused before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_zoo import data
from fer_zoo.data.sources import LABELS
from fer_zoo.errors import InputError, RecipeError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import Recipe

PAPER = ("ckplus", "disfa", "fera", "mmi")
RANGES = {"train": (0, 2), "validation": (2, 3), "test": (3, 4)}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_databases_state_their_facts(name: str) -> None:
    facts = DATASETS.get(name).defaults
    assert {*data.PROVENANCE, "may_use", "share_weights", "terms_source"} <= set(facts)
    assert not facts["synthetic"]
    assert facts["licence"].startswith("gated: ")
    assert facts["share_weights"].startswith("unknown")
    assert len(set(facts["labels"])) == len(facts["labels"])
    assert set(facts["labels"]) <= set(LABELS)


@pytest.mark.parametrize("name", PAPER)
def test_a_database_on_disk_is_not_trained_on_yet(name: str, tmp_path: Path) -> None:
    recipe = load_recipe("quickstart").model_dump()
    with pytest.raises(InputError) as caught:
        data.load(Recipe.model_validate({**recipe, "data": {"dataset": name}, "split": RANGES}), cache=tmp_path)
    assert str(caught.value) == (
        f"Clips of {name!r} are read from a clip store; training does not read stores yet.\n"
        "  Accepted: a dataset that makes its clips itself: synthmh, or one of a plug-in (fer_zoo.register_dataset)\n"
        "  What to do: train on another dataset; the network alone is built by create_model(recipe=...)"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "given"),
    [
        ("ckplus_2d", "This recipe describes 5-fold cross-validation; this version trains on one split."),
        ("cross_mmi", "This recipe describes a cross-database test; this version trains on one dataset."),
    ],
)
def test_folds_and_databases_are_refused_before_anything_is_computed(recipe: str, given: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        data.load(load_recipe(f"paper/{recipe}"), cache=tmp_path)
    assert str(caught.value) == (
        f"{given}\n"
        "  Accepted: split: {train: [first, end], validation: [first, end], test: [first, end]}, ranges of subject "
        "numbers\n"
        "  What to do: give such a split, with protocol: subject-independent"
    )
    assert list(tmp_path.iterdir()) == []
