"""Every protocol gives the right training runs, and no subject is in two sets."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_databases
from pydantic import ValidationError

from fer_zoo.data import load, open_stores
from fer_zoo.errors import InputError, OptionError, UnknownNameError
from fer_zoo.evaluation.protocols import Protocol, check_apart, runs, split_name
from fer_zoo.specs import FoldSplit, Recipe

ALL = {"leave_one_out": True}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    toy_databases.database(folder, "ckplus", clips=2)
    toy_databases.database(folder, "mmi", ["S1", "S2", "S3", "S4", "S5"])
    toy_databases.database(folder, "fera", ["S1", "S2", "S3", "S4", "S5", "S6", "S7"])
    toy_databases.database(folder, "afew", [None] * 9)
    return folder


def runs_of(stores: Path, recipe: Recipe | None = None, **protocol: Any) -> list[Recipe]:
    return runs(recipe or toy_databases.recipe(), Protocol(**protocol), stores)


def subjects_by_part(recipe: Recipe, stores: Path) -> dict[str, set[str]]:
    """The subjects of each set, from the clip sets of a training run."""
    parts = load(recipe, stores=stores)
    return {part: {clips.subject_of(clip) for clip in range(len(clips))} for part, clips in parts.items()}


def assert_apart(recipe: Recipe, stores: Path) -> None:
    found = subjects_by_part(recipe, stores)
    assert Counter(who for part in found.values() for who in part).most_common(1)[0][1] == 1
    check_apart(recipe, load(recipe, stores=stores), open_stores(recipe, stores))


def test_every_fold_once_and_everybody_is_tested_once(stores: Path) -> None:
    found = runs_of(stores)
    assert [split_name(run) for run in found] == ["fold-1-of-3", "fold-2-of-3", "fold-3-of-3"]
    tested = Counter(who for run in found for who in subjects_by_part(run, stores)["test"])
    assert tested == {f"S{n}": 1 for n in range(1, 7)}
    for run in found:
        assert_apart(run, stores)


def test_all_seeds_are_tested_on_the_same_folds(stores: Path) -> None:
    for run in runs_of(stores):
        other = run.model_copy(update={"seed": 17})
        assert subjects_by_part(run, stores) == subjects_by_part(other, stores)
    assignments = [
        subjects_by_part(runs_of(stores, toy_databases.recipe(split={"folds": 3, "seed": n}))[0], stores)
        for n in range(9)
    ]
    assert len({frozenset(parts["test"]) for parts in assignments}) > 1


def test_a_recipe_that_names_its_fold_or_ranges_is_one_training(stores: Path) -> None:
    one = toy_databases.recipe(split={"folds": 3, "fold": 2})
    assert runs_of(stores, one) == [one]
    ranges = toy_databases.recipe(split={"train": (0, 3), "validation": (3, 4), "test": (4, 6)})
    assert runs_of(stores, ranges) == [ranges]
    assert split_name(ranges) == "ranges"
    assert_apart(ranges, stores)


def test_folds_in_place_of_the_recipes_own_split(stores: Path) -> None:
    ranges = toy_databases.recipe(
        split={"train": (0, 3), "validation": (3, 4), "test": (4, 6)}, published={"war": 90.0, "source": "a paper"}
    )
    found = runs_of(stores, ranges, folds=4)
    assert [split_name(run) for run in found] == [f"fold-{n}-of-4" for n in (1, 2, 3, 4)]
    assert {run.published for run in found} == {None}, "what was printed is not for folds"
    folds = toy_databases.recipe(published={"war": 90.0, "source": "a paper"})
    assert all(run.published for run in runs_of(stores, folds)), "what was printed is the mean over the folds"


def test_more_folds_are_dealt_by_the_recipes_seed_and_databases(stores: Path) -> None:
    own = toy_databases.recipe(split={"folds": 3, "fold": 2, "seed": 9, "pooled_with": ["fera"]})
    found = runs_of(stores, own, folds=4)
    assert [split_name(run) for run in found] == [f"fold-{n}-of-4+fera" for n in (1, 2, 3, 4)]
    assert {run.split.seed for run in found if isinstance(run.split, FoldSplit)} == {9}
    assert_apart(found[0], stores)


def test_everybody_is_left_out_once(stores: Path) -> None:
    found = runs_of(stores, **ALL)
    assert [split_name(run) for run in found] == [f"without-S{n}" for n in range(1, 7)]
    for run, who in zip(found, ("S1", "S2", "S3", "S4", "S5", "S6"), strict=True):
        assert subjects_by_part(run, stores)["test"] == {who}
        assert_apart(run, stores)


def test_only_who_has_clips_of_the_networks_labels_is_left_out(tmp_path: Path) -> None:
    toy_databases.database(tmp_path, "ckplus", ["S1", "S2"], labels=["sadness", *toy_databases.LABELS])
    few = toy_databases.fields()
    few["model"]["labels"] = ["disgust", "contempt"]
    with pytest.raises(InputError, match="has no subjects for its clips"):
        runs_of(tmp_path, Recipe.model_validate(few), **ALL)
    assert len(runs_of(tmp_path, **ALL)) == 2


def test_published_splits_by_their_names(stores: Path) -> None:
    few = toy_databases.recipe(split={"published": "set_1", "validation_folds": 3}, protocol="published")
    found = runs_of(stores, few, published="set_*")
    assert [split_name(run) for run in found] == ["set_1", "set_2", "set_3"]
    assert {run.protocol for run in found} == {"published"}
    assert [subjects_by_part(run, stores)["test"] for run in found] == [{"S1", "S4"}, {"S2", "S5"}, {"S3", "S6"}]
    for run in found:
        assert_apart(run, stores)
    assert [split_name(run) for run in runs_of(stores, published="set_2")] == ["set_2"]
    with pytest.raises(InputError, match=r"(?s)matches 'fold_\*'.*set_1, set_2, set_3"):
        runs_of(stores, published="fold_*")


def test_of_three_databases_each_is_tested_by_a_network_of_the_others(stores: Path) -> None:
    found = runs_of(stores, cross=("ckplus", "mmi", "fera"))
    assert [split_name(run) for run in found] == ["mmi+fera-to-ckplus", "ckplus+fera-to-mmi", "ckplus+mmi-to-fera"]
    for run, tested in zip(found, (6, 5, 7), strict=True):
        assert run.protocol == "cross-database"
        parts = subjects_by_part(run, stores)
        assert len(parts["test"]) == tested
        assert sum(map(len, parts.values())) == 18, "everybody of every database has a part"
        assert_apart(run, stores)


def test_two_databases_both_ways_and_validation_stays_the_recipes(stores: Path) -> None:
    split = {"train_on": ["fera"], "test_on": "ckplus", "validation_folds": 3}
    own = toy_databases.recipe(split=split, protocol="cross-database")
    there, back = runs_of(stores, own, cross=("ckplus", "mmi"))
    assert (split_name(there), split_name(back)) == ("mmi-to-ckplus", "ckplus-to-mmi")
    assert (there.split.validation_folds, there.data.dataset.name, back.data.dataset.name) == (3, "ckplus", "mmi")  # type: ignore[union-attr]


def test_invalid_protocols(stores: Path) -> None:
    with pytest.raises(OptionError, match="two or more"):
        runs_of(stores, cross=("ckplus",))
    with pytest.raises(OptionError, match="each once"):
        runs_of(stores, cross=("ckplus", "mmi", "mmi"))
    with pytest.raises(UnknownNameError, match="ckpluss"):
        runs_of(stores, cross=("ckpluss", "mmi"))
    with pytest.raises(InputError, match="Clips of 'disfa'"):
        runs_of(stores, toy_databases.recipe(data={"dataset": "disfa"}), **ALL)
    with pytest.raises(InputError, match="has no subjects for its clips"):
        runs_of(stores, toy_databases.recipe(data={"dataset": "afew"}), **ALL)
    with pytest.raises(ValidationError, match="one protocol at a time"):
        Protocol(folds=3, leave_one_out=True)


@pytest.mark.parametrize("kind", ["subject", "video", "clip"])
def test_whoever_is_on_two_sides_is_found_by_the_stores_facts(stores: Path, kind: str) -> None:
    """The clip sets' own subjects are forged apart, as a wrong split would have them: only the store knows."""
    run = runs_of(stores, folds=3)[0]
    opened, parts = open_stores(run, stores), load(run, stores=stores)
    check_apart(run, parts, opened)
    whole = opened["ckplus"].as_clip_set(toy_databases.LABELS)
    other = parts["test"].keys[0]
    rows = {
        "subject": [n for n, key in enumerate(whole.keys) if key[:4] == other[:4] and key.split("/")[1] != "fear"],
        "video": [n for n, key in enumerate(whole.keys) if key[:-1] == other[:-1] and key != other],
        "clip": [n for n, key in enumerate(whole.keys) if key == other],
    }[kind][-1:]
    forged = whole.take(np.array(rows))
    forged = replace(forged, subjects=forged.subjects + 100)
    test = parts["test"].take(np.array([0]))
    with pytest.raises(InputError, match=rf"The (subject|{kind}) .* is in validation and in test"):
        check_apart(run, {"train": parts["train"], "validation": forged, "test": test}, opened)
    published = runs_of(stores, published="set_1")[0]
    forged_parts = {"train": parts["train"], "validation": forged, "test": test}
    if kind == "subject":
        check_apart(published, forged_parts, opened)  # its makers decided
    else:
        with pytest.raises(InputError, match=f"The {kind} "):
            check_apart(published, forged_parts, opened)
