"""The numbers of a report, against numbers worked out by hand from a folder of known answers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ablation_folders import COMMIT, Ablation, fold_predictions, predictions_of, recipe, two_recipes

from fer_zoo.compose import build
from fer_zoo.errors import InputError
from fer_zoo.evaluation import compare, estimate
from fer_zoo.evaluation.report.collect import make_report
from fer_zoo.evaluation.report.numbers import Report, Row
from fer_zoo.evaluation.results import BEST, Cell, read_results
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import Recipe


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    return read_results([two_recipes(tmp_path_factory.mktemp("runs") / "x").root])


@pytest.fixture(scope="module")
def report(cells: list[Cell]) -> Report:
    return make_report(cells)


def rows(report: Report) -> dict[str, Row]:
    (setting,) = report.settings
    return {row.recipe: row for row in setting.rows}


def two_databases(root: Path) -> Ablation:
    """`base` and `mine` on one database, `other` and `third`, which gets anger wrong, on another; three folds each."""
    ablation = two_recipes(root)
    for name, epochs, wrong in (("other", 2, "f1p0/fear"), ("third", 3, "anger")):
        for fold in (1, 2, 3):
            spec = recipe(data={"dataset": "synthict"}, split={"folds": 3, "fold": fold}, train={"epochs": epochs})
            predictions = fold_predictions(fold, [key for key in fold_predictions(fold) if key.endswith(wrong)])
            ablation.finish(name, f"fold-{fold}-of-3", spec, predictions_of(predictions))
    return ablation


def test_figures_are_means_over_the_seeds(report: Report) -> None:
    # 3 of 18 clips wrong with seed 1, 1 of 18 with seed 2; of `mine` all six of anger with both.
    base, mine = rows(report)["base"], rows(report)["mine"]
    assert base.best is not None
    assert mine.best is not None
    assert base.best.estimates.war.value == pytest.approx((15 / 18 + 17 / 18) / 2)
    assert base.best.estimates.uar.value == pytest.approx((15 / 18 + 17 / 18) / 2)  # as many clips of each class
    assert mine.best.estimates.uar.value == pytest.approx(2 / 3)
    for row in (base, mine):
        assert row.last is not None
        assert row.last.estimates.war.value == pytest.approx(1)
        assert (row.asked, row.trainings, row.seeds) == (6, 6, (1, 2))
        assert row.splits == ("fold-1-of-3", "fold-2-of-3", "fold-3-of-3")
        assert (row.best.estimates.basis.subjects, row.best.estimates.basis.clips) == (6, 18)  # type: ignore[union-attr]


def test_spreads_over_folds_and_over_seeds(report: Report) -> None:
    base = rows(report)["base"].best
    assert base is not None
    folds = [(5 / 6 + 1) / 2, 1, (4 / 6 + 5 / 6) / 2]
    assert base.over_folds.war.deviation == pytest.approx(np.std(folds, ddof=1))
    assert base.over_folds.uar.mean == pytest.approx(np.mean(folds))
    assert base.over_seeds.war.deviation == pytest.approx(np.std([15 / 18, 17 / 18], ddof=1))
    assert (base.over_folds.war.count, base.over_seeds.war.count) == (3, 2)


def test_classes(report: Report) -> None:
    found = rows(report)["base"].classes
    assert found is not None
    assert found.confusion == ((11, 1, 0), (0, 9, 3), (0, 0, 12))
    assert found.recall == pytest.approx((11 / 12, 9 / 12, 1))
    assert found.f1 == pytest.approx((22 / 23, 18 / 22, 24 / 27))
    # All answers of a seed have one confidence: 0.8 and 0.9.
    assert found.calibration_error == pytest.approx(((15 / 18 - 0.8) + (17 / 18 - 0.9)) / 2)


def test_intervals_and_differences_are_those_of_the_statistics(report: Report, cells: list[Cell]) -> None:
    runs = {name: [cell.predictions[BEST] for cell in cells if cell.recipe == name] for name in ("base", "mine")}
    (delta,) = report.settings[0].deltas
    expected = compare(runs["mine"], runs["base"])
    assert delta.comparison == expected
    assert expected.uar.value == pytest.approx(2 / 3 - 16 / 18)
    assert (delta.recipe, delta.pairs, delta.uar_holm) == ("mine", 6, expected.uar.p)  # a family of one
    base = rows(report)["base"].best
    assert base is not None
    assert base.estimates == estimate(runs["base"])


def test_the_baseline_is_the_first_or_the_one_named(report: Report, cells: list[Cell]) -> None:
    assert report.baseline == "base"
    other = make_report(cells, "mine")
    (delta,), (mirrored,) = report.settings[0].deltas, other.settings[0].deltas
    assert delta.comparison is not None
    assert mirrored.comparison is not None
    assert mirrored.recipe == "base"
    assert mirrored.comparison.war.value == -delta.comparison.war.value
    assert (delta.ahead, mirrored.ahead, mirrored.pairs) == (0, 5, 6), "in one fold both have four of six right"
    with pytest.raises(InputError, match="No training run of the recipe 'bse'"):
        make_report(cells, "bse")


def test_a_setting_without_the_baseline_has_one_of_its_own(tmp_path: Path) -> None:
    report = make_report(read_results([two_databases(tmp_path / "x").root]))
    one, two = report.settings
    assert (report.baseline, one.baseline, two.baseline) == ("base", "base", "other")
    assert [delta.recipe for delta in one.deltas] == ["mine"]
    (delta,) = two.deltas
    assert (delta.recipe, delta.pairs, delta.problem) == ("third", 3, "")
    assert delta.comparison is not None
    assert delta.comparison.war.value == pytest.approx(-6 / 18 + 1 / 18)
    assert two.mistakes_of == "other"
    facts = {of.name: of for of in report.recipes}
    assert {name: of.baseline for name, of in facts.items()} == {
        "base": None, "mine": None, "other": "other", "third": "other",
    }  # fmt: skip
    assert [(it.key, it.baseline, it.here) for it in facts["third"].changes] == [("train.epochs", "2", "3")]
    assert facts["other"].changes == ()


def test_changes_are_of_the_reports_baseline_where_both_stand_somewhere(tmp_path: Path) -> None:
    first, second = two_databases(tmp_path / "x"), Ablation(tmp_path / "y")
    second.finish("third", "fold-1-of-3", recipe(train={"epochs": 7}), predictions_of(fold_predictions(1)))
    third = make_report(read_results([first.root, second.root]), "mine").recipes[3]
    assert third.baseline is None
    assert ("train.epochs", "2", "7") in [(it.key, it.baseline, it.here) for it in third.changes]


def test_mistakes_are_the_most_confident_ones_over_the_seeds(report: Report) -> None:
    # f1p0/anger and f3p1/fear are right with seed 2, which is surer.
    (mistake,) = report.settings[0].mistakes
    assert (mistake.key, mistake.subject, mistake.truth, mistake.predicted) == (
        "f3p0/fear",
        "f3p0",
        "fear",
        "happiness",
    )
    assert mistake.probability == pytest.approx((0.8 + 0.9) / 2)
    assert mistake.of_truth == pytest.approx((0.1 + 0.05) / 2)


def test_what_recipes_are(report: Report) -> None:
    base, mine = report.recipes
    assert (base.changes, base.description) == ((), "The baseline.")
    (change,) = mine.changes
    assert (change.key, change.baseline, change.here) == ("model.temporal", "mean", "{name: gru, hidden: 4}")
    assert base.parameters == sum(parameter.numel() for parameter in build(recipe().model).parameters())


def test_a_setting_says_on_what(report: Report) -> None:
    (setting,) = report.settings
    assert (setting.title, setting.protocol, setting.synthetic) == ("synthmh, 3 folds", "subject-independent", True)
    assert setting.trained_on == ("synthmh",)
    (curve, *_) = rows(report)["base"].curves
    assert (curve.loss, curve.split, curve.seed) == ((1.5, 0.5), "fold-1-of-3", 1)
    assert curve.validation_uar == pytest.approx((0.5, 0.6))
    assert report.warnings == ()
    assert sum(training.hours for training in report.trainings) == 12


def test_an_incomplete_folder_compares_what_both_have(tmp_path: Path) -> None:
    ablation = two_recipes(tmp_path / "x")
    shutil.rmtree(ablation.root / "mine" / "fold-2-of-3" / "seed-2")
    (ablation.root / "mine" / "fold-3-of-3" / "seed-1" / "weights" / "README.md").unlink()
    report = make_report(read_results([ablation.root]))
    mine = rows(report)["mine"]
    assert (mine.asked, mine.trainings) == (6, 4)
    assert [(t.recipe, t.split, t.seed) for t in report.trainings if t.state != "done"] == [
        ("mine", "fold-2-of-3", 2),
        ("mine", "fold-3-of-3", 1),
    ]
    (delta,) = report.settings[0].deltas
    assert delta.comparison is not None
    assert delta.comparison.basis.trainings == (4, 4)
    # Fold by fold: base (11/12, 1, seed 2's 5/6), mine 2/3 in all.
    assert delta.comparison.war.value == pytest.approx(2 / 3 - (11 / 12 + 1 + 5 / 6) / 3)
    assert "2 of 12 training runs are missing" in report.warnings[0]
    assert mine.best is not None
    assert mine.best.over_seeds.war.count == 1  # of folds 1 and 2 and of 1 and 3: other subjects


def test_nothing_done_yet(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    ablation.begin("a", "fold-1-of-3", recipe(), losses=[])
    ablation.ask("a", "fold-2-of-3", 1)
    report = make_report(read_results([ablation.root]))
    (row,) = report.settings[0].rows
    assert (row.asked, row.trainings, row.best, row.problem) == (1, 0, None, "")
    assert report.settings[0].mistakes == ()


def test_other_data_make_another_setting(tmp_path: Path) -> None:
    """The same recipe on other databases in two folders: two tables, no sum of the two."""
    for root, data, split, protocol in (
        ("one", "synthmh", {"folds": 3, "fold": 1}, "subject-independent"),
        ("two", "synthict", {"train_on": ("synthmh",), "test_on": "synthict"}, "cross-database"),
    ):
        spec = recipe(data={"dataset": data}, split=split, protocol=protocol)
        Ablation(tmp_path / root).finish("a", "some-split", spec, predictions_of(fold_predictions(1)))
    report = make_report(read_results([tmp_path / "one", tmp_path / "two"]))
    assert report.name == "one + two"
    assert [setting.title for setting in report.settings] == ["synthmh, 3 folds", "synthmh to synthict"]
    assert [len(setting.rows) for setting in report.settings] == [1, 1]


def test_trainings_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    one, two, three = (Ablation(tmp_path / name) for name in ("one", "two", "three"))
    one.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    two.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    with pytest.raises(InputError, match=r"occurs more than once: in one/a/.*and two/a/"):
        make_report(read_results([one.root, two.root]))
    longer = recipe(split={"folds": 3, "fold": 2}, train={"epochs": 3})
    three.finish("a", "fold-2-of-3", longer, predictions_of(fold_predictions(2)))
    with pytest.raises(InputError, match=r"differ in train\.epochs: 2 in one/a/.*3 in three/a/"):
        make_report(read_results([one.root, three.root]))


def test_clips_that_do_not_join_give_a_reason_in_place_of_figures(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for fold in (1, 2):  # the second fold tests the same subjects on one more clip
        predictions = fold_predictions(1) | ({"more": ("f1p0", "fear", "fear", 0.8)} if fold == 2 else {})
        ablation.finish("a", f"fold-{fold}-of-3", recipe(split={"folds": 3, "fold": fold}), predictions_of(predictions))
    (row,) = make_report(read_results([ablation.root])).settings[0].rows
    assert row.best is None
    assert "are in two of the joined predictions" in row.problem


def test_clips_of_one_video_and_groups(tmp_path: Path) -> None:
    predictions = fold_predictions(1, ["f1p0/fear"])
    videos = np.array([key.replace("/fear", "/anger") for key in predictions])
    truth = np.array([0, 0, 2, 0, 0, 2])
    groups = {"age": np.array(["old"] * 3 + [""] * 3)}
    ablation = Ablation(tmp_path / "x")
    ablation.finish(
        "a", "fold-1-of-3", recipe(), predictions_of(predictions, videos=videos, truth=truth, groups=groups)
    )
    (row,) = make_report(read_results([ablation.root])).settings[0].rows
    # p0: anger right, second clip predicted happiness; p1: anger right, second clip fear. By video: all mixed halves.
    assert row.best is not None
    assert row.best.estimates.war.value == pytest.approx(4 / 6)
    assert row.by_video is not None
    assert row.by_video.basis.clips == 4
    assert [(g.grouping, g.group, g.clips, g.subjects) for g in row.groups] == [("age", "", 3, 1), ("age", "old", 3, 1)]
    assert [g.war for g in row.groups] == pytest.approx([2 / 3, 2 / 3])
    assert [g.seeds for g in row.groups] == [1, 1]


def test_groups_that_only_one_seed_knows(tmp_path: Path) -> None:
    """As after a store was prepared again with other groups."""
    ablation = Ablation(tmp_path / "x")
    of_seed: list[dict[str, Any]] = [
        {"age": np.array(["old"] * 3 + ["young"] * 3)},
        {"age": np.array(["old"] * 3 + ["grey"] * 3), "sex": np.array(["f"] * 6)},
        {},
    ]
    for seed, groups in enumerate(of_seed, 1):
        predictions = fold_predictions(1, ["f1p0/fear"] if seed == 1 else [])
        ablation.finish("a", "fold-1-of-3", recipe(seed=seed), predictions_of(predictions, groups=groups))
    (row,) = make_report(read_results([ablation.root])).settings[0].rows
    assert [(g.grouping, g.group, g.clips, g.seeds) for g in row.groups] == [
        ("age", "grey", 3, 1), ("age", "old", 3, 2), ("age", "young", 3, 1), ("sex", "f", 6, 1),
    ]  # fmt: skip
    assert [g.war for g in row.groups] == pytest.approx([1, (2 / 3 + 1) / 2, 1, 1])


def paper(name: str, fold: int, *changes: str) -> Recipe:
    return load_recipe(f"paper/{name}", [f"split.fold={fold}", *changes])


def test_published_figures_stand_beside_runs_of_the_same_data_only(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for fold in (1, 2):
        spec = paper("ckplus_3d", fold, "train.epochs=3", "data.stores.ckplus=/somewhere/ckplus")
        predictions = predictions_of(fold_predictions(fold, ["f1p0/fear"]), spec.model.labels)
        ablation.finish("paper/ckplus_3d", f"fold-{fold}-of-5", spec, predictions)
    ablation.ask("paper/ckplus_3d", "fold-2-of-5", 2)
    made = paper("mmi_3d", 1, "data.dataset=synthmh")
    ablation.finish("paper/mmi_3d", "fold-1-of-5", made, predictions_of(fold_predictions(1), made.model.labels))
    mine = recipe(published={"war": 50.5, "source": "Me 2020"})
    ablation.finish("mine", "fold-1-of-3", mine, predictions_of(fold_predictions(1)))
    found = {row.recipe: row for row in make_report(read_results([ablation.root])).published}
    ours = found["paper/ckplus_3d"]
    assert (ours.war, ours.std, ours.run, ours.subjects, ours.trainings, ours.seeds) == (89.50, None, True, 4, 2, (1,))
    assert ours.commits == (COMMIT,)
    assert ours.ours is not None
    assert ours.ours.value == pytest.approx(11 / 12)
    assert ours.note == "train.epochs: 60 became 3; 1 of 3 training runs are missing"
    other = found["paper/mmi_3d"]
    assert (other.war, other.run, other.ours) == (67.50, False, None)
    assert other.note == "run on other data (synthmh, 5 folds): not comparable"
    assert (found["paper/fera_3d"].run, found["paper/fera_3d"].note) == (False, "not run")
    assert ours.over_folds is not None
    assert (ours.over_folds.mean, ours.over_folds.count) == (pytest.approx(11 / 12), 2)  # 5/6 and 1
    assert other.over_folds is None
    assert found["paper/disfa_2d"].war is None
    assert (found["mine"].run, found["mine"].ours) == (False, None)  # synthetic faces
    assert [row.protocol for row in found.values()][-4:] == ["cross-database"] * 4


def test_p_values_are_adjusted_over_the_comparisons_of_a_setting(tmp_path: Path) -> None:
    ablation = two_recipes(tmp_path / "x")
    for fold in (1, 2, 3):
        for seed in (1, 2):
            spec = recipe(split={"folds": 3, "fold": fold}, seed=seed)
            ablation.finish("third", f"fold-{fold}-of-3", spec, predictions_of(fold_predictions(fold)))
    deltas = make_report(read_results([ablation.root])).settings[0].deltas
    assert [delta.recipe for delta in deltas] == ["mine", "third"]
    found = sorted((delta.comparison.uar.p or 0, delta.uar_holm) for delta in deltas if delta.comparison)
    (least, first), (most, second) = found
    assert first == pytest.approx(min(1, 2 * least))
    assert second == pytest.approx(max(2 * least, most))


def test_a_seed_that_lacks_a_fold_is_not_compared_with_whole_ones(tmp_path: Path) -> None:
    ablation = two_recipes(tmp_path / "x")
    shutil.rmtree(ablation.root / "base" / "fold-1-of-3" / "seed-2")
    base = rows(make_report(read_results([ablation.root])))["base"].best
    assert base is not None
    assert (base.over_seeds.war.mean, base.over_seeds.war.count) == (pytest.approx(15 / 18), 1)
    assert base.over_folds.war.count == 3


@pytest.mark.parametrize(
    ("missing", "whole"),
    [
        ({1: (3,), 2: (1,)}, [1]),  # two folds each, with other subjects: the first seed's
        ({1: (3,), 2: (1,), 3: (1,)}, [2, 3]),  # two folds each: those that two seeds have
        ({1: (1, 2), 2: (3,), 3: (1, 2)}, [2]),  # the most folds
    ],
)
def test_seeds_are_compared_on_the_same_folds_only(
    tmp_path: Path, missing: dict[int, tuple[int, ...]], whole: list[int]
) -> None:
    ablation, right = Ablation(tmp_path / "x"), {}
    for seed, without in missing.items():
        folds = [fold for fold in (1, 2, 3) if fold not in without]
        for fold in folds:
            spec = recipe(split={"folds": 3, "fold": fold}, seed=seed)
            predictions = predictions_of(fold_predictions(fold, [f"f{folds[0]}p0/anger"] * (seed > 1)))
            ablation.finish("a", f"fold-{fold}-of-3", spec, predictions)
        right[seed] = 1 - (seed > 1) / (6 * len(folds))
    row = rows(make_report(read_results([ablation.root])))["a"]
    assert row.best is not None
    assert row.classes is not None
    assert (row.best.over_seeds.war.count, row.seeds) == (len(whole), tuple(missing))
    assert row.best.over_seeds.war.mean == pytest.approx(np.mean([right[seed] for seed in whole]))
    assert sum(map(sum, row.classes.confusion)) == 12 * len(whole)


def test_the_most_confident_mistakes_come_first(tmp_path: Path) -> None:
    keys = [f"c{number:02d}" for number in range(9)]
    predictions = {key: (key, "fear", "anger", 0.5 + 0.05 * n) for n, key in enumerate(keys)}
    ablation = Ablation(tmp_path / "x")
    ablation.finish("a", "fold-1-of-3", recipe(), predictions_of(predictions))
    mistakes = make_report(read_results([ablation.root])).settings[0].mistakes
    assert [mistake.key for mistake in mistakes] == keys[:2:-1]
