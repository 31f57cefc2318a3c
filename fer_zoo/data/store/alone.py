"""One run at a time in a store's folder, and room for what it makes on the way."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fer_zoo.documents import parse_json
from fer_zoo.errors import InputError
from fer_zoo.files import take_lock

LOCK = "prepare.lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep every other run out of `folder`, which is there, while the block runs.

    The operating system drops the lock of a process that ends, however it ends. The file that is then left is of
    nobody, and the next run on this machine takes it over; of one on another machine nothing can be known.

    Raises:
        InputError: another run is at work there, or was on another machine.
        OSError: the folder cannot be written to.
    """
    path = folder / LOCK
    descriptor = _open_locked(path)
    try:
        _check_holder(path, descriptor)
        try:
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, json.dumps({"process": os.getpid(), "host": socket.gethostname()}).encode())
            yield
        finally:
            with suppress(OSError):
                path.unlink()
    finally:
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not take_lock(descriptor):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise InputError(
                f"Another run is preparing {path.parent}: process {holder.get('process', 'unknown')} on "
                f"{holder.get('host', 'this machine')}.",
                "one run at a time in a folder",
                "wait until it has ended, or choose another folder",
            )
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # its holder has just ended and removed it: this is no longer the file of that name


def _check_holder(path: Path, descriptor: int) -> None:
    holder = _holder(descriptor)
    if holder.get("host", socket.gethostname()) != socket.gethostname():
        raise InputError(
            f"{path.parent} was being prepared by process {holder.get('process')} on the machine {holder['host']}.",
            "one run at a time in a folder",
            f"if that run is gone, delete {path}; else wait until it has ended",
        )


def _holder(descriptor: int) -> dict[str, object]:
    """What the lock file says; nothing where its writer was killed before it said anything."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        found = parse_json(os.read(descriptor, 4096))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """Give a hidden folder in `folder` that is removed afterwards: who has room for a store needs no other disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".scratch.{os.getpid()}.tmp.", dir=folder) as scratch:
        yield Path(scratch)
