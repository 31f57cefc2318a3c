"""The weights of fer_zoo in the cache of huggingface_hub: list them, check every sha256, remove what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fer_zoo.errors import FerZooError, WeightsError
from fer_zoo.hub.client import Client
from fer_zoo.hub.pulling import Snapshot, etag_of, forget, is_ours, matches_etag
from fer_zoo.weights.files import CONFIG, read_json
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
        try:
            for path in self.files:
                if not path.exists():
                    raise FerZooError(f"{path} is a link to a missing file.", "", "pull it again")
                if matches_etag(path, etag_of(path)) is False:
                    raise FerZooError(f"{path} is not what the Hub sent: {etag_of(path)}.", "", "pull it again")
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

    client = Client(endpoint=endpoint, cache_dir=cache_dir)
    try:
        repos = scan_cache_dir(client.cache).repos
    except CacheNotFound:
        return
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        for revision in sorted(repo.revisions, key=lambda revision: revision.commit_hash):
            try:
                config = read_json(revision.snapshot_path / CONFIG)
            except WeightsError:
                continue
            if repo.repo_type == "model" and config.get("library") == "fer-zoo":
                yield Held(Snapshot(client, repo.repo_id, revision.commit_hash), tuple(sorted(revision.refs)))
