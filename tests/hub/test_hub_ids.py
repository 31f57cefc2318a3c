"""The ids of the hub are those of git and of Xet, by the word of their own programs."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from pathlib import Path

import pytest

from .client import noise, write
from .git import blob_id, commit_id, lfs_pointer, tree_ids
from .store import Repo, Store, large_file
from .xet import XetStore, read_shard

FILES = {
    "README.md": b"# hi\n",
    "a.txt": b"",
    "a/b/c.bin": bytes(range(256)),
    "a/z": b"z",
    "a-b": b"1",
    "ü/é.txt": b"e",
}


def git(folder: Path, *words: str, **environment: str) -> str:
    command = ["git", "-c", "core.autocrlf=false", *words]
    return subprocess.check_output(command, cwd=folder, text=True, env={**os.environ, **environment}).strip()


def test_blob_tree_and_commit_ids_are_those_of_git(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in {
        "NAME": "alice", "EMAIL": "alice@users.noreply.hub.test", "DATE": "1700000000 +0000"}.items()}  # fmt: skip
    git(tmp_path, "commit", "--quiet", "--cleanup=verbatim", "-m", "first\n\nwhy", **person)
    blobs = {path: blob_id(content) for path, content in FILES.items()}
    assert blobs["a/b/c.bin"] == git(tmp_path, "hash-object", "a/b/c.bin")
    trees = tree_ids(blobs)
    assert trees["a/b"] == git(tmp_path, "rev-parse", "HEAD:a/b")
    assert trees[""] == git(tmp_path, "rev-parse", "HEAD^{tree}")
    # `-m` ends the message with a line break, which git keeps.
    assert commit_id(trees[""], [], "alice", 1700000000, "first\n\nwhy\n") == git(tmp_path, "rev-parse", "HEAD")


def test_a_pointer_is_what_git_lfs_writes() -> None:
    # From the specification of git LFS, with the size and id of the example there.
    oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
    assert lfs_pointer(oid, 12345).decode() == (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n"
    )
    assert large_file("w", oid, 12345).pointer_size == 130


def test_history_of_a_branch_and_a_merge(tmp_path: Path) -> None:
    store = Store(tmp_path)
    repo = store.create("models", "alice/m", "alice")
    add = store.contents.add
    one = repo.add_commit("main", {"a": add("a", b"1")}, "one", "alice")
    assert repo.add_commit("main", dict(one.files), "nothing", "alice") is one
    pull = repo.open_pull("more", "bob")
    repo.add_commit("refs/pr/1", {**one.files, "b": add("b", b"2")}, "two", "bob")
    repo.add_commit("main", {"a": add("a", b"3")}, "three", "alice")
    merged = repo.merge(pull, "alice")
    assert {path: store.read(file) for path, file in merged.files.items()} == {"a": b"3", "b": b"2"}
    assert [commit.title for commit in repo.history(merged.id)] == ["more (#1)", "three", "one", "initial commit"]
    assert revisions(repo, "main", "refs/heads/main", "refs/pr/1", merged.id, "nope") == [
        merged.id, merged.id, pull.head, merged.id, None,
    ]  # fmt: skip


def revisions(repo: Repo, *names: str) -> list[str | None]:
    return [commit.id if (commit := repo.resolve(name)) else None for name in names]


def test_shards_say_which_xet_file_a_sha256_is(tmp_path: Path) -> None:
    hf_xet = pytest.importorskip("hf_xet")
    store, content = XetStore(tmp_path), noise(300_000)
    with hf_xet.XetSession().new_upload_commit(
        endpoint=store.url, token="t", token_expiry_unix_secs=int(time.time()) + 3600
    ) as commit:
        handle = commit.start_upload_bytes(content, sha256=hf_xet.COMPUTE_SHA256)
    uploaded = handle.result().xet_info
    found = store.find(uploaded.sha256)
    assert found is not None
    assert (found.hash, found.size) == (uploaded.hash, len(content))
    assert store.find("0" * 64) is None
    store.rebuild(uploaded.sha256, tmp_path / "whole", tmp_path / "part")
    assert (tmp_path / "whole").read_bytes() == content


def test_an_empty_shard_has_no_files() -> None:
    assert read_shard(b"header".ljust(48) + b"\xff" * 32 + struct.pack("<IIQ", 0, 0, 0)) == {}
