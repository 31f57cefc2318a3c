"""Files that exist complete or not at all, hashes, locks that end with their process, and leftovers of killed ones."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# Longer parts of a name are cut in the temporary name, which must not become too long for the file system.
_LONGEST = 40
# Where in its temporary folder `atomic_folder` keeps what it replaces.
_OLD = "old"


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give an empty temporary file beside `path` that replaces it when the block succeeds and is removed otherwise.

    Killed at any moment, the old file or the complete new one exists. A link at `path` is replaced, not followed.

    Raises:
        OSError: the folder does not exist or is not writable, or the disk is full; its text names `path`.
    """
    path = Path(path)
    # The suffix stays: FFmpeg and others choose the format by it. The random part cannot be guessed, so no link to
    # another file can wait under this name; the lock tells `clear_leftovers` that the file is in use.
    stem, suffix = path.stem[:_LONGEST], path.suffix if len(path.suffix) <= _LONGEST else ""
    temporary = path.with_name(f".{stem}.{os.getpid()}.{secrets.token_hex(8)}.tmp{suffix}")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from error
    try:
        take_lock(descriptor)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        if os.name == "nt":  # pragma: no cover  (an open file cannot be renamed there)
            os.close(descriptor)
            descriptor = -1
        os.replace(temporary, path)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give an empty temporary folder beside `path` that becomes it when the block succeeds and is removed otherwise.

    Args:
        replace: what is at `path` is replaced. This takes two steps: if the process is killed between them, the next
            `clear_leftovers` of the parent folder, also by this function, puts the old one back.

    Raises:
        OSError: `path` exists, is not an empty folder and is not to be replaced, or it cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent)
    temporary, lock = _locked_folder(path)
    try:
        new, old = temporary / "new", temporary / _OLD / path.name
        new.mkdir()
        yield new
        if replace and os.path.lexists(path):
            old.parent.mkdir()
            os.replace(path, old)
        os.replace(new, path)
    finally:
        try:
            _remove_folder(temporary)
        finally:
            if lock >= 0:
                os.close(lock)


def _locked_folder(path: Path) -> tuple[Path, int]:
    """Make a temporary folder beside `path` and take its lock, -1 where folders have none."""
    while True:
        temporary = path.with_name(f".{path.name[:_LONGEST]}.{os.getpid()}.{secrets.token_hex(8)}.tmp")
        temporary.mkdir()
        if os.name == "nt":  # pragma: no cover  (a folder cannot be opened there)
            return temporary, -1
        # Before it is locked, `clear_leftovers` elsewhere may take it for a leftover.
        with suppress(FileNotFoundError):
            lock = os.open(temporary, os.O_RDONLY)
            if take_lock(lock) and _is_at(lock, temporary):
                return temporary, lock
            os.close(lock)


def _remove_folder(temporary: Path) -> None:
    """Remove a temporary folder; what `atomic_folder` was about to replace goes back if its place is empty."""
    for old in (temporary / _OLD).glob("*"):
        if not os.path.lexists(temporary.parent / old.name):
            os.replace(old, temporary.parent / old.name)
    shutil.rmtree(temporary, ignore_errors=True)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file through `write(stream)`, as `atomic_file` does; makes its folder.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        write(stream)


def sha256(path: str | Path) -> str:
    """Hash of a file in hex; the file is streamed."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; makes its folder."""
    write_atomically(path, lambda stream: stream.write(text.encode()))


@contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[int | None]:
    """Hold a lock that is released when the process ends; gives the open file, None if another process holds it.

    Where the system or the file system has no locks, every process gets it.

    Args:
        wait: seconds to wait for another process to release it.

    Raises:
        OSError: the file cannot be written.
    """
    end = time.monotonic() + wait
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            free = take_lock(file)
            # The holder may remove the file when it ends; the file opened here is then no longer the one at this path.
            if free and not _is_at(file, path):
                continue
            if free or time.monotonic() > end:
                yield file if free else None
                return
        finally:
            os.close(file)
        time.sleep(0.1)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def take_lock(file: int) -> bool:
    """Return whether the lock of an open file could be taken; True where the system or file system has no locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True
    return True


def final_name(name: str) -> str:
    """Return the name of the file that a temporary file of `atomic_file` becomes; other names come back unchanged."""
    found = _temporary(name)
    return f"{found['stem']}{found['suffix'] or ''}" if found else name


def clear_leftovers(folder: Path) -> None:
    """Remove temporary files and folders whose process has ended; those in use are kept.

    In use is what a process that runs here made, and what is locked: by another machine or container, in which process
    numbers mean others, or by this process.

    Raises:
        OSError: a file cannot be removed.
    """
    for leftover in folder.glob(".*.tmp*"):
        found = _temporary(leftover.name)
        if found is None or (int(found["process"]) != os.getpid() and _is_alive(int(found["process"]))):
            continue
        with _unused(leftover) as unused:
            if unused and leftover.is_dir() and not leftover.is_symlink():
                _remove_folder(leftover)
            elif unused:
                leftover.unlink(missing_ok=True)


def _temporary(name: str) -> re.Match[str] | None:
    # Earlier versions gave names without the random part.
    pattern = r"\.(?P<stem>.*)\.(?P<process>\d+)(\.[0-9a-f]{16})?\.tmp(?P<suffix>\..+)?"
    return re.fullmatch(pattern, name, re.DOTALL)


@contextmanager
def _unused(path: Path) -> Iterator[bool]:
    """Give whether nobody holds the lock of a file or folder, and hold it meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:  # gone, a link, or a folder on Windows
        descriptor = -1
    if os.name == "nt" and descriptor >= 0:  # pragma: no cover  (an open file cannot be removed there)
        os.close(descriptor)
        descriptor = -1
    try:
        yield descriptor < 0 or take_lock(descriptor)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True  # signal 0 would terminate it there
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        return True
    return True
