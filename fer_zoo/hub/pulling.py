"""Weights from a Hub: config before tensors, all files at one commit, and every sha256 checked."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fer_zoo.errors import HubError
from fer_zoo.hub.client import Client, Seen, Settings
from fer_zoo.hub.names import HubName, parse
from fer_zoo.hub.refusals import MissingFileError, UnreachableError
from fer_zoo.specs import ModelSpec
from fer_zoo.weights.config import local_options, read_config
from fer_zoo.weights.files import CARD, CHECK, CONFIG, LARGEST, PICTURE, RECIPE, SHARD, TENSORS, sha256
from fer_zoo.weights.folder import read_beginning
from fer_zoo.weights.loading import size_of

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
    wanted = parse(name) if isinstance(name, str) else name
    client = Client(Settings(token, endpoint, cache_dir))
    revision = wanted.revision or "main"
    commit, seen = (revision, None) if wanted.is_pinned else _resolve(client, wanted.repo, revision)
    snapshot = Snapshot(client, wanted.repo, commit)
    snapshot.fetch(seen)
    snapshot.verify(sha256)
    if not wanted.is_pinned:
        client.remember_commit(wanted.repo, revision, commit)
    return snapshot.folder


def _resolve(client: Client, repo: str, revision: str) -> tuple[str, Seen | None]:
    """Which commit a branch or tag is now, or was when a Hub last answered."""
    try:
        seen = client.look(repo, CONFIG, revision)
    except UnreachableError:
        commit = client.cached_commit(repo, revision)
        if commit is None:
            raise
        silent = "%s is not asked, or does not answer: %s (%s) is what it last was, %s."
        _log.warning(silent, client.address, repo, revision, commit)
        return commit, None
    return seen.commit, seen


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository, and the cache and Hub to get it from."""

    client: Client
    repo: str
    commit: str

    @property
    def folder(self) -> Path:
        """Where its files are in the cache, or will be."""
        return self.client.folder(self.repo) / "snapshots" / self.commit

    def fetch(self, config: Seen | None = None) -> None:
        """Download what is not in the cache yet: config first, tensors last, so that the small can refuse the large.

        Args:
            config: what the Hub answered for config.json, if it was asked already.

        Raises:
            HubError: a file cannot be downloaded, is too large, or is not what the Hub itself says it is.
            WeightsError: config or card are not what this version can read.
        """
        spec = read_config(self._get(CONFIG, LIMITS[CONFIG], seen=config)).model
        refuse_local(spec, f"config.json of {self.repo} at {self.commit}")
        card = self._get(CARD, LIMITS[CARD])
        for file in (RECIPE, CHECK):
            self._get(file, LIMITS[file])
        if f"]({PICTURE})" in card.read_text(encoding="utf-8", errors="replace"):
            with suppress(MissingFileError):
                self._get(PICTURE, LIMITS[PICTURE])
        files = read_beginning(self.folder).tensor_files
        if any(self.client.cached(self.repo, file, self.commit) is None for file in files):
            most = size_of(spec) + _HEADER  # before any of it is downloaded: also refuses what cannot be built
            for file, digest in files.items():
                self._get(file, LIMITS.get(file, most), digest)

    def verify(self, pinned: str | None = None, *, remove: bool = True) -> None:
        """Hash all files that have a known sha256; with `remove`, wrong ones are deleted from the cache.

        Args:
            pinned: sha256 of model.safetensors from elsewhere than the repository.

        Raises:
            HubError: a file is not what the card or `pinned` says; the text has both sha256.
        """
        found = read_beginning(self.folder)
        expected = [(file, digest, "the card says") for file, digest in found.tensor_files.items()]
        if pinned is not None:
            expected.append((TENSORS, pinned, "the table of fer_zoo says"))
        expected += [(file, digest, "the card says") for file, digest in found.card.beside.items()]
        paths = {file: self.folder / file for file, _, _ in expected}
        actual = {file: sha256(path) for file, path in paths.items() if path.is_file()}
        optional = {*found.card.beside}
        wrong = [one for one in expected if actual.get(one[0], one[1] if one[0] in optional else None) != one[1]]
        if wrong:
            file, digest, who = wrong[0]
            # The card may be what is wrong, even if it is the tensors that do not fit it.
            for each in {CARD, *(one[0] for one in wrong)} if remove else ():
                forget(self.folder / each)
            raise self._wrong(file, actual.get(file), f"{who} {digest}")

    def _get(self, file: str, most: int, digest: str | None = None, seen: Seen | None = None) -> Path:
        path = self.client.cached(self.repo, file, self.commit)
        etag = etag_of(path) if path else ""
        if path is None:
            seen = seen or self.client.look(self.repo, file, self.commit)
            self._accept(file, seen, most, digest)
            etag = seen.etag or ""
            path = self.client.download(self.repo, file, self.commit)
        if path.stat().st_size > most:
            forget(path)
            raise self._too_large(file, most)
        # Tensors are hashed once, when all are there.
        if digest is None and fits_etag(path, etag) is False:
            digest = sha256(path)
            forget(path)
            raise self._wrong(file, digest, f"the Hub calls it {etag}")
        return path

    def _accept(self, file: str, seen: Seen, most: int, digest: str | None) -> None:
        if seen.commit != self.commit:
            raise HubError(
                f"{self.client.address} was asked for {self.repo} at {self.commit} and answers with {seen.commit}.",
                "the commit that was asked for",
                "try again; if it happens again, do not trust this endpoint",
            )
        if seen.size is not None and seen.size > most:
            raise self._too_large(file, most, seen.size)
        if digest and seen.etag and len(seen.etag) == len(digest) and seen.etag != digest:
            given = f"{file} of {self.repo} at {self.commit} is announced with sha256 {seen.etag}."
            raise HubError(given, f"what its card says: {digest}", "tell the owner; nothing was downloaded")

    def _too_large(self, file: str, most: int, size: int | None = None) -> HubError:
        has = f"has {size} bytes" if size is not None else "is too large"
        return HubError(
            f"{file} of {self.repo} at {self.commit} {has}.",
            f"at most {most} bytes, which is more than it can need",
            "use a repository that `fer-zoo push` wrote",
        )

    def _wrong(self, file: str, found: str | None, wanted: str) -> HubError:
        return HubError(
            f"{file} of {self.repo} at {self.commit} is not the right one: "
            + (f"its sha256 is {found}; {wanted}." if found else f"it is missing; {wanted}."),
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


def fits_etag(path: Path, etag: str) -> bool | None:
    """Whether a file is what its ETag says, None if that says nothing.

    A Hub answers with the sha256 of a large file and git's id of a small one; mirrors may answer anything.
    """
    if re.fullmatch(r"[0-9a-f]{64}", etag):
        return sha256(path) == etag
    return git_id(path.read_bytes()) == etag if re.fullmatch(r"[0-9a-f]{40}", etag) else None


def git_id(content: bytes) -> str:
    """Return what git calls a file of this content."""
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
