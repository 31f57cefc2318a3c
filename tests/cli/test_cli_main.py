"""The command line as a whole: help, version, wrong arguments, bugs and interruptions."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from fer_zoo import __version__, cli


def test_interruption_and_bugs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> list[str]:
        raise KeyboardInterrupt

    def broken(*_: object, **__: object) -> list[str]:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("fer_zoo.list_models", interrupted)
    assert cli.main(["models"]) == 130
    monkeypatch.setattr("fer_zoo.list_models", broken)
    assert cli.main(["models"]) == cli.EXIT_BUG
    error = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: oops" in error
    assert "Traceback" not in error


def test_version_help_and_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fer-zoo {__version__}\n"
    assert cli.main(["--help"]) == 0
    output = capsys.readouterr().out
    # Each command has its own line with a description; its name alone could be part of another word.
    for verb in ("predict", "models", "components", "info", "recipes", "train"):
        assert re.search(rf"^ +{verb}\s+\w", output, re.MULTILINE), verb
    for arguments in ([], ["predict"], ["predict", "a.mp4", "--hop", "0"], ["dance"], ["recipes"], ["recipes", "show"]):
        assert cli.main(arguments) == cli.EXIT_ERROR
        error = capsys.readouterr().err
        assert "Accepted: " in error
        assert "What to do: " in error


def test_as_a_module() -> None:
    run = subprocess.run([sys.executable, "-m", "fer_zoo.cli", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"fer-zoo {__version__}\n"


def test_debug_after_an_inner_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--debug", "recipes", "show", "nowhere"], ["recipes", "show", "nowhere", "--debug"]):
        assert cli.main(arguments) == cli.EXIT_ERROR
        assert "Traceback" in capsys.readouterr().err
