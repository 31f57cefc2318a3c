"""Weights from a Hub: config before tensors, all files at one commit, and every sha256 checked."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.errors import HubError
from fer_zoo.files import sha256
from fer_zoo.hub.client import Client
from fer_zoo.hub.names import HubName, parse
from fer_zoo.hub.refusals import MissingFileError, UnreachableError
from fer_zoo.specs import ModelSpec
from fer_zoo.weights.config import local_options, read_config
from fer_zoo.weights.files import CARD, CHECK, CONFIG, LARGEST, PICTURE, RECIPE, SHARD, TENSORS
from fer_zoo.weights.folder import read_beginning
from fer_zoo.weights.loading import size_of

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

_log = logging.getLogger(__name__)
MIB = 2**20
# Those that weights.files bounds are text; the other two are a clip of a face and a picture.
LIMITS = {**LARGEST, CHECK: 64 * MIB, PICTURE: 16 * MIB}
# Far more than the header of a tensor file takes.
_HEADER = 32 * MIB


def pull(
    name: HubName | str,
    *,
    sha256: str | None = None,
    token: str | bool | None = None,
    endpoint: str | None = None,
    cache_dir: str | Path | None = None,
) -> Path:
    """Download weights into the cache and check them; returns their folder, for `weights.load_weights`.

    A commit that is in the cache makes no request; a branch or tag makes one. Without a network the cache is used.

    Args:
        name: `hf-hub:OWNER/NAME[@REVISION]`; without a revision the newest commit of main.
        sha256: of model.safetensors, where it is known from elsewhere than the repository.
        token: of the Hub; default HF_TOKEN or the login; False for none.
        endpoint: of the Hub; default HF_ENDPOINT.
        cache_dir: default that of HF_HOME.

    Raises:
        OptionError: the name is not an address. HubError: the weights cannot be downloaded, or have another sha256.
        WeightsError: this version of fer_zoo cannot read them.
    """
    address = parse(name) if isinstance(name, str) else name
    client = Client(token, endpoint, cache_dir)
    commit, config = newest_commit(client, address, CONFIG)
    snapshot = Snapshot(client, address.repo, commit)
    snapshot.fetch(config)
    snapshot.verify(sha256)
    client.remember_commit(address, commit)
    return snapshot.folder


def newest_commit(client: Client, address: HubName, file: str) -> tuple[str, HfFileMetadata | None]:
    """Return the commit of an address, and what the Hub answered for `file` if it was asked.

    Where no Hub answers, the commit is that of the cache.

    Raises:
        HubError: the Hub does not know it, or none answers and the cache does not know it.
    """
    repo, revision = address.repo, address.revision or "main"
    if address.is_pinned:
        return revision, None
    try:
        found = client.look(repo, file, revision)
    except UnreachableError:
        commit = client.cached_commit(repo, revision)
        if not commit:
            raise
        _log.warning(
            "%s is not used, or does not answer: %s (%s) is taken from the cache, %s.",
            *(client.address, repo, revision, commit),
        )
        return commit, None
    return str(found.commit_hash), found


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository, and the cache and Hub to get it from."""

    client: Client
    repo: str
    commit: str

    def __str__(self) -> str:
        return f"{self.repo} at {self.commit}"

    @property
    def folder(self) -> Path:
        """Where its files are in the cache, or will be."""
        return self.client.folder(self.repo) / "snapshots" / self.commit

    def fetch(self, config: HfFileMetadata | None = None) -> None:
        """Download what is not in the cache yet: config first, tensors last, so that the small can refuse the large.

        Args:
            config: what the Hub answered for config.json, if it was asked already.

        Raises:
            HubError: a file cannot be downloaded, is too large, or is not what the Hub itself says it is.
            WeightsError: config or card are not what this version can read.
        """
        spec = read_config(self._get(CONFIG, seen=config)).model
        refuse_local(spec, f"{CONFIG} of {self}")
        card = self._get(CARD)
        for file in (RECIPE, CHECK):
            self._get(file)
        if f"]({PICTURE})" in card.read_text(encoding="utf-8", errors="replace"):
            with suppress(MissingFileError):
                self._get(PICTURE)
        files = read_beginning(self.folder).tensor_files
        if not all((self.folder / file).is_file() for file in files):
            most = size_of(spec) + _HEADER  # before any of it is downloaded: also refuses what cannot be built
            for file, digest in files.items():
                self._get(file, most, digest)

    def verify(self, pinned: str | None = None, *, remove: bool = True) -> None:
        """Hash all files that have a known sha256; with `remove`, wrong ones are deleted from the cache.

        Args:
            pinned: sha256 of model.safetensors from elsewhere than the repository.

        Raises:
            HubError: a file is not what the card or `pinned` says; the text has both sha256.
        """
        found = read_beginning(self.folder)
        expected = [(file, digest, "the card") for file, digest in {**found.tensor_files, **found.card.beside}.items()]
        if pinned is not None:
            expected.append((TENSORS, pinned, "the table of fer_zoo"))
        actual = {file: sha256(path) for file, _, _ in expected if (path := self.folder / file).is_file()}
        beside = found.card.beside  # those may be missing
        wrong = [one for one in expected if actual.get(one[0]) != one[1] and (one[0] in actual or one[0] not in beside)]
        if wrong:
            file, digest, source = wrong[0]
            # The card may be what is wrong, even if it is the tensors that do not match it.
            for each in {CARD, *(one[0] for one in wrong)} if remove else ():
                forget(self.folder / each)
            raise self._wrong(file, actual.get(file), f"{source} says {digest}")

    def _get(self, file: str, most: int = 0, digest: str | None = None, seen: HfFileMetadata | None = None) -> Path:
        path, most = self.folder / file, LIMITS.get(file, most)
        if cached := path.is_file():
            etag = etag_of(path)
        else:
            seen = seen or self.client.look(self.repo, file, self.commit)
            etag = seen.etag or ""
            if seen.commit_hash != self.commit:
                raise HubError(
                    f"{self.client.address} was asked for {self} and answers with {seen.commit_hash}.",
                    "the requested commit",
                    "try again; if it happens again, do not trust this endpoint",
                )
            if digest and len(etag) == len(digest) and etag != digest:
                given = f"{file} of {self} is announced with sha256 {etag}."
                raise HubError(given, f"what its card says: {digest}", "tell the owner; nothing was downloaded")
        size = path.stat().st_size if cached or seen is None else seen.size
        if not cached and (size or 0) <= most:
            path = self.client.download(self.repo, file, self.commit)
            cached, size = True, path.stat().st_size
        if size is not None and size > most:
            if cached:
                forget(path)
            raise HubError(
                f"{file} of {self} has {size} bytes.",
                f"at most {most} bytes, which is more than it can need",
                "use a repository that `fer-zoo push` wrote",
            )
        # Tensors are hashed once, when all are there.
        if digest is None and matches_etag(path, etag) is False:
            digest = sha256(path)
            forget(path)
            raise self._wrong(file, digest, f"the Hub announced {etag}")
        return path

    def _wrong(self, file: str, found: str | None, expected: str) -> HubError:
        problem = f"its sha256 is {found}" if found else "it is missing"
        return HubError(
            f"{file} of {self} is not the right one: {problem}; {expected}.",
            "the file as it was pushed",
            "it is not kept, so try again; if that does not help, tell the owner of the repository",
        )


def is_ours(path: str) -> bool:
    """Whether a file of a repository is one that a weights folder has."""
    return path in LIMITS or path == TENSORS or SHARD.fullmatch(path) is not None


def refuse_local(spec: ModelSpec, where: str) -> None:
    """Refuse a network whose options name files of one machine.

    Raises:
        HubError: they do.
    """
    if named := local_options(spec):
        raise HubError(
            f"{where} names files of one machine: {', '.join(named)}.",
            "a network that is the same on any machine",
            "train it without these options; a landmarker takes them where it is used",
        )


def matches_etag(path: Path, etag: str) -> bool | None:
    """Whether a file is what its ETag says, None if that says nothing.

    A Hub answers with the sha256 of a large file and git's id of a small one; mirrors may answer anything.
    """
    if re.fullmatch(r"[0-9a-f]{64}", etag):
        return sha256(path) == etag
    return git_id(path.read_bytes()) == etag if re.fullmatch(r"[0-9a-f]{40}", etag) else None


def git_id(content: bytes) -> str:
    """Return git's id of a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def etag_of(path: Path) -> str:
    """Return the ETag a cached file was stored under; empty where the cache knows no links."""
    # The first link, not the last: that one leads on, to a store all repositories share, with names of its own.
    return Path(os.readlink(path)).name if path.is_symlink() else ""


def forget(path: Path) -> None:
    """Remove a file from the cache, with all that its links lead to, so that it is downloaded again.

    Raises:
        HubError: it cannot be removed.
    """
    target = path.parent / os.readlink(path) if path.is_symlink() else None
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        given = f"{path} is wrong and cannot be removed: {error.strerror}."
        raise HubError(given, "a writable cache", "remove it, or set HF_HOME to another folder") from error
    if target is not None:
        forget(target)
