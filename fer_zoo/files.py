"""Files that are there whole or not at all, and names of files that can be printed."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give an empty temporary file beside `path`; it becomes `path` when the block ends well, else it is removed.

    Killed at any moment, the old file or the whole new one is there.

    Raises:
        OSError: the folder is not there or cannot be written to, or the disk is full; say more where more is known.
    """
    path = Path(path)
    # The suffix stays: FFmpeg and others choose the format by it. The process number keeps two writers apart; the last
    # to finish wins, whole.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    temporary.touch()
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file through `write(stream)`, as `atomic_file` does; makes its folder.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        write(stream)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; makes its folder."""
    write_atomically(path, lambda stream: stream.write(text.encode()))


@contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[int | None]:
    """Hold a lock that ends with the process, however it ends; gives the open file, None if another process has it.

    Where system or disk know no locks everybody gets it.

    Args:
        wait: seconds that the other process may take to end.

    Raises:
        OSError: the file cannot be written.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + wait
        while not take_lock(file):
            if time.monotonic() > end:
                yield None
                return
            time.sleep(0.1)
        yield file
    finally:
        os.close(file)


def take_lock(file: int) -> bool:
    """Whether the lock of an open file could be had; also where system or disk know no locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True
    return True


def clear_left_overs(folder: Path) -> None:
    """Remove temporary files and folders of this process, and of those of this machine that are gone.

    Raises:
        OSError: a file cannot be removed.
    """
    for left in folder.glob(".*.tmp*"):
        named = re.fullmatch(r"\..+\.(\d+)\.tmp(\..+)?", left.name, re.DOTALL)
        if named is None or (int(named[1]) != os.getpid() and _is_alive(int(named[1]))):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True  # asking with signal 0 would end it there
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True


def shown(name: str | Path) -> str:
    """A file name, or a text that holds some, as it can be printed and written, whatever its bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
