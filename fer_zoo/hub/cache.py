"""What the cache holds of ours: list it, hash it, throw out what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fer_zoo import weights
from fer_zoo.errors import FerZooError
from fer_zoo.hub.client import LIBRARY, Client, Settings
from fer_zoo.hub.contents import CONFIG, LIMITS, is_ours
from fer_zoo.hub.digests import etag_of, fits_etag, forget
from fer_zoo.hub.snapshot import Snapshot
from fer_zoo.weights.files import parse_json


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
        """What is wrong with it; hashes all and asks nobody. What is wrong is not removed."""
        for path in self.files:
            if not path.exists():
                return FerZooError(f"{path} leads nowhere.", "", "pull it again")
            if fits_etag(path, etag_of(path)) is False:
                return FerZooError(f"{path} is not what the Hub sent: {etag_of(path)}.", "", "pull it again")
        try:
            weights.read_folder(self.snapshot.folder)
            self.snapshot.check()
        except FerZooError as error:
            return error
        return None

    def remove(self) -> None:
        """Take its files out of the cache, and what they share with other commits."""
        for path in self.files:
            forget(path)


def held(cache_dir: str | Path | None = None, endpoint: str | None = None) -> Iterator[Held]:
    """All weights of fer_zoo in the cache, by repository and commit."""
    client = Client(Settings(endpoint=endpoint, cache_dir=cache_dir))
    for folder in sorted(client.cache.glob("models--*--*")):
        repo = folder.name.removeprefix("models--").replace("--", "/", 1)
        revisions = dict(_revisions(folder / "refs"))
        for snapshot in sorted((folder / "snapshots").glob("*")):
            if _is_ours(snapshot):
                names = tuple(sorted(name for name, commit in revisions.items() if commit == snapshot.name))
                yield Held(Snapshot(client, repo, snapshot.name), names)


def _revisions(refs: Path) -> Iterator[tuple[str, str]]:
    for path in refs.rglob("*"):
        if path.is_file():
            yield path.relative_to(refs).as_posix(), path.read_text(errors="replace").strip()


def _is_ours(folder: Path) -> bool:
    path = folder / CONFIG
    try:
        if path.stat().st_size > LIMITS[CONFIG]:
            return False
        config = parse_json(path.read_text())
    except (OSError, ValueError):
        return False
    # Format 1 did not say whose it is.
    return config.get("library") == LIBRARY or {*config} == {"format", "model"}
