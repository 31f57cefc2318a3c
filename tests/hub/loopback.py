"""The hub as tests see it: start, stop, accounts, what is on it, what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from .faults import Fault, Faults, Log
from .routes_commits import attributes_of, is_large
from .server import Server
from .state import Access, State
from .store import Commit, File, Repo, changed

Content = bytes | str | Path | None


class Hub:
    """A Hugging Face Hub on this machine, alive inside a `with`.

    The CDN has another host name than the hub, so that no client may send its token there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        cdn_port: int = 0,
        part_size: int | None = None,
        page_size: int = 1000,
        xet: bool = True,
        resolve_cache: bool = False,
    ) -> None:
        """Take a folder for the contents.

        Args:
            folder: made if need be; its contents don't survive the hub's end as repositories.
            port: of the hub; 0 is any free one.
            cdn_port: of the CDN.
            part_size: LFS objects larger than this are uploaded in parts of it.
            page_size: entries in one answer of a list.
            xet: whether clients get tokens for the Xet store, and Xet hashes.
            resolve_cache: whether small files come through a redirect within the hub, as from the real one today.
        """
        self.state = State(
            folder.resolve(),
            part_size=part_size,
            page_size=page_size,
            xet_enabled=xet,
            resolve_cache=resolve_cache,
        )
        self.ports = {"hub": port, "cdn": cdn_port}
        self.servers: list[Server] = []

    @property
    def endpoint(self) -> str:
        return self.state.endpoint

    @property
    def cdn_endpoint(self) -> str:
        return self.state.cdn_endpoint

    @property
    def requests(self) -> Log:
        """The requests so far."""
        return self.state.log

    @property
    def faults(self) -> Faults:
        return self.state.faults

    @property
    def errors(self) -> list[str]:
        """Tracebacks of the hub's own bugs."""
        return self.state.errors

    def start(self) -> None:
        hub = Server(("127.0.0.1", self.ports["hub"]), "hub", self.state)
        cdn = Server(("127.0.0.1", self.ports["cdn"]), "cdn", self.state)
        self.servers = [hub, cdn]
        self.ports = {"hub": hub.port, "cdn": cdn.port}
        self.state.endpoint = f"http://127.0.0.1:{hub.port}"
        self.state.cdn_endpoint = f"http://localhost:{cdn.port}"

    def stop(self) -> None:
        """Close the ports and every connection."""
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def down(self) -> Iterator[None]:
        """The ports are closed inside the `with`; afterwards the hub is back on the same ports."""
        self.stop()
        yield
        self.start()

    def add_user(
        self, name: str, token: str, role: Literal["write", "read"] = "write", organizations: tuple[str, ...] = ()
    ) -> str:
        """An account with a token, or one more token of an account; gives the token back."""
        self.state.tokens[token] = Access(name, role, organizations)
        return token

    def repo(self, repo_id: str, kind: str = "models") -> Repo:
        return self.state.store.repos[kind, repo_id]

    def create(
        self,
        repo_id: str,
        files: Mapping[str, Content] | None = None,
        *,
        private: bool = False,
        gated: str | bool = False,
        kind: str = "models",
    ) -> Commit:
        """A repository made without the client, with files if given; gives its newest commit."""
        repo = self.state.store.create(kind, repo_id, repo_id.partition("/")[0], private=private)
        repo.gated = gated
        return self.commit_behind_back(repo_id, files or {}, kind=kind)

    def commit_behind_back(
        self,
        repo_id: str,
        files: Mapping[str, Content],
        *,
        revision: str = "main",
        message: str = "Somebody else's commit",
        kind: str = "models",
    ) -> Commit:
        """A commit that no request made: contents or paths of files by name, None takes one out."""
        repo, contents = self.repo(repo_id, kind), self.state.store.contents
        with self.state.store.lock:
            before = repo.commits[self.head(repo_id, revision, kind)]
            attributes = attributes_of(self.state, before)
            additions: dict[str, File | None] = {}
            for path, content in files.items():
                if content is None:
                    additions[path] = None
                    continue
                content = content.encode() if isinstance(content, str) else content
                size = content.stat().st_size if isinstance(content, Path) else len(content)
                if is_large(attributes, path, size):
                    additions[path] = contents.add_large(path, content)
                else:
                    small = content.read_bytes() if isinstance(content, Path) else content
                    additions[path] = contents.add(path, small)
            return repo.add_commit(revision, changed(before.files, additions), message, "somebody")

    def head(self, repo_id: str, revision: str = "main", kind: str = "models") -> str:
        """The commit id of a branch, tag or pull request."""
        commit = self.repo(repo_id, kind).resolve(revision)
        if commit is None:
            raise KeyError(revision)
        return commit.id

    def files(self, repo_id: str, revision: str = "main", kind: str = "models") -> dict[str, File]:
        """What is in a revision: path, size, blob id, and sha256 if it is in LFS."""
        return self.repo(repo_id, kind).commits[self.head(repo_id, revision, kind)].files

    def read(self, repo_id: str, path: str, revision: str = "main", kind: str = "models") -> bytes:
        """The content of a file as the hub has it."""
        return self.content_path(self.files(repo_id, revision, kind)[path]).read_bytes()

    def content_path(self, file: File) -> Path:
        if file.sha256 is None:
            return self.state.store.contents.blob(file.blob)
        path = self.state.store.contents.large(file.sha256)
        if not path.exists() and self.state.xet.find(file.sha256):
            self.state.xet.rebuild(file.sha256, path, self.state.store.contents.incoming())
        return path

    def gate(self, repo_id: str, gated: Literal["auto", "manual", False] = "auto", kind: str = "models") -> None:
        self.repo(repo_id, kind).gated = gated

    def grant(self, repo_id: str, user: str, kind: str = "models") -> None:
        """Let a user into a gated repository."""
        self.repo(repo_id, kind).granted.add(user)

    def make_private(self, repo_id: str, private: bool = True, kind: str = "models") -> None:
        self.repo(repo_id, kind).private = private

    def fail(self, pattern: str = "", method: str | None = None, **what: Any) -> Fault:
        """From now on spoil the requests whose URL holds `pattern`; `what` is in `Fault`.

        The URL of a file on the CDN holds the file's name as well, so the name fits whatever fetches the file.
        """
        fault = Fault(method, pattern, **what)
        self.faults.append(fault)
        return fault

    def flip_byte(self, pattern: str, at: int = -1, times: int | None = None) -> Fault:
        """One wrong byte on the wire in the files that fit; a negative offset counts from the end."""
        return self.fail(pattern, "GET", flip=at, times=times)

    def flip_byte_on_disk(self, repo_id: str, path: str, at: int = -1, revision: str = "main") -> None:
        """One wrong byte in a file's content, for good; one in a chunk if it is only in the Xet store."""
        file = self.files(repo_id, revision)[path]
        whole = self.state.store.contents.large(file.sha256) if file.sha256 else self.content_path(file)
        if not whole.exists():
            whole, at = self.state.xet.xorbs()[0], self.state.xet.xorbs()[0].stat().st_size // 2
        content = bytearray(whole.read_bytes())
        content[at] ^= 0xFF
        whole.write_bytes(bytes(content))

    def heal(self) -> None:
        """Take back every fault."""
        self.faults.clear()
