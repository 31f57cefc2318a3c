"""Ablation folders are read cell by cell: what is done, what is not and why, and nothing stops at a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ablation_folders import COMMIT, Ablation, fold_predictions, predictions_of, recipe

from fer_zoo.errors import InputError
from fer_zoo.evaluation.results import BEST, LAST, NOISY, in_one_line, read_results
from fer_zoo.training.run_folder import write_log


def test_a_training_that_is_done(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    best, last = predictions_of(fold_predictions(1, ["f1p0/fear"])), predictions_of(fold_predictions(1))
    folder = ablation.finish("a/b", "fold-1-of-3", recipe(), best, last, noisy=last)
    (folder / "frames").mkdir()
    row = {"epoch": 1.0, "step": 1, "lr": 0.1, "loss": 1.0, "validation_war": 0, "validation_uar": 0, "seconds": 1800}
    write_log(folder / "frames" / "log.csv", [row])
    (cell,) = read_results([ablation.root])
    assert (cell.recipe, cell.split, cell.seed, cell.folder) == ("a/b", "fold-1-of-3", 1, "a__b/fold-1-of-3/seed-1")
    assert (cell.state, cell.problem) == ("done", "")
    assert cell.spec == recipe()
    assert cell.facts["commit"] == COMMIT
    assert [row["loss"] for row in cell.log] == [1.5, 0.5]
    assert cell.hours == 1.5  # an hour, and half an hour of the 2D twin
    assert cell.predictions.keys() == {BEST, LAST, NOISY}
    assert (cell.predictions[BEST].probabilities == best.probabilities).all()


def test_a_training_that_ended_says_how_long_it_took_and_on_which_clips(tmp_path: Path) -> None:
    data = {part: {"fingerprint": part * 2, "clips": 6} for part in ("train", "validation", "test")}
    facts = {"commit": COMMIT, "data": data, "seconds": {"clips": 900.0, "training": 1800.0}}
    facts["resumed"] = [{"when": "later"}, {"when": "later still", "commit": "another"}]
    Ablation(tmp_path).finish("a", "ranges", recipe(), predictions_of(fold_predictions(1)), facts=facts)
    (cell,) = read_results([tmp_path])
    assert cell.facts == {"commit": f"{COMMIT}, then another", "clips": "testtest traintrain validationvalidation"}
    assert cell.hours == 0.75


def test_trainings_that_are_not_done_say_why(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    ablation.ask("a", "ranges", 1)
    ablation.begin("b", "ranges", recipe(), losses=[1.0])
    failed = ablation.begin("c", "ranges", recipe())
    reason = {"reason": "Step 3: the loss is nan;\n see /home/me/runs/x/last.safetensors.", "returncode": 2}
    (failed / "failed.json").write_text(json.dumps(reason))
    never = ablation.ask("d", "ranges", 1)
    never.mkdir(parents=True)
    (never / "failed.json").write_text(json.dumps({"reason": "No store.", "returncode": 2}))
    cells = read_results([ablation.root])
    assert [(cell.state, cell.problem) for cell in cells] == [
        ("not run", "not started"),
        ("unfinished", "1 of 2 epochs"),
        ("failed", "Step 3: the loss is nan; see last.safetensors. (exit code 2)"),
        ("failed", "No store. (exit code 2)"),
    ]
    assert [cell.hours for cell in cells] == [0, 0.5, 1, 0]
    assert not any(cell.predictions for cell in cells)


def test_an_old_failure_of_a_training_that_was_done_since_does_not_count(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path)
    folder = ablation.finish("a", "ranges", recipe(), predictions_of(fold_predictions(1)))
    (folder / "failed.json").write_text(json.dumps({"reason": "Killed.", "returncode": -9}))
    assert [cell.state for cell in read_results([tmp_path])] == ["done"]


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("predictions/best/test.csv", "key\n", "test.csv cannot be read as predictions"),
        ("cell.yaml", "model: 3\n", "problem"),
        ("cell.yaml", "a: [", "cell.yaml cannot be read as YAML"),
        ("recipe.yaml", "", "recipe.yaml is not a YAML mapping"),
        ("run.json", "{", "run.json cannot be read: Expecting property name"),
        ("run.json", "[]", "run.json cannot be read"),
        ("run.json", '{"data": 3}', "run.json cannot be read"),
        ("run.json", '{"data": {"test": {}}}', "run.json cannot be read"),
        ("run.json", '{"seconds": null}', "run.json cannot be read"),
        ("run.json", '{"seconds": {"training": NaN}}', "run.json cannot be read: NaN is not a finite number"),
        ("run.json", '{"commit": 3}', "run.json cannot be read"),
        ("run.json", '{"commit": "a", "resumed": 3}', "run.json cannot be read"),
        ("failed.json", "[]", ""),
    ],
)
def test_a_damaged_training_is_named_and_the_next_one_is_read(
    file: str, text: str, problem: str, tmp_path: Path
) -> None:
    ablation = Ablation(tmp_path)
    folder = ablation.finish("a", "ranges", recipe(), predictions_of(fold_predictions(1)))
    ablation.finish("b", "ranges", recipe(), predictions_of(fold_predictions(1)))
    (folder / file).write_text(text)
    first, second = read_results([tmp_path])
    assert second.state == "done"
    assert first.state == ("unreadable" if problem else "done")
    assert problem in first.problem
    assert str(tmp_path) not in first.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "log.csv is missing"),
        ("", "log.csv contains no epoch"),
        ("epoch,loss\n", "log.csv contains no epoch"),
        ("epoch,step\n1,2", "log.csv cannot be read: missing columns: loss, seconds, validation_uar"),
        ("loss,validation_uar,seconds\n1,0.5,3\n2,0.", "log.csv cannot be read: its last line is cut off"),
        ("loss,validation_uar,seconds\n1,0.5\n", "log.csv cannot be read: epoch 1 has '' for seconds"),
        ("loss,validation_uar,seconds\n1,0.5,3,4\n", "log.csv cannot be read: epoch 1 has ['4'] for no column"),
        ("loss,validation_uar,seconds\n1,0.5,3\nnan,0.5,3\n", "log.csv cannot be read: epoch 2 has 'nan' for loss"),
        ("loss,validation_uar,seconds\nx,0.5,3\n", "log.csv cannot be read: epoch 1 has 'x' for loss"),
        ('loss,validation_uar,seconds\n"1,0.5,3\n', "log.csv cannot be read: unexpected end of data"),
    ],
)
def test_a_training_whose_log_is_damaged_keeps_its_figures(text: str | None, problem: str, tmp_path: Path) -> None:
    folder = Ablation(tmp_path).finish("a", "ranges", recipe(), predictions_of(fold_predictions(1)))
    (folder / "log.csv").unlink()
    if text is not None:
        (folder / "log.csv").write_text(text)
    (cell,) = read_results([tmp_path])
    assert (cell.state, cell.problem, cell.log, cell.log_problem) == ("done", "", (), problem)
    assert cell.predictions.keys() == {BEST, LAST}


def test_epochs_of_single_frames(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path)
    row = {"epoch": 1, "loss": 1.9, "validation_uar": 0.3, "seconds": 9}
    for name in ("whole", "damaged"):
        spec = recipe(pretrain={"epochs": 1, "batch_size": 4})
        folder = ablation.finish(name, "ranges", spec, predictions_of(fold_predictions(1)))
        write_log(folder / "frames" / "log.csv", [row])
    (folder / "frames" / "log.csv").write_text("epoch")
    whole, damaged = read_results([tmp_path])
    assert (whole.frames, whole.log_problem) == ((row,), "")
    assert len(damaged.log) == 2
    assert (damaged.state, damaged.frames, damaged.log_problem) == ("done", (), "frames/log.csv contains no epoch")


@pytest.mark.parametrize(
    ("lost", "problem"),
    [
        (["predictions/best/test.csv"], "2 of 2 epochs, but no predictions/best/test.csv"),
        (
            ["predictions/last/test.csv", "weights/README.md"],
            "2 of 2 epochs, but no predictions/last/test.csv, no weights/README.md",
        ),
        (["weights/README.md", "log.csv"], "0 of 2 epochs, but no weights/README.md"),
    ],
)
def test_a_training_that_lacks_a_file_says_which(lost: list[str], problem: str, tmp_path: Path) -> None:
    folder = Ablation(tmp_path).finish("a", "ranges", recipe(), predictions_of(fold_predictions(1)))
    for file in lost:
        (folder / file).unlink()
    (cell,) = read_results([tmp_path])
    assert (cell.state, cell.problem) == ("unfinished", problem)


def test_an_unfinished_training_with_a_damaged_log(tmp_path: Path) -> None:
    folder = Ablation(tmp_path).begin("a", "ranges", recipe())
    (folder / "log.csv").write_text("epoch\n1\n")
    (cell,) = read_results([tmp_path])
    assert cell.state == "unfinished"
    assert cell.problem.startswith("how many of 2 epochs is unknown (log.csv cannot be read: missing columns")


def test_a_run_without_its_recipe_is_not_reported_as_unstarted(tmp_path: Path) -> None:
    folder = Ablation(tmp_path).finish("a", "ranges", recipe(), predictions_of(fold_predictions(1)))
    (folder / "cell.yaml").unlink()
    (cell,) = read_results([tmp_path])
    assert (cell.state, cell.problem) == ("unreadable", "There is run.json, but no cell.yaml.")


def test_a_recipe_that_was_cut_off_is_not_taken_for_another(tmp_path: Path) -> None:
    """What is missing has defaults, so that most of a recipe is a recipe."""
    folder = Ablation(tmp_path).finish("a", "ranges", recipe(train={"epochs": 4}), predictions_of(fold_predictions(1)))
    text = (folder / "cell.yaml").read_text()
    (folder / "recipe.yaml").write_text(text)
    (folder / "cell.yaml").write_text(text[: text.index("\ntrain:") + 1])
    (cell,) = read_results([tmp_path])
    assert cell.state == "unreadable"
    assert cell.problem.startswith("cell.yaml and recipe.yaml differ: train.epochs was ")


@pytest.mark.parametrize("kind", [BEST, LAST, NOISY])
def test_answers_that_lost_lines_are_not_counted(kind: str, tmp_path: Path) -> None:
    predictions = predictions_of(fold_predictions(1))
    folder = Ablation(tmp_path).finish("a", "ranges", recipe(), predictions, noisy=predictions)
    file = folder / "predictions" / f"{kind}.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    (cell,) = read_results([tmp_path])
    assert cell.state == "unreadable"
    assert "have different clips" in cell.problem


def test_folders_that_hold_no_ablation(tmp_path: Path) -> None:
    endless = '{"format": 1, "cells": [{"recipe": "a", "split": "b", "seed": Infinity, "folder": "c"}]}'
    for text in (
        None, "{", "[]", '{"format": 2, "cells": []}', '{"format": 1, "cells": []}', '{"format": 1, "cells": [{}]}',
        endless,
    ):  # fmt: skip
        if text is not None:
            (tmp_path / "grid.json").write_text(text)
        with pytest.raises(InputError, match=r"has no grid\.json" if text is None else r"grid\.json cannot be read"):
            read_results([tmp_path])
    with pytest.raises(InputError, match="each once"):
        read_results([tmp_path, tmp_path / "."])
    with pytest.raises(InputError, match="one or more"):
        read_results([])


def test_reasons_lose_line_ends_and_the_folders_of_one_machine() -> None:
    assert in_one_line("There is\n  no store at /data/stores/synthmh: go on.") == "There is no store at synthmh: go on."
    assert in_one_line("runs/a/b and 3/4 of fear/anger stay") == "runs/a/b and 3/4 of fear/anger stay"
