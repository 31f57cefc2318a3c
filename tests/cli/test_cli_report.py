"""`fer-zoo report`: where it writes, what it prints, and what it says of folders that hold nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "evaluation"))

from ablation_folders import Ablation, fold_predictions, predictions_of, recipe

from fer_zoo import cli


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ablation = Ablation(tmp_path / "x")
    for name in ("a", "b"):
        ablation.finish(name, "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    ablation.ask("b", "fold-2-of-3", 1)
    return ablation.root


def test_a_report(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "to"
    options = ["--baseline", "b", "--out", str(to), "--stores", str(tmp_path), "--name", "two ways"]
    assert cli.main(["report", str(folder), *options]) == 0
    printed = capsys.readouterr()
    assert printed.out.split() == [str(to / name) for name in ("report.md", "report.html", "report.json")]
    assert printed.err == "Warning: 1 of 3 training runs are missing; the tables cover the others.\n"
    for file in ("report.md", "report.html"):
        assert "Report on two ways" in (to / file).read_text()
    data = json.loads((to / "report.json").read_text())
    assert data["baseline"] == "b"
    assert [delta["recipe"] for delta in data["settings"][0]["deltas"]] == ["a"]


def test_without_to_it_lies_in_the_ablation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(folder)]) == 0
    assert (folder / "report" / "report.html").is_file()
    capsys.readouterr()


def test_the_earlier_name_of_out(folder: Path, tmp_path: Path) -> None:
    assert cli.main(["report", str(folder), "--to", str(tmp_path / "there")]) == 0
    assert (tmp_path / "there" / "report.html").is_file()


def test_what_cannot_be_reported(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(tmp_path / "none")]) == cli.EXIT_ERROR
    assert "There is no folder" in capsys.readouterr().err
    assert cli.main(["report", str(folder), "--baseline", "c"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "No training run of the recipe 'c'" in error
    assert "Accepted: a, b" in error
    assert not (folder / "report").exists()
