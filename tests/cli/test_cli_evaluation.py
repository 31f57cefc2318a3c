"""`fer-zoo ablate` and `fer-zoo evaluate`, from stores to figures, as a user runs them."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from fer_zoo import cli
from fer_zoo.evaluation.ablation import RunOptions
from fer_zoo.evaluation.results import read_results

sys.path.append(str(Path(__file__).parent.parent / "evaluation"))

import toy_databases


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, in which the stores of two databases are found."""
    for name in ("ckplus", "mmi"):
        toy_databases.database(tmp_path / "stores", name)
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(toy_databases.fields()))
    monkeypatch.setenv("FER_ZOO_STORES", str(tmp_path / "stores"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_from_stores_to_figures(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross-database both ways; a second run changes nothing; `evaluate` gives the metrics of the training run."""
    command = ["ablate", "base.yaml", "--cross", "ckplus", "mmi", "--out", "runs", "--jobs", "2", "--seeds", "1"]
    command += ["--set", "train.epochs=2"]
    assert cli.main(command) == cli.EXIT_OK
    *lines, count, out = capsys.readouterr().out.splitlines()
    assert (count, out) == ("2 trained, 0 already finished, of 2", "runs")
    assert {line.split(": WAR ")[0].split("] ")[1] for line in lines} == {
        "base, mmi-to-ckplus, seed 1", "base, ckplus-to-mmi, seed 1",
    }  # fmt: skip
    found = read_results(["runs"])
    assert [(cell.state, cell.problem) for cell in found] == [("done", "")] * 2
    assert cli.main(command) == cli.EXIT_OK
    assert "0 trained, 2 already finished, of 2" in capsys.readouterr().out

    run = desk / "runs" / "base" / "mmi-to-ckplus" / "seed-1"
    assert cli.main(["evaluate", str(run / "weights"), "--store", "ckplus", "--out", "judged"]) == cli.EXIT_OK
    output = capsys.readouterr().out
    assert "The network was not trained on ckplus." in output
    noted = found[0].predictions["best/test"]
    figures = json.loads(Path("judged/figures.json").read_text())["clips"]
    assert f"WAR {100 * figures['war']:.1f} [" in output
    assert figures["war"] == pytest.approx((noted.predicted == noted.truth).mean())
    with monkeypatch.context() as patch:
        patch.setattr("fer_zoo.evaluation.on_store.predict_clips", lambda *_: pytest.fail("clips were judged first"))
        assert cli.main(["evaluate", str(run / "weights"), "--store", "ckplus", "--out", "judged"]) == cli.EXIT_ERROR
    assert "judged already contains figures.json" in capsys.readouterr().err
    assert cli.main(["evaluate", str(run / "weights"), "--store", "mmi"]) == cli.EXIT_OK
    assert "trained on mmi, also on the subjects of 18 of these 18 clips (6 subjects)" in capsys.readouterr().out


def test_what_is_shown_of_weights_on_a_store(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toy_databases.weights_folder(desk / "run")
    toy_databases.database(
        desk / "stores", "fera", labels=["anger", "contempt", "happiness"], clips=2, subjects=["a", "b"],
        groups=({"age": "20-29"}, {}),
    )  # fmt: skip
    assert cli.main(["evaluate", str(folder), "--store", "fera"]) == cli.EXIT_OK
    output = capsys.readouterr().out
    assert "on fera: 8 clips\nThe network was not trained on fera.\n" in output
    assert "left out because the network does not have the label: 4 clips (contempt 4)\n" in output
    assert "labels of the network without a clip here: fear; UAR is the mean of the others\n" in output
    assert "by clip: WAR " in output
    assert "by video: WAR " in output
    assert [line.split(": ")[0] for line in output.splitlines() if line.startswith("age ")] == [
        "age unknown",
        "age 20-29",
    ]
    assert "(4 videos, 2 subjects)\n" in output
    assert output.count("Fewer than 10 subjects") == 1
    (fear,) = (line for line in output.splitlines() if line.startswith("fear "))
    assert fear.split()[1:4] == ["0", "-", "-"]
    assert not Path("judged").exists()


def test_a_dry_run_lists_the_trainings_and_runs_none(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["ablate", "base.yaml", "--leave-one-out", "--seeds", "0", "1", "--out", "runs", "--dry-run"]
    assert cli.main([*command, "--set", "split.validation_folds=2"]) == cli.EXIT_ERROR  # the recipe's split is of folds
    capsys.readouterr()
    assert cli.main(command) == cli.EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "base, without-S1, seed 0"
    assert lines[-1] == "12 training runs"
    assert not Path("runs").exists()


def test_failed_trainings_are_counted_in_the_last_line_and_the_exit_code(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fer_zoo.evaluation.ablation.RunOptions", partial(RunOptions, train=("stub_training",)))
    Path("runs").mkdir()
    Path("runs/behaviour.json").write_text('{"fail": ["fold-2-of-3/seed-5"]}')
    assert cli.main(["ablate", "base.yaml", "--out", "runs"]) == cli.EXIT_ERROR
    output = capsys.readouterr()
    assert "] base, fold-2-of-3, seed 5: failed: The loss is no longer finite. (" in output.out
    assert output.out.endswith("2 trained, 0 already finished, of 3\n")
    assert "1 of 3 training runs failed: base, fold-2-of-3, seed 5 (The loss is no longer finite.)." in output.err
    assert "run the same command again to retry them" in output.err


def test_a_grid_file_says_the_same(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("grid.yaml").write_text("recipes: [base.yaml]\nprotocol: {cross: [ckplus, mmi]}\nseeds: [1, 2]\n")
    assert cli.main(["ablate", "--grid", "grid.yaml", "--out", "runs", "--dry-run"]) == cli.EXIT_OK
    of_file = capsys.readouterr().out
    command = ["ablate", "base.yaml", "--cross", "ckplus", "mmi", "--seeds", "1", "2", "--out", "runs", "--dry-run"]
    assert cli.main(command) == cli.EXIT_OK
    assert capsys.readouterr().out == of_file


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "neither recipes nor a grid file"),
        (["base.yaml", "--grid", "grid.yaml"], "a grid file together with settings of its own"),
        (["--grid", "grid.yaml", "--folds", "3"], "a grid file together with settings of its own"),
        (["base.yaml", "--folds", "3", "--leave-one-out"], "not allowed with"),
        (["base.yaml", "--folds", "2"], "folds"),
        (["base.yaml", "--cross", "ckplus"], "two or more"),
        (["base.yaml", "--engine", "slurm"], "'slurm' (choose from "),
        (["base.yaml", "--gpus-per-cell", "-1"], "not a number >= 0"),
        (["base.yaml", "--seeds", "x"], "not an integer >= 0"),
        (["base.yml"], "There is no recipe file 'base.yml'"),
        (["base.yaml", "--stores", "nowhere"], "Clips of 'ckplus'"),
    ],
)
def test_errors_are_reported_before_anything_starts(
    desk: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ablate", *words, "--out", "runs"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert message in error
    assert "What to do:" in error
    assert not Path("runs").exists()
