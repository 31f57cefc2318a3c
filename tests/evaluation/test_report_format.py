"""What the page of a report says: tables, sentences, and numbers as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ablation_folders import Ablation, fold_predictions, predictions_of, recipe, two_recipes

from fer_zoo.evaluation import Difference, Estimate, Spread
from fer_zoo.evaluation.report.collect import make_report
from fer_zoo.evaluation.report.format import as_markdown, interval, mean_deviation, p_value, short_commit
from fer_zoo.evaluation.report.numbers import PublishedRow, Report
from fer_zoo.evaluation.results import read_results
from fer_zoo.recipes import load_recipe
from fer_zoo.training.run_folder import write_log

SYNTHICT = {"data": {"dataset": "synthict"}}
SOURCE = "Hasani & Mahoor 2017, Table 1, CK+, 3D Inception-ResNet"


def report_of(
    root: Path, trainings: Mapping[tuple[str, int], Mapping[str, Any]], *, folds: Sequence[int] = (1, 2, 3)
) -> Report:
    """Of recipes by name and seed, and what they change; `mine` gets all anger wrong, others nothing."""
    ablation = Ablation(root)
    for (name, seed), changes in trainings.items():
        for fold in folds:
            spec = recipe(split={"folds": 3, "fold": fold}, seed=seed, **changes)
            wrong = [f"f{fold}p{person}/anger" for person in range(2)] if name == "mine" else []
            ablation.finish(name, f"fold-{fold}-of-3", spec, predictions_of(fold_predictions(fold, wrong)))
    return make_report(read_results([root]))


Table = list[list[str]]
"""Rows of cells, the header first."""


def blocks_of(report: Report) -> list[str]:
    """Headings, paragraphs, tables and pictures of the page."""
    return as_markdown(report, "pictures/").rstrip("\n").split("\n\n")


def cells(block: str) -> Table:
    lines = [re.split(r" \| ", line.strip("|").strip(" ").replace("`", "")) for line in block.splitlines()]
    return [lines[0], *lines[2:]]


def tables(blocks: Sequence[str], column: str) -> list[Table]:
    found = [cells(block) for block in blocks if block.startswith("|")]
    return [table for table in found if column in table[0]]


def column(table: Table, name: str) -> list[str]:
    return [row[table[0].index(name)] for row in table[1:]]


def sentences(blocks: Sequence[str]) -> list[str]:
    return [re.sub(r"[`*]", "", block) for block in blocks if block[0] not in "|#!>"]


def below_differences(blocks: Sequence[str]) -> Sequence[str]:
    return blocks[next(n for n, block in enumerate(blocks) if "pairs of training runs |" in block) :]


def test_each_setting_names_its_baseline(tmp_path: Path) -> None:
    blocks = blocks_of(
        report_of(
            tmp_path / "x",
            {
                ("base", 1): {},
                ("mine", 1): {"train": {"epochs": 4}},
                ("other", 1): SYNTHICT,
                ("third", 1): {**SYNTHICT, "train": {"epochs": 3}},
            },
        )
    )
    one, two = tables(blocks, "pairs of training runs")
    assert column(one, "recipe") + column(two, "recipe") == ["mine", "third"]
    assert "–" not in two[1]
    compared = [text for text in sentences(blocks) if text.startswith("Each recipe minus")]
    assert [text.split(",")[0] for text in compared] == ["Each recipe minus base", "Each recipe minus other"]
    assert [text.endswith("base has no training run here.") for text in compared] == [False, True]
    assert not any("is not compared" in text for text in sentences(blocks))
    (recipes,) = tables(blocks, "what it is")
    assert column(recipes, "differs from base, or the one named, in") == [
        "the baseline",
        "train.epochs: 4 instead of 2",
        "the baseline of synthict, 3 folds",
        "from other: train.epochs: 3 instead of 2",
    ]
    assert any("which is named." in text for text in sentences(blocks))


def test_one_baseline_is_named_once(tmp_path: Path) -> None:
    blocks = blocks_of(report_of(tmp_path / "x", {("base", 1): {}, ("mine", 1): {"train": {"epochs": 4}}}))
    assert tables(blocks, "what it is")[0][0][2] == "differs from base in"
    assert "What each changes in the baseline, base." in sentences(blocks)
    assert not any("has no training run here" in text for text in sentences(blocks))


@pytest.mark.parametrize(("seeds", "verdict"), [((1,), "significant for these networks"), ((1, 2), "**significant**")])
def test_one_run_each_shows_nothing_about_other_seeds(tmp_path: Path, seeds: tuple[int, ...], verdict: str) -> None:
    """All six subjects are worse."""
    changes: dict[str, dict[str, Any]] = {"base": {}, "mine": {"train": {"epochs": 4}}}
    blocks = blocks_of(report_of(tmp_path / "x", {(name, seed): of for name, of in changes.items() for seed in seeds}))
    (table,) = tables(blocks, "pairs of training runs")
    (row,) = table[1:]
    assert [row[4], row[8]] == [verdict, verdict]
    under = sentences(below_differences(blocks))
    assert under.count("One seed per fold: intervals and p-values do not cover other seeds.") == (len(seeds) == 1)
    assert under.count("Fewer than 10 subjects: intervals and p-values are rough.") == 1
    assert any(text.startswith("Significant for these networks: ") for text in under) == (len(seeds) == 1)
    assert not any(text.startswith("Not significant") for text in under)


def test_a_comparison_without_p_has_no_verdict(tmp_path: Path) -> None:
    """With one subject a difference is neither significant nor not."""
    ablation = Ablation(tmp_path / "x")
    for name in ("base", "mine"):
        predictions = {key: of for key, of in fold_predictions(1, ["f1p0/fear"]).items() if key.startswith("f1p0")}
        ablation.finish(name, "fold-1-of-3", recipe(), predictions_of(predictions))
    blocks = blocks_of(make_report(read_results([ablation.root])))
    (table,) = tables(blocks, "pairs of training runs")
    assert table[1][4] == "unknown"
    assert not any(text.startswith("Not significant") for text in sentences(blocks))


def test_notes_on_some_comparisons_name_them(tmp_path: Path) -> None:
    seeds = {("base", 1): {}, ("base", 2): {}, ("mine", 1): {}, ("third", 1): {}, ("third", 2): {}}
    blocks = blocks_of(report_of(tmp_path / "x", seeds))
    note = "mine: One seed per fold: intervals and p-values do not cover other seeds."
    assert note in sentences(below_differences(blocks))


def test_no_table_of_deviations_where_there_are_none(tmp_path: Path) -> None:
    blocks = blocks_of(report_of(tmp_path / "x", {("base", 1): {}, ("mine", 1): {}}, folds=[1]))
    assert tables(blocks, "folds / seeds") == []
    assert not any("standard deviation: over" in text for text in sentences(blocks))
    for n, (seeds, folds) in enumerate(((1, (1, 2)), (2, (1,)))):
        of = {("base", seed): {} for seed in range(1, seeds + 1)}
        blocks = blocks_of(report_of(tmp_path / f"{n}", {**of, ("mine", 1): {}}, folds=folds))
        assert len(tables(blocks, "folds / seeds")[0]) == 3
        assert any("standard deviation: over" in text for text in sentences(blocks))


SAME = "Best and last have the same figures: the last epoch of each training run is its best one too."


def test_the_last_epoch_as_the_best_is_mentioned(tmp_path: Path) -> None:
    """Only if it is so in every row: not where the metrics differ, or are equal by coincidence."""
    blocks = blocks_of(report_of(tmp_path / "x", {("base", 1): {}, ("mine", 1): {}}, folds=[1]))
    under = next(n for n, block in enumerate(blocks) if block.startswith("| recipe | training runs")) + 1
    assert blocks[under] == SAME
    for name, last, uars in (("other", ["f1p0/fear"], (0.5, 0.6)), ("chance", [], (0.6, 0.6))):
        ablation = Ablation(tmp_path / name)
        folder = ablation.finish(
            "a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)), predictions_of(fold_predictions(1, last))
        )
        epochs = [{"epoch": n, "loss": 1.0, "validation_uar": uar, "seconds": 1.0} for n, uar in enumerate(uars, 1)]
        write_log(folder / "log.csv", epochs)
        assert SAME not in blocks_of(make_report(read_results([ablation.root])))


def test_curves_of_single_frames_are_explained_where_there_are_any(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    folder = ablation.finish("a", "fold-1-of-3", recipe(pretrain={"epochs": 1}), predictions_of(fold_predictions(1)))
    explained = []
    for rows in ([], [{"epoch": 1, "loss": 1.9, "validation_uar": 0.2, "seconds": 1.0}]):
        if rows:
            write_log(folder / "frames" / "log.csv", rows)
        report = make_report(read_results([ablation.root]))
        found = [
            text for text in sentences(blocks_of(report)) if text.startswith("Dotted: the epochs on single frames")
        ]
        explained.append(found)
    (curve,) = report.settings[0].rows[0].curves
    assert (curve.frames_loss, curve.frames_validation_uar, len(curve.loss)) == ((1.9,), (0.2,), 2)
    assert [len(found) for found in explained] == [0, 1]
    assert report.warnings == ()


def test_no_heading_over_curves_that_are_lost(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    (ablation.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1))) / "log.csv").unlink()
    blocks = blocks_of(make_report(read_results([ablation.root])))
    assert not any(block.startswith("#") and "curves" in block for block in blocks)
    assert [block.rpartition("/")[2] for block in blocks if block.startswith("![")] == ["confusion-1.png)"]


def test_seeds_that_are_left_out_are_mentioned(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for seed, fold in ((1, 1), (1, 2), (2, 2), (2, 3)):
        spec = recipe(split={"folds": 3, "fold": fold}, seed=seed)
        ablation.finish("a", f"fold-{fold}-of-3", spec, predictions_of(fold_predictions(fold)))
    found = sentences(blocks_of(make_report(read_results([ablation.root]))))
    assert any(text.startswith("a counts 1 of 2 seeds here, by class and by group") for text in found)


def test_groups_come_with_their_number_of_seeds(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for seed, ages in ((1, ["old"] * 6), (2, ["old"] * 3 + ["young"] * 3)):
        ablation.finish(
            "a", "fold-1-of-3", recipe(seed=seed), predictions_of(fold_predictions(1), groups={"age": ages})
        )
    (table,) = tables(blocks_of(make_report(read_results([ablation.root]))), "grouping")
    assert list(zip(column(table, "group"), column(table, "seeds"), strict=True)) == [("old", "2"), ("young", "1")]


def published(recipe: str, protocol: str, source: str, **ours: Any) -> PublishedRow:
    nothing = {"run": False, "note": "not run", "ours": None, "subjects": 0, "seeds": (), "trainings": 0, "commits": ()}
    return PublishedRow(
        recipe=recipe, protocol=protocol, source=source, war=50.5, std=None, **{**nothing, **ours}
    )  # fmt: skip


def test_only_the_papers_figures_are_in_its_tables(tmp_path: Path) -> None:
    report = report_of(tmp_path / "x", {("base", 1): {}}, folds=[1])
    rows = (
        published("paper/ckplus_3d", "subject-independent", SOURCE),
        published("copied", "subject-independent", SOURCE),
        published("mine", "subject-independent", "Me 2020"),
        published("split", "published", "They 2021"),
        published("paper/cross_mmi", "cross-database", "Hasani & Mahoor 2017, Table 2"),
        published("cross", "cross-database", "We 2022"),
    )
    blocks = blocks_of(report.model_copy(update={"published": rows}))
    found = {
        heading.removeprefix("### "): column(cells(table), "recipe")
        for heading, table in pairwise(blocks)
        if heading.startswith("### ") and "printed as" in table
    }
    assert found == {
        "Table 1 of the paper: subject-independent": ["paper/ckplus_3d", "copied"],
        "Table 2 of the paper: cross-database": ["paper/cross_mmi"],
        "Other published figures: subject-independent": ["mine"],
        "Other published figures: published splits": ["split"],
        "Other published figures: cross-database": ["cross"],
    }


def test_our_folds_are_next_to_the_papers(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for fold in (1, 2):
        spec = load_recipe("paper/ckplus_3d_landmarks", [f"split.fold={fold}"])
        predictions = predictions_of(fold_predictions(fold, ["f1p0/fear"]), spec.model.labels)
        ablation.finish("paper/ckplus_3d_landmarks", f"fold-{fold}-of-5", spec, predictions)
    blocks = blocks_of(make_report(read_results([ablation.root])))
    one, two = tables(blocks, "printed as")
    assert one[0][2:6] == ["published", "ours", "ours over folds", "subjects"]
    assert "ours over folds" not in two[0]
    ours = next(row for row in one if row[0] == "paper/ckplus_3d_landmarks")
    assert ours[3].startswith("91.7 [")
    assert (ours[2], ours[4], ours[5]) == ("93.21 ± 2.32", "91.7 ± 11.8", "4")
    rules = next(block.splitlines()[1] for block in blocks if "ours over folds" in block).split("|")[1:-1]
    words = [name for name, rule in zip(one[0], rules, strict=True) if "-:" not in rule]
    assert words == ["recipe", "printed as", "training runs", "commit", "remarks"]


@pytest.mark.parametrize(
    ("commit", "expected"),
    [
        ("a" * 40, "a" * 12),
        ("a" * 40 + "-dirty", "a" * 12 + "-dirty"),
        (f"{'a' * 40}, then {'b' * 40}-dirty", f"{'a' * 12}, then {'b' * 12}-dirty"),
        (f"release 0.1.0, then {'b' * 40}", f"release 0.1.0, then {'b' * 12}"),
    ],
)
def test_of_a_resumed_run_every_commit_is_named(commit: str, expected: str) -> None:
    assert short_commit(commit) == expected


def test_numbers_as_text() -> None:
    kept: dict[str, Any] = {"interval": (0.7512, 0.8119), "training_error": None}
    assert interval(Estimate(value=0.7834, **kept)) == "78.3 [75.1, 81.2]"
    assert interval(Estimate(value=1.0, interval=None, training_error=None)) == "100.0"
    assert (
        interval(Difference(value=0.012, interval=(-0.003, 0.027), training_error=None, p=0.1)) == "+1.2 [-0.3, +2.7]"
    )
    assert interval(Difference(value=-0.0001, interval=None, training_error=None, p=None)) == "+0.0"
    assert interval(None) == "–"
    assert mean_deviation(Spread(mean=0.932, deviation=0.0231, count=5)) == "93.2 ± 2.3"
    assert mean_deviation(Spread(mean=2 / 3, deviation=None, count=1)) == "66.7"
    assert [p_value(p) for p in (None, 0.0004, 0.0123, 1.0)] == ["–", "< 0.001", "0.012", "1.000"]


def test_the_result_comes_first_and_the_machines_last(tmp_path: Path) -> None:
    blocks = blocks_of(make_report(read_results([two_recipes(tmp_path / "x").root])))
    assert blocks[1] == "## Result"
    assert blocks[2].startswith(
        "**synthmh, 3 folds** (synthetic faces, 18 clips of 6 subjects): the baseline `base` is ahead; the closest "
        "recipe, `mine`, differs by **-22.2 ["
    )
    assert blocks[2].endswith("adjusted for 1 comparison; 2 seeds, 6 pairs of training runs).")
    assert blocks[3].endswith("(pictures/uar-1.png)")
    assert blocks[-2] == "## What was run"
    swapped = blocks_of(make_report(read_results([tmp_path / "x"]), "mine"))
    assert "`base` is ahead of the baseline `mine` by **+22.2 [" in swapped[2]
