"""`fer-zoo data split` and `data verify`, and the package as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import store_clips

from fer_zoo.cli import main
from fer_zoo.data.split_files import read_splits
from fer_zoo.data.store import Store, finish_store, open_store, write_shard


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Twelve subjects, each with all three labels."""
    clips = [store_clips.clip(n, key=f"s{n // 3:02d}/{n}", subject=f"s{n // 3:02d}") for n in range(36)]
    write_shard(tmp_path / "store", 0, clips)
    finish_store(tmp_path / "store", store_clips.facts())
    return open_store(tmp_path / "store")


def test_folds_are_written_for_recipes(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "splits.json"
    assert main(["data", "split", str(store.folder), "--folds", "4", "--seed", "1", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [*(f"fold {n} of 4: train 18, validation 9, test 9" for n in range(1, 5)), str(out)]
    whose = {clip.key: clip.subject for clip in store.facts}
    splits = read_splits(out, store=store.header.fingerprint, subjects=whose)
    assert sorted(key for split in splits for key in split.test) == sorted(whose)
    first = out.read_bytes()
    assert main(["data", "split", str(store.folder), "--folds", "4", "--seed", "2", "--out", str(out)]) == 0
    assert out.read_bytes() != first


def test_each_subject_left_out(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_STORES", str(tmp_path))
    out = tmp_path / "splits.json"
    command = ["data", "split", "store", "--leave-one-out", "--validation-folds", "3", "--out", str(out)]
    assert main([*command, "--labels", "fear", "anger"]) == 0
    splits = json.loads(out.read_text())["splits"]
    assert [split["name"] for split in splits] == [f"without s{n:02d}" for n in range(12)]
    assert {len(split["test"]) for split in splits} == {2}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--folds", "13"], "13 folds of 12 subjects"),
        ([], "--folds"),
        (["--folds", "3", "--leave-one-out"], "--leave-one-out"),
        (["--folds", "3", "--labels", "sadness"], "has no clip of sadness"),
    ],
)
def test_splits_that_cannot_be(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["data", "split", str(store.folder), *words, "--out", str(tmp_path / "s.json")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Accepted: " in error
    assert not (tmp_path / "s.json").exists()


def test_verify_finds_a_single_changed_byte(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", str(store.folder)]) == 0
    assert capsys.readouterr().out == "36 clips in 1 shards match their checksums\n"
    tar = store.folder / "shards" / "000000.tar"
    content = bytearray(tar.read_bytes())
    content[len(content) // 2] ^= 1
    tar.write_bytes(content)
    assert main(["data", "verify", str(store.folder)]) == 2
    assert "000000.tar is damaged" in capsys.readouterr().err
    assert main(["data", "verify", str(store.folder.parent / "nothing")]) == 2


def test_the_package_is_the_program() -> None:
    run = subprocess.run([sys.executable, "-m", "fer_zoo", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("fer-zoo ")
