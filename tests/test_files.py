"""Files are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from video_files import small_disk

from fer_zoo.files import atomic_file, clear_leftovers, locked, write_atomically, write_text


def stop_half_way(path: Path) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def test_the_file_appears_at_the_end_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with atomic_file(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".csv")
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        stop_half_way(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with small_disk(1000), pytest.raises(OSError, match="File too large"):
        write_atomically(path, lambda stream: stream.write(bytes(5000)))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, done = tmp_path / "a.txt", []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("content"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("name"), replace(*names)))
    write_text(path, "grün")
    assert done == ["content", "name"]
    assert path.read_bytes() == "grün".encode()


def test_folders_are_made_for_data_and_demanded_for_results(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "x")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "x"
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "no" / "c.txt"):
        pytest.fail("there is nowhere to write to")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_text(tmp_path / "file" / "c.txt", "x")


def test_a_lock_is_one_processs_until_it_is_let_go(tmp_path: Path) -> None:
    with locked(tmp_path / "lock") as mine:
        assert mine is not None
        with locked(tmp_path / "lock", wait=0.2) as second:
            assert second is None
    with locked(tmp_path / "lock") as again:
        assert again is not None


def test_where_no_locks_are_known_everybody_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path / "lock") as one, locked(tmp_path / "lock") as other:
        assert None not in (one, other)


def test_what_killed_writers_left_is_cleared(tmp_path: Path) -> None:
    """Names as `atomic_file` gives them, of files with and without a suffix, and what only looks like them."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    left = [f".weights.{gone.pid}.tmp.safetensors", f".list.{gone.pid}.tmp", f".mine.{os.getpid()}.tmp.csv"]
    kept = [f".held.{os.getppid()}.tmp.csv", ".a.tmp.csv", ".tmp", f"b.{gone.pid}.tmp.csv"]
    for name in (*left, *kept):
        (tmp_path / name).touch()
    (tmp_path / f".scratch.{gone.pid}.tmp.x").mkdir()
    clear_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)
