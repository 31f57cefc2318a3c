"""The ids git gives: of a blob, an LFS pointer, a folder and a commit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence


def object_id(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def blob_id(content: bytes) -> str:
    """What `git hash-object` prints."""
    return object_id("blob", content)


def lfs_pointer(sha256: str, size: int) -> bytes:
    """The text that git keeps in place of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def tree_ids(blobs: Mapping[str, str]) -> dict[str, str]:
    """The id of every folder, the root under the empty name.

    Args:
        blobs: the blob id of every file, by its path in the repository.
    """
    children: dict[str, dict[str, str]] = {"": {}}
    for path, blob in blobs.items():
        folder, _, name = path.rpartition("/")
        for parent in parents_of(path):
            children.setdefault(parent, {})
        children[folder][name] = blob
    ids: dict[str, str] = {}
    for folder in sorted(children, key=lambda name: name.count("/") if name else -1, reverse=True):
        subfolders = {path: ids[path] for path in children if path and path.rpartition("/")[0] == folder}
        entries = {name: tree_entry("100644", name, blob) for name, blob in children[folder].items()}
        for path, tree in subfolders.items():
            name = path.rpartition("/")[2]
            # git sorts a folder as if its name ended in a slash.
            entries[f"{name}/"] = tree_entry("40000", name, tree)
        ids[folder] = object_id("tree", b"".join(entries[name] for name in sorted(entries, key=str.encode)))
    return ids


def tree_entry(mode: str, name: str, content: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(content)


def parents_of(path: str) -> Iterable[str]:
    """The folders a path lies in, outermost first, without the root."""
    parts = path.split("/")[:-1]
    return ("/".join(parts[: n + 1]) for n in range(len(parts)))


def commit_id(tree: str, parents: Sequence[str], author: str, seconds: int, message: str) -> str:
    """The id of a commit whose author is also its committer, in UTC."""
    person = f"{author} <{author}@users.noreply.hub.test> {seconds} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {person}", f"committer {person}"]
    return object_id("commit", ("\n".join(lines) + f"\n\n{message}").encode())
