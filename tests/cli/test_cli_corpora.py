"""`fer-zoo prepare` and `fer-zoo data`: what is printed, exit codes, and errors in three parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from fer_zoo.cli import main
from fer_zoo.data.store import open_store
from fer_zoo.registry import DATASETS


def pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"{number:03d}.png")


def test_data_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(tmp_path / "fear" / "a", 3)
    pictures(tmp_path / "neutral" / "b", 3)
    assert main(["data", "check", "folder", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"2 labelled sources below {tmp_path}"
    assert "nothing differs" in said


def test_data_check_of_a_wrong_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "ckplus", "--root", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "cohn-kanade-images" in said
    assert "Accepted: " in said
    assert "What to do: " in said


def test_terms_of_every_dataset_say_all_that_there_is_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "terms"]) == 0
    said = capsys.readouterr().out
    for name in DATASETS.names():
        assert f"{name}\n  licence: " in said
    assert said.count("weights trained on it may be shared: ") == len(DATASETS.names())


def test_prepare_goes_on_and_says_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No face in these pictures, for the real detector: nothing can be stored, and each is told."""
    pytest.importorskip("dlib")
    pictures(tmp_path / "root" / "fear" / "a", 3)
    pictures(tmp_path / "root" / "fear" / "b", 1)
    command = ["prepare", "folder", "--root", str(tmp_path / "root"), "--out", str(tmp_path / "store")]
    for _ in range(2):  # the second time nothing is left to do
        assert main([*command, "--set", "frames=3", "canvas=32"]) == 2
        told = capsys.readouterr()
        assert told.out.startswith("0 clips of 0 subjects in 1 shards")
        assert "2 sources gave no clip" in told.err
        assert str(tmp_path / "store" / "failures.csv") in told.err
    assert len(open_store(tmp_path / "store")) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["folder", "--set", "frams=3"], "frams"),
        (["folder", "--set", "frames"], "--set frames"),
        (["folder", "--option", "nonsense=1"], "unknown option of dataset 'folder'"),
        (["foldr"], "Unknown dataset 'foldr'"),
        (["synthmh"], "Dataset 'synthmh' makes its clips itself."),
    ],
)
def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    pictures(tmp_path / "fear" / "a", 3)
    assert main(["prepare", *words, "--root", str(tmp_path), "--out", str(tmp_path / "store")]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "Accepted: " in said
    assert "What to do: " in said
    assert not (tmp_path / "store").exists()
