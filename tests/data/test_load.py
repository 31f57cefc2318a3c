"""Clips of a recipe: from stores that fit it, split as it says; what does not fit is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import store_clips

from fer_zoo import data
from fer_zoo.data.sources import LABELS
from fer_zoo.data.split_files import fingerprint_of, read_splits, write_splits
from fer_zoo.data.splits import PARTS, Split
from fer_zoo.data.store import Store, finish_store, open_store, write_shard
from fer_zoo.errors import FerZooError, InputError, RecipeError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import TERMS, ComponentSpec, CropSpec, Recipe
from fer_zoo.training.run_folder import write_split

PAPER = ("ckplus", "disfa", "fera", "mmi")
SUBJECTS, PER_SUBJECT = 10, 6


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_databases_state_their_facts(name: str) -> None:
    facts = DATASETS.get(name).defaults
    assert set(TERMS) <= set(facts)
    assert not facts["synthetic"]
    assert facts["licence"].startswith("gated: ")
    assert facts["share_weights"].startswith("unknown")
    assert len(set(facts["labels"])) == len(facts["labels"])
    assert set(facts["labels"]) <= set(LABELS)


def prepared(folder: Path, reader: str = "ckplus", first: int = 0, subjects: int = SUBJECTS, **changes: Any) -> Store:
    """A store of noise that looks like one of `reader`: six clips of each subject, two of each label."""

    def clip(number: int) -> Any:
        who = f"S{number // PER_SUBJECT:03d}"
        part = "train" if number < subjects * PER_SUBJECT // 2 else "test"
        named = {
            "key": f"{who}/{number:03d}",
            "subject": changes.get("subject", who),
            "split": {"set_1": part},
            "fps": made["fps"],
        }
        return store_clips.clip(first + number, made["frames"], made["size"], **named)

    made = {"frames": 4, "size": 40, "fps": 25.0, "crop": CropSpec(scale=1.69), **changes}
    write_shard(folder, 0, map(clip, range(subjects * PER_SUBJECT)), encoding="raw")
    made.pop("subject", None)
    finish_store(folder, store_clips.facts(**{"reader": ComponentSpec(name=reader), **made}))
    return open_store(folder)


def recipe(**changes: Any) -> Recipe:
    base = {
        "model": {
            "backbone": {"name": "incres3d_tiny", "width": 0.05},
            "temporal": {"name": "mean"},
            "fusion": {"name": "none"},
            "labels": ("fear", "anger", "happiness"),
            "input": {"frames": 4, "size": 30, "landmarks": {"detector": "fz68"}},
        },
        "data": {"dataset": "ckplus"},
        "split": {"folds": 5, "fold": 2},
        "protocol": "subject-independent",
        "seed": 3,
    }
    return Recipe.model_validate({**base, **changes})


RANGES = {"train": (0, 6), "validation": (6, 8), "test": (8, 10)}


def subjects_of(part: Any) -> set[str]:
    return {key.rsplit("/", 1)[0] for key in part.keys}


def test_folds_of_a_store(tmp_path: Path) -> None:
    """Every subject is tested once over the folds, no subject is on two sides, and clips are what their keys say."""
    store = prepared(tmp_path / "ckplus")
    tested: list[str] = []
    for fold in range(1, 6):
        parts = data.load(recipe(split={"folds": 5, "fold": fold}), stores=tmp_path)
        sides = [subjects_of(parts[part]) for part in PARTS]
        assert len(set.union(*sides)) == sum(map(len, sides)) == SUBJECTS
        tested += sides[2]
    assert sorted(tested) == sorted(store.subjects())
    by_key = {facts.key: number for number, facts in enumerate(store.facts)}
    test = parts["test"]
    for clip, key in enumerate(test.keys):
        whole = store.clip(by_key[key])
        assert test.names[test.labels[clip]] == whole.facts.label
        assert (test.read(np.array([clip]))[0] == whole.frames).all()
        np.testing.assert_array_equal(test.landmarks[clip], whole.landmarks)
    assert not test.exact


def test_one_subject_is_left_out(tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus")
    parts = data.load(recipe(split={"leave_out": "S003"}), stores=tmp_path)
    assert subjects_of(parts["test"]) == {"S003"}
    assert len(subjects_of(parts["train"]) | subjects_of(parts["validation"])) == SUBJECTS - 1
    with pytest.raises(InputError, match="no clips of the subject 'S3'"):
        data.load(recipe(split={"leave_out": "S3"}), stores=tmp_path)


def test_no_subject_is_left_out(tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus")
    parts = data.load(recipe(split={"leave_out": None, "validation_folds": SUBJECTS}), stores=tmp_path)
    assert list(parts) == ["train", "validation"]
    assert len(subjects_of(parts["train"])) == SUBJECTS - 1
    assert len(subjects_of(parts["train"]) | subjects_of(parts["validation"])) == SUBJECTS


def test_a_published_split(tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus")
    parts = data.load(recipe(split={"published": "set_1"}, protocol="published"), stores=tmp_path)
    assert subjects_of(parts["test"]) == {f"S{n:03d}" for n in range(5, 10)}
    assert subjects_of(parts["train"]) | subjects_of(parts["validation"]) == {f"S{n:03d}" for n in range(5)}
    assert not subjects_of(parts["train"]) & subjects_of(parts["validation"])
    with pytest.raises(InputError, match="no published split 'set_2'"):
        data.load(recipe(split={"published": "set_2"}, protocol="published"), stores=tmp_path)


def test_ranges_are_places_in_the_sorted_subjects(tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus")
    parts = data.load(recipe(split={"train": (0, 6), "validation": (6, 8), "test": (8, 10)}), stores=tmp_path)
    assert subjects_of(parts["validation"]) == {"S006", "S007"}
    with pytest.raises(InputError, match=r"split\.test is \[10, 12\], and .* has 10 subjects"):
        data.load(recipe(split={"train": (0, 6), "validation": (6, 8), "test": (10, 12)}), stores=tmp_path)


def test_folds_of_several_databases_at_once(tmp_path: Path) -> None:
    """Subjects of two databases are dealt together, those of one name apart; every one is tested once."""
    for name, first in (("ckplus", 0), ("mmi", 1)):
        prepared(tmp_path / name, name, first)
    tested: list[str] = []
    for fold in range(1, 6):
        parts = data.load(recipe(split={"folds": 5, "fold": fold, "pooled_with": ["mmi"]}), stores=tmp_path)
        sides = [subjects_of(parts[part]) for part in PARTS]
        assert len(set.union(*sides)) == sum(map(len, sides)) == 2 * SUBJECTS
        assert {who.split(":")[0] for who in sides[0]} == {"ckplus", "mmi"}
        for part in parts.values():
            assert part.groups["database"] == tuple(key.split(":")[0] for key in part.keys)
        tested += sides[2]
    assert len(tested) == len(set(tested)) == 2 * SUBJECTS


def test_a_pooled_recipe_says_whose_clips_it_has() -> None:
    pooled = recipe(split={"folds": 5, "fold": 1, "pooled_with": ["mmi"]})
    assert data.databases(pooled) == data.trained_on(pooled) == ("ckplus", "mmi")
    assert data.keys_name_databases(pooled)
    assert not data.keys_name_databases(recipe())


def cross(**changes: Any) -> Recipe:
    split = {"train_on": ["mmi", "fera"], "test_on": "ckplus"}
    return recipe(split=split, protocol="cross-database", **changes)


def test_databases_against_each_other(tmp_path: Path) -> None:
    """Subjects of the same name in two databases are different subjects; labels are those of the network."""
    stores = {name: prepared(tmp_path / name, name, first) for name, first in (("ckplus", 0), ("mmi", 1), ("fera", 2))}
    parts = data.load(cross(), stores=tmp_path)
    assert {key.split(":")[0] for key in parts["test"].keys} == {"ckplus"}
    assert len(parts["test"]) == SUBJECTS * PER_SUBJECT
    both = subjects_of(parts["train"]), subjects_of(parts["validation"])
    assert not both[0] & both[1]
    assert {name.split(":")[0] for name in both[0]} == {name.split(":")[0] for name in both[1]} == {"mmi", "fera"}
    assert len(both[1]) == 2 * SUBJECTS // 5
    train = parts["train"]
    assert len(np.unique(train.subjects)) == len(both[0])
    for clip, key in enumerate(train.keys):
        name, own = key.split(":")
        whole = next(c for c in map(stores[name].clip, range(len(stores[name]))) if c.facts.key == own)
        assert (train.read(np.array([clip]))[0] == whole.frames).all()
        assert train.names[train.labels[clip]] == whole.facts.label


def test_groups_of_a_file(tmp_path: Path) -> None:
    """Of a database without subjects: the clips of a group are in one part; a file of other videos is refused."""
    store = prepared(tmp_path / "ckplus", subject=None)
    rows = [f"{clip.key},film {number // 6}" for number, clip in enumerate(store.facts)]
    file = tmp_path / "films.csv"
    file.write_text("\n".join(["video,group", *rows]))
    split = {"identity_disjoint": str(file), "folds": 5, "fold": 2}
    parts = data.load(recipe(split=split, protocol="group-disjoint"), stores=tmp_path)
    films = [{key.split("/")[0] for key in part.keys} for part in parts.values()]
    assert sum(map(len, films)) == len(set.union(*films)) == SUBJECTS
    file.write_text("\n".join(["video,group", *rows[1:]]))
    with pytest.raises(InputError, match="no row for 1 of the 60 videos"):
        data.load(recipe(split=split, protocol="group-disjoint"), stores=tmp_path)
    with pytest.raises(RecipeError, match="no column part"):
        data.load(recipe(split={"identity_disjoint": str(file)}, protocol="group-disjoint"), stores=tmp_path)


def test_another_name_or_path_of_a_store(tmp_path: Path) -> None:
    prepared(tmp_path / "large" / "ckplus_420")
    for store in ("ckplus_420", str(tmp_path / "large" / "ckplus_420")):
        parts = data.load(recipe(data={"dataset": "ckplus", "stores": {"ckplus": store}}), stores=tmp_path / "large")
        assert len(parts["test"])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"size": 20}, "size: the recipe's crop has 15 pixels of the store's 20; it needs 30"),
        ({"frames": 3}, "frames: the store's clips have 3, the recipe needs 4"),
        ({"fps": 30.0}, "fps: the store has 30 frames per second, the recipe 25"),
        ({"crop": CropSpec(scale=1.0), "size": 60}, "crop: the store's"),
        ({"detector": ComponentSpec(name="face_alignment")}, "detector: the store's landmarks are from face_alignment"),
        ({"reader": "mmi"}, "dataset: the store is of 'mmi'"),
    ],
)
def test_a_store_that_does_not_fit_is_refused(made: dict[str, Any], message: str, tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus", **made)
    with pytest.raises(InputError) as caught:
        data.load(recipe(), stores=tmp_path)
    assert message in str(caught.value)
    assert f"--out {tmp_path / 'ckplus'}-new`" in caught.value.do
    prepared(tmp_path / "ckplus-new")
    named = {"dataset": "ckplus", "stores": {"ckplus": "ckplus-new"}}
    assert "--set data.stores.ckplus=ckplus-new" in caught.value.do
    assert len(data.load(recipe(data=named), stores=tmp_path)["train"])


def test_another_rate_is_taken_where_the_recipe_says_so(tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus", fps=30.0)
    settings = {"dataset": "ckplus", "any_fps": True}
    assert len(data.load(recipe(data=settings), stores=tmp_path)["train"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"split": {"folds": 5}}, RecipeError, "a training run uses one fold"),
        ({"model": {**recipe().model.model_dump(), "labels": ("anger", "fear", "sadness")}}, RecipeError, "of sadness"),
        ({"data": {"dataset": "mmi"}}, InputError, "fer-zoo prepare mmi --out"),
        ({"split": {"folds": 11, "fold": 1}}, InputError, "11 folds of 10 subjects"),
        ({"split": RANGES | {"test": (8, 11)}}, InputError, "split.test is [8, 11], and the store"),
        (
            {"split": RANGES, "model": {**recipe().model.model_dump(), "labels": ("joy", "awe")}},
            InputError,
            "the labels of the store are anger, fear",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(
    changes: dict[str, Any], error: type[FerZooError], message: str, tmp_path: Path
) -> None:
    prepared(tmp_path / "ckplus")
    with pytest.raises(error) as caught:
        data.load(recipe(**changes), stores=tmp_path)
    assert message in str(caught.value)


def test_exact_points_are_not_mixed_with_a_detectors(tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus")
    prepared(tmp_path / "mmi", "mmi", detector=ComponentSpec(name="exact"))
    prepared(tmp_path / "fera", "fera")
    with pytest.raises(InputError, match="a detector's or none"):
        data.load(cross(), stores=tmp_path)


@pytest.mark.parametrize("name", ["ckplus_2d", "cross_mmi"])
def test_the_papers_recipes_say_what_to_prepare(name: str, tmp_path: Path) -> None:
    overrides = ["split.fold=1"] if name == "ckplus_2d" else []
    with pytest.raises(InputError, match=r"fer-zoo prepare \w+ --out"):
        data.load(load_recipe(f"paper/{name}", overrides), stores=tmp_path)


def test_what_is_wrong_with_a_store_that_is_there_it_says_itself(tmp_path: Path) -> None:
    """To prepare into the same folder would not help: it holds something."""
    prepared(tmp_path / "ckplus")
    header = tmp_path / "ckplus" / "store.json"
    text = header.read_text()
    header.write_text(text.replace('"format": 1', '"format": 9'))
    with pytest.raises(InputError, match=r"Clips of 'ckplus': The clip store .* has format version 9") as caught:
        data.load(recipe(), stores=tmp_path)
    assert (
        caught.value.do == "read it with the version of fer_zoo that wrote it, or prepare it again into another folder"
    )
    header.unlink()
    with pytest.raises(InputError, match="is unfinished") as caught:
        data.load(recipe(), stores=tmp_path)
    assert caught.value.do == "prepare it again with the same settings; finished shards are kept"


def written(out: Path, original: Recipe, parts: Any) -> Recipe:
    """The recipe that repeats a training run with its split.json."""
    out.mkdir()
    write_split(out, original, parts)
    again = {"split": {"file": str(out / "split.json")}, "protocol": "subject-independent", "seed": 99}
    return Recipe.model_validate({**original.model_dump(), **again})


@pytest.mark.parametrize(
    "split",
    [{"folds": 5, "fold": 2}, {"leave_out": "S003"}, {"train": (0, 6), "validation": (6, 8), "test": (8, 10)}],
)
def test_a_trainings_split_can_be_repeated(tmp_path: Path, split: dict[str, Any]) -> None:
    prepared(tmp_path / "ckplus")
    original = recipe(split=split)
    parts = data.load(original, stores=tmp_path)
    again = data.load(written(tmp_path / "run", original, parts), stores=tmp_path)
    for part in PARTS:
        assert sorted(again[part].keys) == sorted(parts[part].keys)
        assert len(again[part])


def test_a_split_of_a_file_is_checked_by_the_store(tmp_path: Path) -> None:
    prepared(tmp_path / "ckplus")
    original = recipe(split={"published": "set_1"}, protocol="published")
    parts = data.load(original, stores=tmp_path)
    torn = {**parts, "train": parts["train"], "validation": parts["test"].take(np.arange(6))}
    again = written(tmp_path / "run", original, torn)
    record = json.loads((tmp_path / "run" / "split.json").read_text())
    assert record["splits"][0]["note"] == "validation and test share 1 subject"
    with pytest.raises(InputError, match=r"is named 2 times \(validation, test\)"):
        data.load(again, stores=tmp_path)
    prepared(tmp_path / "other" / "ckplus", subjects=9)
    with pytest.raises(InputError, match="was made for the store"):
        data.load(again, stores=tmp_path / "other")


def test_a_split_without_clips_of_the_networks_labels(tmp_path: Path) -> None:
    store = prepared(tmp_path / "ckplus")
    by_label = {label: [clip for clip in store.facts if clip.label == label] for label in recipe().model.labels}
    keys = [clip.key for clip in by_label["fear"] if clip.subject == "S000"]
    rest = tuple(clip.key for clip in store.facts if clip.subject not in ("S000", "S001"))
    split = Split("mine", rest, tuple(clip.key for clip in store.facts if clip.subject == "S001"), tuple(keys))
    write_splits(tmp_path / "s.json", [split], store=store.header.fingerprint, seed=0)
    model = {**recipe().model.model_dump(), "labels": ("anger", "happiness")}
    with pytest.raises(InputError, match="No clip of the labels anger, happiness is in the test part"):
        data.load(recipe(split={"file": str(tmp_path / "s.json")}, model=model), stores=tmp_path)


def test_the_split_of_a_cross_database_training_is_of_all_its_stores(tmp_path: Path) -> None:
    stores = [prepared(tmp_path / name, name, first) for name, first in (("ckplus", 0), ("mmi", 1), ("fera", 2))]
    parts = data.load(cross(), stores=tmp_path)
    again = written(tmp_path / "run", cross(), parts)
    own = fingerprint_of([store.header.fingerprint for store in stores])
    whose = {key: set_.subject_of(n) for set_ in parts.values() for n, key in enumerate(set_.keys)}
    (found,) = read_splits(tmp_path / "run" / "split.json", store=own, subjects=whose)
    assert list(found.train) == sorted(parts["train"].keys)
    with pytest.raises(InputError, match="was made for the store"):
        data.load(again, stores=tmp_path)


def test_the_stores_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_STORES", "/somewhere")
    assert data.stores_root() == Path("/somewhere")
    monkeypatch.delenv("FER_ZOO_STORES")
    assert data.stores_root() == Path.home() / ".local" / "share" / "fer_zoo" / "stores"
