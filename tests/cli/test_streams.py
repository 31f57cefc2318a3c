"""Closed or full standard streams, and characters that they lack, never stop a command or look like a bug."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from fer_zoo import cli

PRINTING = [
    "--version", "--help", "models", "components", "info incres3d_tiny_mean", "recipes ls", "recipes show quickstart",
    "recipes validate quickstart", "recipes diff quickstart quickstart", "data terms", "data template csv",
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def full() -> Iterator[TextIO]:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as stream:
        yield stream


@pytest.mark.parametrize("line", PRINTING)
def test_an_output_that_cannot_be_printed_is_an_error_of_three_parts(
    line: str, full: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    assert cli.main(line.split()) == cli.EXIT_VIDEO
    error = capsys.readouterr().err
    assert error.startswith("fer-zoo: The output cannot be printed: No space left on device.\n  Accepted: ")
    assert "What to do: " in error
    assert sys.stdout is full, "the stream is given back"


@pytest.mark.parametrize("line", PRINTING)
def test_a_closed_output_is_no_error(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(line.split()) == 0
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_had_enough(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert cli.main(["models"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stream", ["full", "closed"])
@pytest.mark.parametrize(("line", "code"), [("info nosuch", 2), ("predict missing.mp4", 4), ("models", 0)])
def test_the_exit_code_does_not_depend_on_stderr(
    line: str, code: int, stream: str, full: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", full if stream == "full" else None)
    assert cli.main(line.split()) == code
    assert bool(capsys.readouterr().out) == (code == 0), "an error is not printed to stdout instead"


def test_files_that_are_written_are_a_success(
    tmp_path: Path, full: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    assert cli.main(["recipes", "copy", "quickstart", str(tmp_path / "a.yaml")]) == 0
    assert (tmp_path / "a.yaml").exists()
    assert capsys.readouterr().err == (
        "note: not everything could be printed (No space left on device); the files are complete.\n"
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_characters_that_the_output_lacks_are_escaped(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, open(tmp_path / name, "w", encoding=encoding))  # noqa: SIM115
    with sys.stdout, sys.stderr:
        assert cli.main(["recipes", "copy", "quickstart", str(tmp_path / "子\udceb.yaml")]) == 0
        assert cli.main(["info", "子\udceb"]) == 2
    assert "\\u5b50\\xeb.yaml" in (tmp_path / "stdout").read_text(encoding)
    assert "\\u5b50\\udceb" in (tmp_path / "stderr").read_text(encoding)


def test_the_program_itself_with_closed_streams(tmp_path: Path) -> None:
    """A file that is opened next must not become file number 1, into which other libraries print."""
    program = f'exec "{sys.executable}" -m fer_zoo recipes copy quickstart a.yaml <&- >&- 2>&-'
    run = subprocess.run(["/bin/sh", "-c", program], cwd=tmp_path, check=False)
    assert run.returncode == 0
    assert (tmp_path / "a.yaml").stat().st_size > 100
