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
    path, here, holder = folder / LOCK, socket.gethostname(), {"process": "unknown", "host": ""}
    with locked(path) as file:
        with suppress(ValueError, OSError, TypeError):  # its process was killed before it was complete
            holder |= json.loads(path.read_bytes())
        elsewhere = holder["host"] not in ("", here)
        if file is None or elsewhere:
            raise InputError(
                f"Another run is preparing {folder}: process {holder['process']} on {holder['host'] or here}.",
                "one run at a time in a folder",
                "wait until it has ended, or choose another folder"
                + (f"; if that run was killed, delete {path}" if elsewhere else ""),
            )
        path.write_text(json.dumps({"process": os.getpid(), "host": here}))
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
