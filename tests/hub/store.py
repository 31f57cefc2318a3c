"""Repositories: commits, branches, tags and pull requests in memory, contents on the disk."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .git import blob_id, commit_id, lfs_pointer, tree_ids

COMMIT = re.compile(r"[0-9a-f]{40}")
LARGE = [
    "7z", "arrow", "bin", "bz2", "ckpt", "ftz", "gz", "h5", "joblib", "mlmodel", "model", "msgpack", "npy", "npz",
    "onnx", "ot", "parquet", "pb", "pickle", "pkl", "pt", "pth", "rar", "safetensors", "tar", "tflite", "tgz", "wasm",
    "xz", "zip", "zst",
]  # fmt: skip
GIT_ATTRIBUTES = "".join(f"*.{end} filter=lfs diff=lfs merge=lfs -text\n" for end in LARGE).encode()


@dataclass(frozen=True)
class File:
    """A file of a commit; one with a sha256 is in LFS, and git holds but its pointer."""

    path: str
    blob: str
    size: int
    sha256: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 or self.blob

    @property
    def pointer_size(self) -> int:
        return len(lfs_pointer(self.sha256 or "", self.size))


Files = dict[str, File]


@dataclass(frozen=True)
class Commit:
    id: str
    parents: tuple[str, ...]
    files: Files
    title: str
    description: str
    author: str
    seconds: int

    @property
    def date(self) -> str:
        return iso(self.seconds)


@dataclass
class Pull:
    """A pull request, or a mere discussion if it has no `head`."""

    number: int
    title: str
    description: str
    author: str
    seconds: int
    base: str = ""
    head: str = ""
    status: str = "open"
    merged_as: str | None = None


@dataclass
class Repo:
    kind: str
    id: str
    private: bool = False
    gated: str | bool = False
    granted: set[str] = field(default_factory=set)
    created: int = field(default_factory=lambda: int(time.time()))
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.id.partition("/")[0]

    @property
    def url_path(self) -> str:
        return self.id if self.kind == "models" else f"{self.kind}/{self.id}"

    def resolve(self, revision: str) -> Commit | None:
        """The commit that a branch, tag, full ref, pull request or 40-digit id refers to."""
        if COMMIT.fullmatch(revision):
            return self.commits.get(revision)
        pull = re.fullmatch(r"refs/pr/(\d+)", revision)
        if pull:
            found = self.pulls.get(int(pull[1]))
            return self.commits.get(found.head) if found else None
        names = {**self.tags, **self.branches}
        head = names.get(revision) or names.get(re.sub(r"^refs/(heads|tags)/", "", revision))
        return self.commits[head] if head else None

    def move(self, ref: str, head: str) -> None:
        """Let a branch or the ref of a pull request name another commit."""
        pull = re.fullmatch(r"refs/pr/(\d+)", ref)
        if pull:
            self.pulls[int(pull[1])].head = head
        else:
            self.branches[ref] = head

    def history(self, head: str) -> Iterable[Commit]:
        """Commits from `head` backwards along first parents."""
        commit: Commit | None = self.commits[head]
        while commit:
            yield commit
            commit = self.commits[commit.parents[0]] if commit.parents else None

    def add_commit(self, ref: str, files: Files, title: str, author: str, description: str = "") -> Commit:
        """A commit on top of `ref`; one that changes nothing is not made."""
        parent = self.resolve(ref)
        if parent and parent.files == files:
            return parent
        commit = make_commit((parent.id,) if parent else (), files, title, author, description)
        self.commits[commit.id] = commit
        self.move(ref, commit.id)
        return commit

    def open_pull(self, title: str, author: str, description: str = "", status: str = "open") -> Pull:
        number = len(self.pulls) + 1
        head = self.branches["main"]
        pull = Pull(number, title, description, author, int(time.time()), base=head, head=head, status=status)
        self.pulls[number] = pull
        return pull

    def merge(self, pull: Pull, author: str) -> Commit:
        """What the pull request changed, put on top of `main`."""
        before, after = self.commits[pull.base].files, self.commits[pull.head].files
        files = {path: file for path, file in self.commits[self.branches["main"]].files.items()}
        for path in before.keys() | after.keys():
            if before.get(path) != after.get(path):
                files.pop(path, None)
                if path in after:
                    files[path] = after[path]
        title = f"{pull.title} (#{pull.number})"
        commit = make_commit((self.branches["main"], pull.head), files, title, author, pull.description)
        self.commits[commit.id] = commit
        self.branches["main"] = commit.id
        pull.status, pull.merged_as = "merged", commit.id
        return commit


def make_commit(parents: tuple[str, ...], files: Files, title: str, author: str, description: str = "") -> Commit:
    files, seconds = dict(sorted(files.items())), int(time.time())
    tree = tree_ids({path: file.blob for path, file in files.items()})[""]
    message = f"{title}\n\n{description}" if description else title
    return Commit(
        commit_id(tree, parents, author, seconds, message), parents, files, title, description, author, seconds
    )


class Contents:
    """The bytes of files, on the disk under their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("blobs", "lfs", "incoming"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def blob(self, blob: str) -> Path:
        return self.folder / "blobs" / blob

    def large(self, sha256: str) -> Path:
        return self.folder / "lfs" / sha256

    def add(self, path: str, content: bytes) -> File:
        blob = blob_id(content)
        if not self.blob(blob).exists():
            part = self.incoming()
            part.write_bytes(content)
            part.replace(self.blob(blob))
        return File(path, blob, len(content))

    def add_large(self, path: str, content: bytes | Path) -> File:
        part = self.incoming()
        if isinstance(content, Path):
            shutil.copyfile(content, part)
        else:
            part.write_bytes(content)
        sha256 = sha256_of(part)
        part.replace(self.large(sha256))
        return large_file(path, sha256, self.large(sha256).stat().st_size)

    def incoming(self) -> Path:
        """A new empty file to receive what is not known to be whole yet."""
        with tempfile.NamedTemporaryFile(dir=self.folder / "incoming", delete=False) as stream:
            return Path(stream.name)


def large_file(path: str, sha256: str, size: int) -> File:
    return File(path, blob_id(lfs_pointer(sha256, size)), size, sha256)


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


class Store:
    """All repositories, by kind (`models`, `datasets`, `spaces`) and id."""

    def __init__(self, folder: Path) -> None:
        self.contents = Contents(folder)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.lock = threading.RLock()

    def create(self, kind: str, repo_id: str, author: str, private: bool = False) -> Repo:
        """A repository with what the Hub puts into each: `main` with a `.gitattributes`."""
        repo = Repo(kind, repo_id, private)
        attributes = self.contents.add(".gitattributes", GIT_ATTRIBUTES)
        repo.add_commit("main", {attributes.path: attributes}, "initial commit", author)
        self.repos[kind, repo_id] = repo
        return repo

    def read(self, file: File) -> bytes:
        """A small file's content; the large ones are streamed from the disk."""
        return self.contents.blob(file.blob).read_bytes()


def changed(files: Files, additions: Mapping[str, File | None]) -> Files:
    """`files` with additions put in and paths that are None taken out."""
    result = {**files, **{path: file for path, file in additions.items() if file}}
    return {path: file for path, file in result.items() if additions.get(path, file) is not None}
