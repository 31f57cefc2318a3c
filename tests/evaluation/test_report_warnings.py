"""What a report says before anything else: code, clips, recipes or curves that are not what one would take them for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablation_folders import COMMIT, FACTS, Ablation, fold_predictions, predictions_of, recipe

from fer_zoo.evaluation.report.collect import make_report
from fer_zoo.evaluation.results import read_results


def test_different_commits_are_a_warning(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    commits = [COMMIT, COMMIT + "-dirty", "f" * 40, None]
    for fold, commit in enumerate(commits, 1):
        facts = {key: value for key, value in {**FACTS, "commit": commit}.items() if value}
        spec = recipe(split={"folds": 5, "fold": fold})
        ablation.finish("a", f"fold-{fold}-of-5", spec, predictions_of(fold_predictions(fold)), facts=facts)
    assert make_report(read_results([ablation.root])).warnings == (
        "1 of 4 training runs used code with uncommitted changes.",
        "The training runs used the code of 2 commits.",
        "1 of 4 training runs did not record their code version: a, fold-4-of-5, seed 1.",
    )


def test_same_clip_names_with_different_content_are_a_warning(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    # Another form of clips, here of more frames, has another fingerprint by right.
    for name, frames, clips in (("a", 5, "A"), ("b", 5, "A"), ("longer", 6, "B")):
        spec = recipe(model={"input": {"frames": frames, "size": 30}})
        facts: dict[str, Any] = {**FACTS, "data": {"test": {"fingerprint": clips}}}
        ablation.finish(name, "fold-1-of-3", spec, predictions_of(fold_predictions(1)), facts=facts)
    assert make_report(read_results([ablation.root])).warnings == ()
    facts["data"]["test"]["fingerprint"] = "C"
    ablation.finish("c", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)), facts=facts)
    (warning,) = make_report(read_results([ablation.root])).warnings
    assert warning.startswith(
        "synthmh, 3 folds: the training runs used clips with the same names but different content"
    )


def test_missing_curves_are_a_warning(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    for seed in range(1, 8):
        folder = ablation.finish("a", "fold-1-of-3", recipe(seed=seed), predictions_of(fold_predictions(1)))
        if seed > 1:
            (folder / "log.csv").unlink()
    (folder / "log.csv").write_text("epoch\n")
    report = make_report(read_results([ablation.root]))
    named = "; ".join(f"a, fold-1-of-3, seed {seed}" for seed in range(2, 7))
    assert report.warnings == (
        f"Training curves are missing or incomplete because log.csv is missing: {named}.",
        "Training curves are missing or incomplete because log.csv contains no epoch: a, fold-1-of-3, seed 7.",
    )
    ((row,),) = (setting.rows for setting in report.settings)
    assert (row.recipe, row.trainings) == ("a", 7)
    (folder.parent / "seed-6" / "log.csv").write_text("")
    (folder / "log.csv").unlink()
    (folder.parent / "seed-1" / "log.csv").unlink()
    (said_first, _) = make_report(read_results([ablation.root])).warnings
    assert said_first.endswith("seed 5; and 1 more.")


def test_two_recipes_with_one_name_are_a_warning(tmp_path: Path) -> None:
    """A row has the training runs of one recipe, but a name can occur in the table of each setting."""
    one, two = Ablation(tmp_path / "one"), Ablation(tmp_path / "two")
    one.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    one.finish("b", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    ranges = {"train": (0, 8), "validation": (10, 13), "test": (20, 24)}
    changes: dict[str, Any] = {"train": {"epochs": 3}, "model": {"temporal": {"name": "lstm", "hidden": 4}}}
    two.finish("a", "ranges", recipe(split=ranges, **changes), predictions_of(fold_predictions(1)))
    elsewhere = {"split": ranges, "seed": 4, "published": {"war": 50.5, "source": "Me 2020"}, "description": "Else."}
    labels = ("anger", "happiness", "fear")
    other = recipe(data={"dataset": "synthict", "stores": {"synthict": "x"}}, model={"labels": labels}, **elsewhere)
    two.finish("b", "ranges", other, predictions_of(fold_predictions(1), labels))
    two.ask("a", "ranges", 2)
    found = make_report(read_results([one.root, two.root])).warnings
    assert found[1:] == (
        "a is not the same recipe in synthmh, 3 folds and in synthmh, subjects 20 to 23 tested: model.temporal is "
        "mean and {name: lstm, hidden: 4}; train.epochs is 2 and 3.",
    )
