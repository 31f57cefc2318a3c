"""What the routes share: accounts, repositories, settings, and who may do what."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from .answers import Exchange, Refusal
from .faults import Faults, Log
from .store import Repo, Store
from .xet import XetStore


@dataclass(frozen=True)
class Access:
    """The account of a token."""

    user: str
    role: str
    organizations: tuple[str, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        return (self.user, *self.organizations)


@dataclass
class State:
    folder: Path
    endpoint: str = ""
    cdn_endpoint: str = ""
    # Objects larger than this are uploaded in parts of this size; None: always in one piece.
    part_size: int | None = None
    # Entries of a tree or commit list in one answer.
    page_size: int = 1000
    # Off: tokens for Xet are refused and nothing announces Xet hashes.
    xet_enabled: bool = True
    # Small files through a redirect within the hub, as the real one does today.
    resolve_cache: bool = False
    tokens: dict[str, Access] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    faults: Faults = field(default_factory=Faults)
    # Tracebacks of our own bugs.
    errors: list[str] = field(default_factory=list)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(self.folder)
        self.xet = XetStore(self.folder / "xet")

    def who(self, exchange: Exchange) -> Access | None:
        """The caller, None if anonymous.

        Raises:
            Refusal: the token is not one of ours; that holds for public repositories too.
        """
        value = exchange.headers.get("Authorization")
        if value is None:
            return None
        access = self.tokens.get(value.removeprefix("Bearer "))
        if access is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return access

    def caller(self, exchange: Exchange) -> Access:
        access = self.who(exchange)
        if access is None:
            raise Refusal(401, "Invalid username or password.")
        return access

    def writer(self, exchange: Exchange, namespace: str) -> Access:
        access = self.caller(exchange)
        if access.role != "write" or namespace not in access.namespaces:
            raise Refusal(403, f"You don't have the required permissions to write to the namespace {namespace!r}")
        return access

    def repo(self, exchange: Exchange) -> Repo:
        """The repository that the path names, if the caller may know of it."""
        access = self.who(exchange)
        repo = self.store.repos.get((exchange.args.get("kind") or "models", exchange.arg("id")))
        hidden = repo is not None and repo.private and (access is None or repo.namespace not in access.namespaces)
        if repo is None or hidden:
            raise Refusal(404 if access else 401, "Repository not found", "RepoNotFound")
        return repo

    def readable(self, exchange: Exchange) -> Repo:
        """The repository, if the caller may read its files too."""
        repo, access = self.repo(exchange), self.who(exchange)
        if repo.gated and (access is None or not {*access.namespaces} & {repo.namespace, *repo.granted}):
            where = f"{self.endpoint}/{repo.url_path}"
            kind = repo.kind.removesuffix("s")
            if access is None:
                message = (
                    f"Access to {kind} {repo.id} is restricted. You must have access to it and be authenticated to"
                    " access it. Please log in."
                )
            else:
                message = (
                    f"Access to {kind} {repo.id} is restricted and you are not in the authorized list."
                    f" Visit {where} to ask for access."
                )
            raise Refusal(403 if access else 401, message, "GatedRepo")
        return repo

    def writable(self, exchange: Exchange, pull_request: bool = False) -> tuple[Repo, Access]:
        """The repository, if the caller may commit to it or, with `pull_request`, propose a commit.

        Whoever opened a pull request may go on committing to it.
        """
        repo, access = self.repo(exchange), self.caller(exchange)
        own = [f"refs/pr/{pull.number}" for pull in repo.pulls.values() if pull.author == access.user]
        allowed = pull_request or exchange.arg("name") in own or repo.namespace in access.namespaces
        if access.role != "write" or not allowed:
            raise Refusal(403, f"You don't have the required permissions to write to {repo.id}")
        return repo, access

    def sign(self, base: str, path: str, options: str = "", seconds: int = 3600) -> str:
        """A URL that authorises itself for a while; `options` end up in its query."""
        expires = int(time.time()) + seconds
        query = f"{options}&" if options else ""
        return f"{base}{quote(path)}?{query}Expires={expires}&Signature={self.signature(path, expires)}"

    def check_signature(self, exchange: Exchange, path: str) -> None:
        if exchange.headers.get("Authorization") is not None:
            # The response of S3 to a signed URL that is requested with a token as well.
            raise Refusal(400, "Only one auth mechanism allowed", "InvalidArgument")
        expires = int(exchange.option("Expires") or 0)
        if not hmac.compare_digest(exchange.option("Signature"), self.signature(path, expires)):
            raise Refusal(403, "The request signature we calculated does not match", "SignatureDoesNotMatch")
        if expires < time.time():
            raise Refusal(403, "Request has expired", "AccessDenied")

    def signature(self, path: str, expires: int) -> str:
        return hmac.new(self.secret, f"{path} {expires}".encode(), hashlib.sha256).hexdigest()[:32]
