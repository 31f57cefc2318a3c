"""The real client, pointed at a test hub without a word in its environment."""

from __future__ import annotations

import random
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download, snapshot_download

from .loopback import Hub


def api(hub: Hub, token: str | None = None) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=token or False)


def download(
    hub: Hub, cache: Path, repo_id: str, path: str, token: str | None = None, revision: str | None = None
) -> Path:
    return Path(
        hf_hub_download(repo_id, path, revision=revision, endpoint=hub.endpoint, token=token or False, cache_dir=cache)
    )


def snapshot(hub: Hub, cache: Path, repo_id: str, token: str | None = None, revision: str | None = None) -> Path:
    return Path(
        snapshot_download(repo_id, revision=revision, endpoint=hub.endpoint, token=token or False, cache_dir=cache)
    )


def noise(size: int, seed: int = 7) -> bytes:
    """Bytes that no store can make smaller."""
    return random.Random(seed).randbytes(size)


def contents(folder: Path) -> dict[str, bytes]:
    """What is below a folder, by path; what the hub adds of its own left out."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {path: content for path, content in found.items() if path != ".gitattributes"}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
