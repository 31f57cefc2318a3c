"""Tables that fit the terminal and stay one line an item in a pipe; advice in verbs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fer_zoo import cli
from fer_zoo.cli.text import error_text, print_table
from fer_zoo.errors import UnknownNameError

ROWS = [("lm", "x", "one two three four five six"), ("longer", "y", ""), ("z", "longer", "seven")]


def test_on_a_terminal_a_description_hangs_below_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "41")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "lm      x       one two three four five",
        "                six",
        "longer  y",
        "z       longer  seven",
    ]


def test_in_a_pipe_an_item_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "41")
    print_table(ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "lm      x       one two three four five six",
        "longer  y",
        "z       longer  seven",
    ]


@pytest.mark.parametrize("verb", [["components"], ["recipes", "ls"]])
def test_lists_fit_a_terminal(
    verb: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(verb) == 0
    whole = capsys.readouterr().out
    assert max(map(len, whole.splitlines())) > 100
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(verb) == 0
    fitted = capsys.readouterr().out
    assert max(map(len, fitted.splitlines())) <= 100
    assert fitted.split() == whole.split()


@pytest.mark.parametrize(
    ("python", "verb"),
    [
        ("fer_zoo.list_models() lists them", "`fer-zoo models` lists them"),
        ('fer_zoo.list_models("timm/a_*", family="timm") lists', "`fer-zoo models 'timm/a_*'` lists"),
        ('fer_zoo.list_models("timm/a_*") lists them', "`fer-zoo models 'timm/a_*'` lists them"),
        ('fer_zoo.list_components("fusion") lists them', "`fer-zoo components fusion` lists them"),
        ('fer_zoo.list_components("backbone", "timm/*") lists', "`fer-zoo components backbone 'timm/*'` lists"),
        ('create_model("a.b")', "write a.b"),
    ],
)
def test_advice_in_verbs(python: str, verb: str) -> None:
    message = error_text(UnknownNameError("Unknown model 'x'.", "a name", python))
    assert message == f"Unknown model 'x'.\n  Accepted: a name\n  What to do: {verb}"


@pytest.mark.parametrize(
    "line",
    [
        "info foo",
        "info timm/resnet18",
        "info timm/resnet1_lstm",
        "info incres3d_tiny_lstm_lm.foo",
        "info foo.bar",
        "models zzz",
        "components fuson",
        "recipes show quickstart --set model.fusion=lmm",
        "recipes validate wrong.yaml",
        "recipes validate nowhere",
        "train quickstart --tag a/b",
    ],
)
def test_no_verb_gives_advice_in_python(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "timm/" in line:
        pytest.importorskip("timm")
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("extends: quickstart\nmodel: {fusion: lmm}\n")
    assert cli.main(line.split()) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert error.count("\n  Accepted: ") == error.count("\n  What to do: ") >= 1
    for python in ("fer_zoo.", "create_model", "list_", "pretrained="):
        assert python not in error
