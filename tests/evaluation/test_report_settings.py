"""What may stand in one table: folds and seeds do, other data, protocols and stores do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ablation_folders import recipe

from fer_zoo.errors import InputError
from fer_zoo.evaluation.report.settings import changes, grouped, setting_of
from fer_zoo.evaluation.results import Cell
from fer_zoo.recipes import as_yaml
from fer_zoo.specs import Recipe

RANGES = {"train": (0, 8), "validation": (10, 13), "test": (20, 24)}
PUBLISHED = {"split": {"published": "set_3"}, "protocol": "published"}
CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "synthmh, 3 folds"),
    ({"split": {"folds": 3, "fold": 2}, "seed": 7}, "synthmh, 3 folds"),
    ({"split": RANGES}, "synthmh, subjects 20 to 23 tested"),
    ({"split": {"leave_out": "S1"}}, "synthmh, one subject left out"),
    ({**PUBLISHED, "data": {"dataset": "dfew"}}, "dfew, published split set_*"),
    (
        {
            "split": {"train_on": ("synthmh", "mmi"), "test_on": "synthict"},
            "data": {"dataset": "synthict"},
            "protocol": "cross-database",
        },
        "synthmh + mmi to synthict",
    ),
    ({"data": {"dataset": {"name": "synthmh", "render_seed": 3}}}, "synthmh (render_seed: 3), 3 folds"),
]


@pytest.mark.parametrize(("fields", "title"), CASES)
def test_settings_by_their_titles(fields: dict[str, Any], title: str) -> None:
    key = setting_of(recipe(**fields))
    assert key.title == title
    assert key.protocol == fields.get("protocol", "subject-independent")
    assert key.synthetic == ("mmi" not in title and "dfew" not in title)


def cell(spec: Recipe | None, root: str = "x", split: str = "s", seed: int = 1, name: str = "a") -> Cell:
    return Cell(name, split, seed, f"{name}/{split}", Path(root), "done" if spec else "not run", spec=spec)


def test_unstarted_cells_count_in_their_setting() -> None:
    other = recipe(data={"dataset": "synthict"})
    known = [cell(recipe()), cell(other, root="y")]
    lost = [cell(None, name="b"), cell(None, root="y", name="b"), cell(None, split="elsewhere", name="b")]
    found = grouped([*known, *lost])
    assert {key.title: {name: len(cells) for name, cells in rows.items()} for key, rows in found.items()} == {
        "synthmh, 3 folds": {"a": 1, "b": 1},
        "synthict, 3 folds": {"a": 1, "b": 1},
    }


def test_two_stores_are_two_databases() -> None:
    one = cell(recipe())
    other = cell(recipe(data={"stores": {"synthmh": "another"}}), root="y", seed=2)
    with pytest.raises(InputError, match=r"differ in data\.stores"):
        grouped([one, other])


def test_changes_leave_out_fold_seed_and_what_was_printed() -> None:
    printed = {"war": 50.5, "source": "x"}
    other = recipe(
        split={"folds": 3, "fold": 2}, seed=4, published=printed, description="b", data={"stores": {"synthmh": "/a/b"}}
    )
    assert changes(recipe(), other) == []
    assert [key for key, _, _ in changes(recipe(), other, stores=True)] == ["data.stores"]
    assert changes(recipe(), recipe(split={"folds": 4, "fold": 1})) == [("split.folds", 3, 4)]


def test_values_in_a_line() -> None:
    values = ({"name": "mean"}, {"name": "lstm", "hidden": 4}, None, 0.5, "a", [1, 2])
    assert [as_yaml(value) for value in values] == ["mean", "{name: lstm, hidden: 4}", "null", "0.5", "a", "[1, 2]"]
