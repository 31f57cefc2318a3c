"""`fer-zoo recipes`: ls, show, copy, validate, diff."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fer_zoo import cli
from fer_zoo.recipes import list_recipes, load_recipe


def test_ls(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes", "ls"]) == 0
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert rows == [[name, load_recipe(name).description] for name in list_recipes()]
    assert cli.main(["recipes", "ls", "paper/cross_*"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert cli.main(["recipes", "ls", "papers/*"]) == cli.EXIT_ERROR
    assert "No packaged recipe matches 'papers/*'." in capsys.readouterr().err


def test_show_prints_a_recipe_that_can_be_loaded_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes", "show", "quickstart", "--set", "train.lr=3e-4", "seed=7"]) == 0
    text = capsys.readouterr().out
    shown = yaml.safe_load(text)
    assert (shown["train"]["lr"], shown["seed"]) == (3e-4, 7)
    (tmp_path / "again.yaml").write_text(text)
    assert cli.main(["recipes", "show", str(tmp_path / "again.yaml")]) == 0
    assert capsys.readouterr().out == text
    assert cli.main(["recipes", "show", "quickstart", "--set", "train.lrr=1"]) == cli.EXIT_ERROR
    assert "did you mean 'lr'?" in capsys.readouterr().err


def test_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.yaml"
    assert cli.main(["recipes", "copy", "quickstart", str(mine)]) == 0
    assert capsys.readouterr().out == f"{mine}\n"
    before = mine.read_text()
    assert cli.main(["recipes", "copy", "ablations/frames_5", str(mine)]) == cli.EXIT_ERROR
    assert "File exists" in capsys.readouterr().err
    assert mine.read_text() == before


@pytest.mark.slow
def test_validate_names_every_problem_of_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong, impossible = tmp_path / "wrong.yaml", tmp_path / "impossible.yaml"
    wrong.write_text("extends: quickstart\ntrain: {lrr: 1, momentum: 2}\n")
    # The schema is content; only putting the parts together shows that the clip is too small.
    impossible.write_text("extends: quickstart\nmodel: {input: {size: 8}}\n")
    names = ["quickstart", str(wrong), "paper/cross_fera", str(impossible)]
    assert cli.main(["recipes", "validate", *names]) == cli.EXIT_ERROR
    captured = capsys.readouterr()
    assert captured.out == "quickstart: ok\npaper/cross_fera: ok\n"
    assert "train.lrr (wrong.yaml:2): unknown key (did you mean 'lr'?)" in captured.err
    assert "train.momentum (wrong.yaml:2): 2 is wrong" in captured.err
    assert f"{impossible}: " in captured.err
    assert captured.err.endswith(
        "fer-zoo: 2 of 4 recipes are invalid.\n"
        "  Accepted: recipes without a problem\n"
        "  What to do: fix the problems listed above\n"
    )
    assert cli.main(["recipes", "validate", "quickstart"]) == 0


def test_validate_finds_a_backbone_without_a_twin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r3d.yaml").write_text("extends: quickstart\nmodel: {backbone: r3d_18, fusion: none}\n")
    assert cli.main(["recipes", "validate", str(tmp_path / "r3d.yaml")]) == cli.EXIT_ERROR
    assert "has no 2D twin" in capsys.readouterr().err


def test_diff_is_an_ablation_in_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes", "diff", "ablations/base", "ablations/paper_2d"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "                                 ablations/base            ablations/paper_2d",
        "model.backbone.temporal_kernels  true                      false",
        "model.temporal                   {name: lstm, hidden: 40}  mean",
        "model.fusion                     {name: lm, radius: 2}     none",
    ]
    assert cli.main(["recipes", "diff", "quickstart", "quickstart"]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_diff_breaks_long_values_to_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    assert cli.main(["recipes", "diff", "ablations/base", "paper/cross_ckplus"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 90
    output = " ".join("".join(lines).split())
    assert "train_on: [mmi," in output
    assert "cross-database" in output
