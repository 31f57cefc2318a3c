"""Ablation folders are read cell by cell: what is done, what is not and why, and nothing stops at a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ablation_folders import COMMIT, Ablation, fold_answers, recipe, said

from fer_zoo.errors import InputError
from fer_zoo.evaluation.results import BEST, LAST, NOISY, in_one_line, read_results
from fer_zoo.training.report import write_log


def test_a_training_that_is_done(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    best, last = said(fold_answers(1, ["f1p0/fear"])), said(fold_answers(1))
    folder = ablation.finish("a/b", "fold-1-of-3", recipe(), best, last, noisy=last)
    (folder / "frames").mkdir()
    row = {"epoch": 1.0, "step": 1, "lr": 0.1, "loss": 1.0, "validation_war": 0, "validation_uar": 0, "seconds": 1800}
    write_log(folder / "frames" / "log.csv", [row])
    (cell,) = read_results([ablation.root])
    assert (cell.recipe, cell.split, cell.seed, cell.place) == ("a/b", "fold-1-of-3", 1, "a__b/fold-1-of-3/seed-1")
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
    Ablation(tmp_path).finish("a", "ranges", recipe(), said(fold_answers(1)), facts=facts)
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
    folder = ablation.finish("a", "ranges", recipe(), said(fold_answers(1)))
    (folder / "failed.json").write_text(json.dumps({"reason": "Killed.", "returncode": -9}))
    assert [cell.state for cell in read_results([tmp_path])] == ["done"]


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("predictions/best/test.csv", "key\n", "test.csv cannot be read as predictions"),
        ("cell.yaml", "model: 3\n", "problem"),
        ("cell.yaml", "a: [", "cell.yaml is no YAML"),
        ("run.json", "{", "JSONDecodeError"),
        ("log.csv", "epoch,seconds\n1,x\n", "ValueError: could not convert"),
        ("log.csv", "epoch\n1\n", "KeyError: 'seconds'"),
        ("failed.json", "[]", ""),
    ],
)
def test_a_damaged_training_is_named_and_the_next_one_is_read(
    file: str, text: str, problem: str, tmp_path: Path
) -> None:
    ablation = Ablation(tmp_path)
    folder = ablation.finish("a", "ranges", recipe(), said(fold_answers(1)))
    ablation.finish("b", "ranges", recipe(), said(fold_answers(1)))
    (folder / file).write_text(text)
    first, second = read_results([tmp_path])
    assert second.state == "done"
    assert first.state == ("unreadable" if problem else "done")
    assert problem in first.problem
    assert str(tmp_path) not in first.problem


def test_folders_that_hold_no_ablation(tmp_path: Path) -> None:
    for text in (None, "{", '{"format": 2, "cells": []}', '{"format": 1, "cells": []}', '{"format": 1, "cells": [{}]}'):
        if text is not None:
            (tmp_path / "grid.json").write_text(text)
        with pytest.raises(InputError, match=r"grid\.json cannot be read"):
            read_results([tmp_path])
    with pytest.raises(InputError, match="each once"):
        read_results([tmp_path, tmp_path / "."])
    with pytest.raises(InputError, match="one or more"):
        read_results([])


def test_reasons_lose_line_ends_and_the_folders_of_one_machine() -> None:
    assert in_one_line("There is\n  no store at /data/stores/synthmh: go on.") == "There is no store at synthmh: go on."
    assert in_one_line("runs/a/b and 3/4 of fear/anger stay") == "runs/a/b and 3/4 of fear/anger stay"
