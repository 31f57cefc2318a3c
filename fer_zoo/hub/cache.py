"""The weights of fer_zoo in the cache of huggingface_hub: list them, check every sha256, remove what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fer_zoo.errors import FerZooError, WeightsError
from fer_zoo.hub.client import Client, Settings
from fer_zoo.hub.pulling import Snapshot, etag_of, fits_etag, forget, is_ours
from fer_zoo.weights.files import CONFIG, parse_json, read_text
from fer_zoo.weights.folder import read_folder


@dataclass(frozen=True)
class Held:
    """Weights in the cache: one commit of a repository, and the branches and tags that it was last pulled as."""

    snapshot: Snapshot
    revisions: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its address, pinned."""
        return f"hf-hub:{self.snapshot.repo}@{self.snapshot.commit}"

    @property
    def files(self) -> list[Path]:
        """Its files that are ours."""
        return [path for path in sorted(self.snapshot.folder.iterdir()) if is_ours(path.name)]

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.stat().st_size for path in self.files if path.exists())

    def problem(self) -> FerZooError | None:
        """What is wrong with it; hashes all files without a request. What is wrong is not removed."""
        for path in self.files:
            if not path.exists():
                return FerZooError(f"{path} leads nowhere.", "", "pull it again")
            if fits_etag(path, etag_of(path)) is False:
                return FerZooError(f"{path} is not what the Hub sent: {etag_of(path)}.", "", "pull it again")
        try:
            read_folder(self.snapshot.folder)
            self.snapshot.verify(remove=False)
        except FerZooError as error:
            return error
        return None

    def remove(self) -> None:
        """Remove its files from the cache, and what they share with other commits."""
        for path in self.files:
            forget(path)


def held(cache_dir: str | Path | None = None, endpoint: str | None = None) -> Iterator[Held]:
    """All weights of fer_zoo in the cache, by repository and commit."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    client = Client(Settings(endpoint=endpoint, cache_dir=cache_dir))
    try:
        repos = scan_cache_dir(client.cache).repos
    except CacheNotFound:
        return
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        for revision in sorted(repo.revisions, key=lambda revision: revision.commit_hash):
            if repo.repo_type == "model" and _is_ours(revision.snapshot_path):
                yield Held(Snapshot(client, repo.repo_id, revision.commit_hash), tuple(sorted(revision.refs)))


def _is_ours(folder: Path) -> bool:
    try:
        return parse_json(read_text(folder / CONFIG)).get("library") == "fer-zoo"
    except (WeightsError, ValueError):
        return False
