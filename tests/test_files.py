"""Files are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from video_files import small_disk

import fer_zoo
from fer_zoo.files import (
    atomic_file,
    atomic_folder,
    clear_leftovers,
    final_name,
    locked,
    sha256,
    write_atomically,
    write_text,
)


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


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        stop_half_way(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
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
    """Names as `atomic_file` gives them, today and in earlier versions, and what only looks like them."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    token = "0123456789abcdef"
    left = [
        f".weights.{gone.pid}.tmp.safetensors", f".list.{gone.pid}.tmp", f".mine.{os.getpid()}.tmp.csv",
        f".weights.{gone.pid}.{token}.tmp.safetensors", f".two\nlines.{gone.pid}.{token}.tmp",
    ]  # fmt: skip
    kept = [f".held.{os.getppid()}.{token}.tmp.csv", ".a.tmp.csv", ".tmp", f"b.{gone.pid}.tmp.csv"]
    for name in (*left, *kept):
        (tmp_path / name).touch()
    (tmp_path / f".scratch.{gone.pid}.tmp.x").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / f".link.{gone.pid}.tmp").symlink_to("outside")
    clear_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "outside"}


def test_a_file_in_use_is_no_leftover(tmp_path: Path) -> None:
    """Another machine's process has a number that is free here; its lock is what counts."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    with atomic_file(tmp_path / "a.csv") as temporary:
        other = temporary.rename(tmp_path / f".a.{gone.pid}.0123456789abcdef.tmp.csv")
        clear_leftovers(tmp_path)
        assert other.exists()
        other.rename(temporary)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_folder_in_use_is_no_leftover(tmp_path: Path) -> None:
    """Neither one of this process, in a thread or around this one, nor one of another machine or container."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    with atomic_folder(tmp_path / "a") as outer:
        (outer / "file").touch()
        with atomic_folder(tmp_path / "b") as inner:
            (inner / "file").touch()
        clear_leftovers(tmp_path)
        own = outer.parent
        other = own.rename(tmp_path / f".a.{gone.pid}.0123456789abcdef.tmp")
        clear_leftovers(tmp_path)
        other.rename(own)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "a", "a/file", "b", "b/file",
    ]  # fmt: skip


def test_many_threads_write_folders_side_by_side(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with atomic_folder(tmp_path / f"{number}") as new:
            (new / "file").touch()
            clear_leftovers(tmp_path)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(100)))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, range(100)))
    assert len(list(tmp_path.rglob("file"))) == 100


def test_a_folder_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120)
    for content in ("old", "new"):
        with atomic_folder(path, replace=True) as made:
            (made / content).touch()
    with pytest.raises(OSError, match="not empty"), atomic_folder(path):
        pass
    with pytest.raises(ValueError, match="stopped"), atomic_folder(path, replace=True):
        raise ValueError("stopped")
    assert [[file.name for file in folder.iterdir()] for folder in tmp_path.iterdir()] == [["new"]]


@pytest.mark.parametrize("moment", [1, 2])
@pytest.mark.parametrize("killed", [False, True])
def test_what_was_to_be_replaced_is_never_lost(
    moment: int, killed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk breaks, or the process is killed, at either step; a process of the same number comes after it."""
    path = tmp_path / "a"
    with atomic_folder(path) as new:
        (new / "old").touch()
    script = f"""
import os, sys
from pathlib import Path
from fer_zoo.files import atomic_folder
replace, calls = os.replace, []
def broken(*names):
    calls.append(names)
    if len(calls) == {moment}:
        os.kill(os.getpid(), 9) if {killed} else os.strerror(5)
        raise OSError(5, "broken")
    replace(*names)
os.replace = broken
with atomic_folder(Path(sys.argv[1]), replace=True) as new:
    (new / "new").touch()
"""
    run = subprocess.run([sys.executable, "-c", script, path], check=False, capture_output=True)
    assert run.returncode == (-9 if killed else 1)
    for leftover in tmp_path.glob(".a.*"):
        leftover.rename(tmp_path / f".a.{os.getpid()}.0123456789abcdef.tmp")
    clear_leftovers(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["a", "a/old"]


def test_a_killed_writer_leaves_what_is_recognised(tmp_path: Path) -> None:
    script = (
        "import os, sys; from fer_zoo.files import atomic_file\nwith atomic_file(sys.argv[1]): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.b.mp4"], check=False)
    (leftover,) = tmp_path.iterdir()
    assert final_name(leftover.name) == "a.b.mp4"
    clear_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_name_cannot_be_guessed_and_no_link_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old")
    path = tmp_path / "a.csv"
    names = set()
    for _ in range(3):
        with atomic_file(path) as temporary:
            names.add(temporary.name)
            temporary.write_text("new")
    assert len(names) == 3
    for name in (f".a.{os.getpid()}.tmp.csv", *names):
        (tmp_path / name).symlink_to(secret)
    path.unlink()
    path.symlink_to(secret)
    write_text(path, "new")
    assert (path.read_text(), path.is_symlink(), secret.read_text()) == ("new", False, "old")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_file_has_the_rights_that_the_umask_leaves(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("é" * 125 + ".json"), "x")
    with pytest.raises(FileNotFoundError, match=r"nowhere/a\.csv"), atomic_file(tmp_path / "nowhere" / "a.csv"):
        pass


def test_a_lock_file_that_its_holder_removes_is_made_again(tmp_path: Path) -> None:
    """A process that waited has opened the removed file: its lock must be on the one that has the name now."""
    path = tmp_path / "lock"
    waited = []

    def wait() -> None:
        with locked(path, wait=10) as mine:
            assert mine is not None
            waited.append(os.path.samestat(os.fstat(mine), path.stat()))

    with locked(path) as first:
        assert first is not None
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        path.unlink()
    waiting.join()
    assert waited == [True]


def test_the_hash_of_a_file_is_computed_in_one_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 10**6)
    assert sha256(tmp_path / "a") == sha256(str(tmp_path / "a")) == hashlib.sha256(b"abc" * 10**6).hexdigest()
    package = Path(fer_zoo.__file__).parent
    using = {path.name for path in package.rglob("*.py") if "file_digest(" in path.read_text(encoding="utf-8")}
    assert using <= {"files.py", "torchvision_video.py"}
