"""What stands on the page of a report, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ablation_folders import Ablation, fold_answers, recipe, said

from fer_zoo.evaluation.report_numbers import PublishedRow, Report
from fer_zoo.evaluation.report_page import page
from fer_zoo.evaluation.report_summary import make_report
from fer_zoo.evaluation.report_tables import group_table, short
from fer_zoo.evaluation.report_text import Block, Code, Heading, Paragraph, Picture, Strong, Table
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
            ablation.finish(name, f"fold-{fold}-of-3", spec, said(fold_answers(fold, wrong)))
    return make_report(read_results([root]))


def tables(blocks: Sequence[Block], column: str) -> list[Table]:
    return [block for block in blocks if isinstance(block, Table) and column in block.header]


def sentences(blocks: Sequence[Block]) -> list[str]:
    texts = [block.text for block in blocks if isinstance(block, Paragraph)]
    return [text if isinstance(text, str) else "".join(text) for text in texts]


def test_each_setting_names_its_baseline(tmp_path: Path) -> None:
    blocks = page(
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
    one, two = tables(blocks, "pairs of trainings")
    assert [row[0] for row in (*one.rows, *two.rows)] == ["mine", "third"]
    assert "–" not in two.rows[0]
    told = [text for text in sentences(blocks) if text.startswith("Each recipe less")]
    assert [text.split(",")[0] for text in told] == ["Each recipe less base", "Each recipe less other"]
    assert [text.endswith("base has no training here.") for text in told] == [False, True]
    assert not any("is not compared" in text for text in sentences(blocks))
    (recipes,) = tables(blocks, "what it is")
    assert recipes.header[2] == "differs from base, or the one named, in"
    assert [row[2] for row in recipes.rows] == [
        "the baseline",
        ("train.epochs", ": ", "4", " in place of ", "2"),
        "the baseline of synthict, 3 folds",
        ("from ", "other", ": ", "train.epochs", ": ", "3", " in place of ", "2"),
    ]
    assert "which is named." in sentences(blocks)[0]


def test_one_baseline_is_named_once(tmp_path: Path) -> None:
    blocks = page(report_of(tmp_path / "x", {("base", 1): {}, ("mine", 1): {"train": {"epochs": 4}}}))
    assert tables(blocks, "what it is")[0].header[2] == "differs from base in"
    assert sentences(blocks)[0] == "What each changes of the baseline, base."
    assert not any("has no training here" in text for text in sentences(blocks))


@pytest.mark.parametrize(("seeds", "verdict"), [((1,), "significant for these networks"), ((1, 2), "significant")])
def test_one_training_each_says_nothing_of_other_seeds(tmp_path: Path, seeds: tuple[int, ...], verdict: str) -> None:
    """All six subjects are worse."""
    changes: dict[str, dict[str, Any]] = {"base": {}, "mine": {"train": {"epochs": 4}}}
    blocks = page(report_of(tmp_path / "x", {(name, seed): of for name, of in changes.items() for seed in seeds}))
    (table,) = tables(blocks, "pairs of trainings")
    (row,) = table.rows
    assert [row[4], row[8]] == [verdict, verdict]
    assert all(isinstance(cell, Strong) == (len(seeds) > 1) for cell in (row[4], row[8]))
    under = sentences(blocks[blocks.index(table) :])
    assert under.count("One seed per fold: intervals and p-values do not cover other seeds.") == (len(seeds) == 1)
    assert under.count("Fewer than 10 subjects: intervals and p-values are rough.") == 1
    assert any(text.startswith("Significant for these networks: ") for text in under) == (len(seeds) == 1)
    assert not any(text.startswith("Not significant") for text in under)


def test_a_comparison_without_p_is_not_called_open(tmp_path: Path) -> None:
    """Of one person nothing can be said: neither significant nor not."""
    ablation = Ablation(tmp_path / "x")
    for name in ("base", "mine"):
        answers = {key: of for key, of in fold_answers(1, ["f1p0/fear"]).items() if key.startswith("f1p0")}
        ablation.finish(name, "fold-1-of-3", recipe(), said(answers))
    blocks = page(make_report(read_results([ablation.root])))
    (table,) = tables(blocks, "pairs of trainings")
    assert table.rows[0][4] == "cannot be said"
    assert not any(text.startswith("Not significant") for text in sentences(blocks))


def test_notes_on_some_comparisons_name_them(tmp_path: Path) -> None:
    seeds = {("base", 1): {}, ("base", 2): {}, ("mine", 1): {}, ("third", 1): {}, ("third", 2): {}}
    blocks = page(report_of(tmp_path / "x", seeds))
    (table,) = tables(blocks, "pairs of trainings")
    assert "mine: One seed per fold: intervals and p-values do not cover other seeds." in sentences(
        blocks[blocks.index(table) :]
    )


def test_no_table_of_deviations_where_there_are_none(tmp_path: Path) -> None:
    blocks = page(report_of(tmp_path / "x", {("base", 1): {}, ("mine", 1): {}}, folds=[1]))
    assert tables(blocks, "folds / seeds") == []
    assert not any("standard deviation: over" in text for text in sentences(blocks))
    for n, (seeds, folds) in enumerate(((1, (1, 2)), (2, (1,)))):
        of = {("base", seed): {} for seed in range(1, seeds + 1)}
        blocks = page(report_of(tmp_path / f"{n}", {**of, ("mine", 1): {}}, folds=folds))
        assert len(tables(blocks, "folds / seeds")[0].rows) == 2
        assert any("standard deviation: over" in text for text in sentences(blocks))


SAME = "Best and last have the same figures: the last epoch of each training is its best one too."


def test_the_last_epoch_as_the_best_is_said(tmp_path: Path) -> None:
    """Only if it is so in every row: not where the figures differ, nor where they are alike by chance."""
    blocks = page(report_of(tmp_path / "x", {("base", 1): {}, ("mine", 1): {}}, folds=[1]))
    under = blocks[blocks.index(tables(blocks, "last: UAR")[0]) + 1]
    assert under == Paragraph(SAME)
    for name, last, uars in (("other", ["f1p0/fear"], (0.5, 0.6)), ("chance", [], (0.6, 0.6))):
        ablation = Ablation(tmp_path / name)
        folder = ablation.finish("a", "fold-1-of-3", recipe(), said(fold_answers(1)), said(fold_answers(1, last)))
        epochs = [{"epoch": n, "loss": 1.0, "validation_uar": uar, "seconds": 1.0} for n, uar in enumerate(uars, 1)]
        write_log(folder / "log.csv", epochs)
        assert SAME not in sentences(page(make_report(read_results([ablation.root]))))


def test_curves_of_single_frames_are_explained_where_there_are_any(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    folder = ablation.finish("a", "fold-1-of-3", recipe(pretrain={"epochs": 1}), said(fold_answers(1)))
    told = []
    for rows in ([], [{"epoch": 1, "loss": 1.9, "validation_uar": 0.2, "seconds": 1.0}]):
        if rows:
            write_log(folder / "frames" / "log.csv", rows)
        report = make_report(read_results([ablation.root]))
        told.append(
            [text for text in sentences(page(report)) if text.startswith("Dotted: the epochs on single frames")]
        )
    (curve,) = report.settings[0].rows[0].curves
    assert (curve.frames_loss, curve.frames_validation_uar, len(curve.loss)) == ((1.9,), (0.2,), 2)
    assert [len(found) for found in told] == [0, 1]
    assert report.warnings == ()


def test_no_heading_over_curves_that_are_lost(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    (ablation.finish("a", "fold-1-of-3", recipe(), said(fold_answers(1))) / "log.csv").unlink()
    blocks = page(make_report(read_results([ablation.root])))
    assert not any(isinstance(block, Heading) and "curves" in block.text for block in blocks)
    assert [block.file for block in blocks if isinstance(block, Picture)] == ["confusion-1.png"]


def test_seeds_that_are_left_out_are_said(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for seed, fold in ((1, 1), (1, 2), (2, 2), (2, 3)):
        spec = recipe(split={"folds": 3, "fold": fold}, seed=seed)
        ablation.finish("a", f"fold-{fold}-of-3", spec, said(fold_answers(fold)))
    told = sentences(page(make_report(read_results([ablation.root]))))
    assert any(text.startswith("a counts 1 of 2 seeds here, by class and by group") for text in told)


def test_groups_say_over_how_many_seeds_they_are(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for seed, ages in ((1, ["old"] * 6), (2, ["old"] * 3 + ["young"] * 3)):
        ablation.finish("a", "fold-1-of-3", recipe(seed=seed), said(fold_answers(1), groups={"age": ages}))
    (setting,) = make_report(read_results([ablation.root])).settings
    table = group_table(setting)
    assert table is not None
    assert [(row[2], row[table.header.index("seeds")]) for row in table.rows] == [("old", "2"), ("young", "1")]


def published(recipe: str, protocol: str, source: str, **ours: Any) -> PublishedRow:
    nothing = {"run": False, "note": "not run", "ours": None, "subjects": 0, "seeds": (), "trainings": 0, "commits": ()}
    return PublishedRow(
        recipe=recipe, protocol=protocol, source=source, war=50.5, std=None, **{**nothing, **ours}
    )  # fmt: skip


def test_only_the_papers_figures_stand_under_its_tables(tmp_path: Path) -> None:
    report = report_of(tmp_path / "x", {("base", 1): {}}, folds=[1])
    rows = (
        published("paper/ckplus_3d", "subject-independent", SOURCE),
        published("copied", "subject-independent", SOURCE),
        published("mine", "subject-independent", "Me 2020"),
        published("split", "published", "They 2021"),
        published("paper/cross_mmi", "cross-database", "Hasani & Mahoor 2017, Table 2"),
        published("cross", "cross-database", "We 2022"),
    )
    blocks = page(report.model_copy(update={"published": rows}))
    found = {
        heading.text: [row[0] for row in table.rows]
        for heading, table in pairwise(blocks)
        if isinstance(heading, Heading) and isinstance(table, Table) and "printed as" in table.header
    }
    assert found == {
        "Table 1 of the paper: subject-independent": ["paper/ckplus_3d", "copied"],
        "Table 2 of the paper: cross-database": ["paper/cross_mmi"],
        "Other published figures: subject-independent": ["mine"],
        "Other published figures: published splits": ["split"],
        "Other published figures: cross-database": ["cross"],
    }


def test_our_folds_stand_beside_the_papers(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for fold in (1, 2):
        spec = load_recipe("paper/ckplus_3d_landmarks", [f"split.fold={fold}"])
        answers = said(fold_answers(fold, ["f1p0/fear"]), spec.model.labels)
        ablation.finish("paper/ckplus_3d_landmarks", f"fold-{fold}-of-5", spec, answers)
    one, two = tables(page(make_report(read_results([ablation.root]))), "printed as")
    assert one.header[2:6] == ("published", "ours", "ours over folds", "subjects")
    assert "ours over folds" not in two.header
    shown = {row[0]: row for row in one.rows}
    ours = shown[Code("paper/ckplus_3d_landmarks")]
    assert str(ours[3]).startswith("91.7 [")
    assert (ours[2], ours[4], ours[5]) == ("93.21 ± 2.32", "91.7 ± 11.8", "4")
    assert {len(row) for row in one.rows} == {len(one.header)}
    assert [one.header[n] for n in sorted(one.words)] == ["printed as", "trainings", "commit", "remarks"]


@pytest.mark.parametrize(
    ("commit", "said"),
    [
        ("a" * 40, "a" * 12),
        ("a" * 40 + "-dirty", "a" * 12 + "-dirty"),
        (f"{'a' * 40}, then {'b' * 40}-dirty", f"{'a' * 12}, then {'b' * 12}-dirty"),
        (f"release 0.1.0, then {'b' * 40}", f"release 0.1.0, then {'b' * 12}"),
    ],
)
def test_of_a_resumed_training_every_commit_is_named(commit: str, said: str) -> None:
    assert short(commit) == said
