"""One run at a time in a store's folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fer_zoo.errors import InputError
from fer_zoo.files import locked

LOCK = "prepare.lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep every other run out of an existing `folder` while the block runs.

    The lock of a process on this machine ends with it, however it ends. Nothing can be known of another machine's.

    Raises:
        InputError: another run is working there, or was on another machine.
        OSError: the folder is not writable.
    """
    path, here = folder / LOCK, socket.gethostname()
    with locked(path) as file:
        holder = _holder(path)
        process, host = holder.get("process", "unknown"), holder.get("host", here)
        if file is None:
            raise InputError(
                f"Another run is preparing {folder}: process {process} on {host}.",
                "one run at a time in a folder",
                "wait until it has ended, or choose another folder",
            )
        if host != here:
            raise InputError(
                f"{folder} was being prepared by process {process} on the machine {host}.",
                "one run at a time in a folder",
                f"if that run has ended, delete {path}; otherwise wait until it has",
            )
        path.write_text(json.dumps({"process": os.getpid(), "host": here}))
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def _holder(path: Path) -> dict[str, object]:
    """Return the content of the lock file; {} if its process was killed before it was complete."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) else {}
