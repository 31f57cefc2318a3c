"""Whether a file is what a Hub called it, and taking one out of the cache."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from fer_zoo.errors import HubError
from fer_zoo.weights import sha256

_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


def fits_etag(path: Path, etag: str) -> bool | None:
    """Whether a file is what its ETag says, None if that says nothing.

    A Hub answers with the sha256 of a large file and git's id of a small one; mirrors may answer anything.
    """
    if _SHA256.fullmatch(etag):
        return sha256(path) == etag
    return git_id(path.read_bytes()) == etag if _SHA1.fullmatch(etag) else None


def git_id(content: bytes) -> str:
    """What git calls a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def etag_of(path: Path) -> str:
    """The ETag a cached file was stored under; empty where the cache knows no links."""
    # The first link, not the last: that one leads on, to a store all repositories share, with names of its own.
    return Path(os.readlink(path)).name if path.is_symlink() else ""


def forget(path: Path) -> None:
    """Remove a file from the cache, with all that its links lead to, so that it is downloaded again.

    Raises:
        HubError: it cannot be removed.
    """
    while True:
        onwards = path.parent / os.readlink(path) if path.is_symlink() else None
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            given = f"{path} is wrong and cannot be removed: {error.strerror}."
            raise HubError(given, "a writable cache", "remove it, or set HF_HOME to another folder") from error
        if onwards is None:
            return
        path = onwards
