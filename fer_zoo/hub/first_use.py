"""What a commit held when it was first pulled. A Hub that gives something else for the same commit is not believed."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from fer_zoo.documents import read_json
from fer_zoo.errors import HubError
from fer_zoo.files import write_text

_log = logging.getLogger(__name__)


def recorded(endpoint: str, repo: str, commit: str) -> Mapping[str, str]:
    """The sha256 of each file of a commit as it was first pulled from this endpoint; empty if it never was.

    Raises:
        HubError: the record is damaged.
    """
    path = record_path(endpoint, repo, commit)
    try:
        files = read_json(path)["files"]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HubError(
            f"The record of what {repo} at {commit} first was cannot be read: {path}: {error}",
            "the file as fer-zoo wrote it",
            "remove it, if you trust what the Hub gives now",
        ) from error
    return {str(name): str(digest) for name, digest in files.items()}


def record(endpoint: str, repo: str, commit: str, files: Mapping[str, str]) -> None:
    """Note what a commit holds, unless it is noted already."""
    path = record_path(endpoint, repo, commit)
    if path.exists():
        return
    known = {"endpoint": endpoint, "repo": repo, "commit": commit, "files": dict(sorted(files.items()))}
    try:
        write_text(path, json.dumps(known, indent=1) + "\n")
    except OSError as error:  # a container whose home is read-only can still use what is in it
        _log.warning("The sha256 of %s at %s could not be noted: %s", repo, commit, error)


def record_path(endpoint: str, repo: str, commit: str) -> Path:
    """Where it is noted: not in the cache, which people empty."""
    from fer_zoo.data.synthetic import cache_root

    # One file a commit: two processes never change the same one.
    hub = hashlib.sha256(endpoint.encode()).hexdigest()[:12]
    return cache_root() / "first_use" / hub / repo.replace("/", "--") / f"{commit}.json"
