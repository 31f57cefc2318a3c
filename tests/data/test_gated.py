"""The paper's databases: named, described, not readable; and splits that this version does not train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_zoo import data
from fer_zoo.errors import InputError, RecipeError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import Recipe

TITLES = {"ckplus": "CK+ (Extended Cohn-Kanade)", "mmi": "MMI", "fera": "GEMEP-FERA 2011", "disfa": "DISFA"}
RANGES = {"train": (0, 2), "validation": (2, 3), "test": (3, 4)}


@pytest.mark.parametrize("name", TITLES)
def test_it_states_its_facts_and_that_it_is_gated(name: str) -> None:
    facts = DATASETS.get(name).defaults
    assert set(data.PROVENANCE) <= set(facts)
    assert not facts["synthetic"]
    assert facts["licence"].startswith("gated: ")
    assert "unknown" in facts["terms"]
    assert len(set(facts["labels"])) == len(facts["labels"])


@pytest.mark.parametrize(("name", "title"), list(TITLES.items()))
def test_no_clip_can_be_read_and_the_error_says_so(name: str, title: str, tmp_path: Path) -> None:
    recipe = load_recipe("quickstart").model_dump()
    with pytest.raises(InputError) as caught:
        data.load(Recipe.model_validate({**recipe, "data": {"dataset": name}, "split": RANGES}), cache=tmp_path)
    assert str(caught.value) == (
        f"No clips of {name!r} can be read: the reader of {title} is not part of this version.\n"
        "  Accepted: synthmh, or a dataset of a plug-in (fer_zoo.register_dataset)\n"
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
