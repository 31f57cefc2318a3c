"""tools/bundle_weights.py: a finished run's weights go into the package checked, and in the newest format."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from weights_folders import make_folder

from fer_zoo.errors import WeightsError

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import bundle_weights  # noqa: E402

NAME = "incres3d_tiny_lstm_lm.try"


def test_it_puts_them_in_place_of_older_ones(tmp_path: Path) -> None:
    run = make_folder(tmp_path / "weights")
    (run / "notes.txt").write_text("mine")
    zoo = tmp_path / "zoo"
    (zoo / NAME).mkdir(parents=True)
    (zoo / NAME / "old.bin").touch()
    target = bundle_weights.bundle(run, zoo)
    assert list(zoo.iterdir()) == [target] == [zoo / NAME]
    assert {f.name: f.read_bytes() for f in target.iterdir()} == {
        f.name: f.read_bytes() for f in run.iterdir() if f.name != "notes.txt"
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"name": "incres3d_tiny_lstm_lm.local"}, "tagged local"), ({"commit": "0" * 40 + "-dirty"}, "a changed tree")],
)
def test_what_cannot_be_shipped_is_refused(changes: dict[str, str], message: str, tmp_path: Path) -> None:
    run, zoo = make_folder(tmp_path / "weights", **changes), tmp_path / "zoo"
    zoo.mkdir()
    with pytest.raises(SystemExit, match=message):
        bundle_weights.bundle(run, zoo)
    assert list(zoo.iterdir()) == []


def test_damaged_or_large_ones_leave_the_old_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, zoo = make_folder(tmp_path / "weights"), tmp_path / "zoo"
    shutil.copytree(run, zoo / NAME)
    before = {file: file.read_bytes() for file in (zoo / NAME).iterdir()}
    monkeypatch.setattr(bundle_weights, "LARGEST", 1000)
    with pytest.raises(SystemExit, match="under 1000 are accepted"):
        bundle_weights.bundle(run, zoo)
    (run / "check.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"check\.safetensors"):
        bundle_weights.bundle(run, zoo)
    assert {file: file.read_bytes() for file in (zoo / NAME).iterdir()} == before
    assert [folder.name for folder in zoo.iterdir()] == [NAME]
