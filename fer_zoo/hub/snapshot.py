"""A commit of weights in the cache: brought there file by file, and found right or thrown out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fer_zoo import weights
from fer_zoo.errors import HubError
from fer_zoo.hub import first_use
from fer_zoo.hub.client import Client, Seen
from fer_zoo.hub.contents import (
    CARD,
    CONFIG,
    LIMITS,
    PICTURE,
    TENSORS,
    is_ours,
    largest,
    needed,
    shows_picture,
    tensor_files,
)
from fer_zoo.hub.digests import etag_of, fits_etag, forget
from fer_zoo.hub.refusals import MissingFileError, refuse_local


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository, and the cache and Hub to have it from."""

    client: Client
    repo: str
    commit: str

    @property
    def folder(self) -> Path:
        """Where its files lie, or will."""
        return self.client.folder(self.repo) / "snapshots" / self.commit

    def fetch(self, config: Seen | None = None) -> dict[str, str]:
        """Bring what is not in the cache yet: the config first, tensors last, so that the small can refuse the large.

        Args:
            config: what the Hub said of config.json, if it was asked already.

        Returns:
            The files of tensors, with their sha256 by the card.

        Raises:
            HubError: a file is not to be had, too large, or not what the Hub itself says it is.
            WeightsError: config or card are not what this version can read.
        """
        found = weights.read_config(self._small(CONFIG, config))
        refuse_local(found.spec, f"config.json of {self.repo} at {self.commit}")
        card = self._small(CARD)
        for file in needed(found.format):
            self._small(file)
        if shows_picture(card):
            with suppress(MissingFileError):
                self._small(PICTURE)
        files = tensor_files(self.folder)
        if any(self.client.cached(self.repo, file, self.commit) is None for file in files):
            # Before any of it is downloaded: what cannot be built is not wanted.
            room = largest(found.spec)
            for file, digest in files.items():
                self._get(file, LIMITS.get(file, room), digest)
        return files

    def verify(self, pinned: str | None = None) -> None:
        """Hash everything; what is wrong is thrown out of the cache, what is right and new is noted.

        Args:
            pinned: sha256 of model.safetensors from elsewhere than the repository.

        Raises:
            HubError: a file is not what the card, the pin or the first pull said; names both.
        """
        try:
            found = self.check(pinned)
        except _WrongFileError as error:
            for file in error.files:
                forget(self.folder / file)
            raise
        first_use.record(self.client.address, self.repo, self.commit, found)

    def check(self, pinned: str | None = None) -> dict[str, str]:
        """Hash everything and compare it with what was said of it; changes nothing, returns sha256 by file.

        Raises:
            HubError: a file is not what the card, the pin or the first pull said; names both.
        """
        found = {p.name: weights.sha256(p) for p in sorted(self.folder.iterdir()) if p.is_file() and is_ours(p.name)}
        promised = tensor_files(self.folder)
        said = [(file, digest, "the card says") for file, digest in promised.items()]
        if pinned is not None:
            said.append((TENSORS, pinned, "the table of fer_zoo says"))
        beside = weights.read_card(self.folder / CARD).beside
        said += [(file, digest, "the card says") for file, digest in beside.items() if file in found]
        first = first_use.recorded(self.client.address, self.repo, self.commit)
        # Tensors first: they are what the others speak of.
        for file in sorted(first, key=lambda file: (file not in promised, file)):
            said.append((file, first[file], "when this commit was first pulled it was"))
        wrong = [(file, digest, who) for file, digest, who in said if found.get(file) != digest]
        if wrong:
            file, digest, who = wrong[0]
            # The card may be what is wrong, even if it is the tensors that do not fit it.
            raise self._wrong(file, found.get(file), f"{who} {digest}", {CARD, *(file for file, _, _ in wrong)})
        return found

    def _small(self, file: str, seen: Seen | None = None) -> Path:
        return self._get(file, LIMITS[file], seen=seen)

    def _get(self, file: str, room: int, digest: str | None = None, seen: Seen | None = None) -> Path:
        path = self.client.cached(self.repo, file, self.commit)
        etag = etag_of(path) if path else ""
        if path is None:
            seen = seen or self.client.look(self.repo, file, self.commit)
            self._accept(file, seen, room, digest)
            etag = seen.etag or ""
            path = self.client.download(self.repo, file, self.commit)
        if path.stat().st_size > room:
            forget(path)
            raise self._too_large(file, room)
        # Tensors are hashed once, when all are there.
        if digest is None and fits_etag(path, etag) is False:
            digest = weights.sha256(path)
            forget(path)
            raise self._wrong(file, digest, f"the Hub calls it {etag}", {file})
        return path

    def _accept(self, file: str, seen: Seen, room: int, digest: str | None) -> None:
        if seen.commit != self.commit:
            raise HubError(
                f"{self.client.address} was asked for {self.repo} at {self.commit} and answers with {seen.commit}.",
                "the commit that was asked for",
                "try again; if it happens again, do not trust this endpoint",
            )
        if seen.size is not None and seen.size > room:
            raise self._too_large(file, room, seen.size)
        if digest and seen.etag and len(seen.etag) == len(digest) and seen.etag != digest:
            given = f"{file} of {self.repo} at {self.commit} is announced with sha256 {seen.etag}."
            raise HubError(given, f"what its card says: {digest}", "tell the owner; nothing was downloaded")

    def _too_large(self, file: str, room: int, size: int | None = None) -> HubError:
        has = f"has {size} bytes" if size is not None else "is too large"
        return HubError(
            f"{file} of {self.repo} at {self.commit} {has}.",
            f"at most {room} bytes, which is more than it can need",
            "this is no repository that `fer-zoo push` wrote",
        )

    def _wrong(self, file: str, found: str | None, wanted: str, files: set[str]) -> HubError:
        return _WrongFileError(
            f"{file} of {self.repo} at {self.commit} is not the right one: "
            + (f"its sha256 is {found}; {wanted}." if found else f"it is missing; {wanted}."),
            "the file as it was pushed",
            "it is not kept, so try again; if that does not help, tell the owner of the repository",
        ).with_files(files)


class _WrongFileError(HubError):
    """Files whose content is not what it has to be."""

    files: frozenset[str] = frozenset()

    def with_files(self, files: set[str]) -> _WrongFileError:
        self.files = frozenset(files)
        return self
