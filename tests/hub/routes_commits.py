"""Routes that change what is in a repository: how to upload, check a card, commit."""

from __future__ import annotations

import base64
import json
from fnmatch import fnmatchcase
from typing import Any

from .answers import Answer, Exchange, Refusal, answer_json
from .card import check_card
from .routes_repos import commit_of
from .routing import route
from .state import State
from .store import COMMIT, Commit, File, Files, changed, large_file

# Whatever its name, a larger file goes to LFS.
LARGEST_REGULAR = 10 * 1024 * 1024


def is_large(attributes: str, path: str, size: int) -> bool:
    """Whether a file belongs into LFS, by the repository's `.gitattributes` or its size."""
    name = path.rpartition("/")[2]
    patterns = [line.split() for line in attributes.splitlines() if line and not line.startswith("#")]
    marked = any("filter=lfs" in options and (fnmatchcase(name, p) or fnmatchcase(path, p)) for p, *options in patterns)
    return bool(size) and (marked or size > LARGEST_REGULAR)


def attributes_of(state: State, commit: Commit) -> str:
    file = commit.files.get(".gitattributes")
    return state.store.read(file).decode() if file else ""


@route("POST", "/api/{kind}/{id}/preupload/{name}")
def preupload(state: State, exchange: Exchange) -> Answer:
    repo, _ = state.writable(exchange, pull_request=exchange.flag("create_pr"))
    commit = commit_of(repo, exchange.arg("name"))
    attributes = attributes_of(state, commit)
    files = []
    for body in exchange.body.json()["files"]:
        path = body["path"]
        mode = "lfs" if is_large(attributes, path, body["size"]) else "regular"
        there = commit.files.get(path)
        entry: dict[str, Any] = {"path": path, "uploadMode": mode, "shouldIgnore": False}
        # A client leaves out the files whose content has this id.
        files.append({**entry, "oid": there.etag} if there else entry)
    return answer_json({"files": files, "commitOid": commit.id})


@route("POST", "/api/validate-yaml")
def validate_yaml(state: State, exchange: Exchange) -> Answer:
    _, errors, warnings = check_card(exchange.body.json()["content"])
    found = {"errors": [{"message": e} for e in errors], "warnings": [{"message": w} for w in warnings]}
    return answer_json(found, 400 if errors else 200)


@route("POST", "/api/{kind}/{id}/commit/{name}")
def commit(state: State, exchange: Exchange) -> Answer:
    proposal = exchange.flag("create_pr")
    repo, access = state.writable(exchange, pull_request=proposal)
    ref = exchange.arg("name").removeprefix("refs/heads/")
    commit_of(repo, ref)
    if COMMIT.fullmatch(ref) or (ref in repo.tags and ref not in repo.branches):
        raise Refusal(400, f"{ref} is no branch: a commit needs one to go on")
    header, operations = read_operations(state, exchange)
    with state.store.lock:
        head = commit_of(repo, ref)
        parent = header.get("parentCommit")
        if parent is not None and parent != head.id:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files = apply(head.files, operations)
        refuse_bad_card(state, files)
        title, description = header.get("summary") or "", header.get("description") or ""
        answer: dict[str, Any] = {"success": True, "hookOutput": ""}
        if proposal:
            pull = repo.open_pull(title, access.user, description)
            pull.base = pull.head = head.id
            ref = f"refs/pr/{pull.number}"
            answer["pullRequestUrl"] = f"{state.endpoint}/{repo.url_path}/discussions/{pull.number}"
        made = repo.add_commit(ref, files, title, access.user, description)
    return answer_json(
        {"commitUrl": f"{state.endpoint}/{repo.url_path}/commit/{made.id}", "commitOid": made.id, **answer}
    )


Operations = list[tuple[str, str, File | None]]


def read_operations(state: State, exchange: Exchange) -> tuple[dict[str, Any], Operations]:
    """The header and the operations of a commit, a line each, as they come in."""
    header: dict[str, Any] = {}
    operations: Operations = []
    for line in exchange.body.lines():
        if not line.strip():
            continue
        item = json.loads(line)
        key, value = item["key"], item["value"]
        if key == "header":
            header = value
            continue
        path = value["path"]
        if path.startswith("/") or ".." in path.split("/") or ".git" in path.split("/"):
            raise Refusal(400, f"Invalid path: {path}")
        file = None
        if key == "file":
            content = base64.b64decode(value["content"]) if value.get("encoding") == "base64" else value["content"]
            file = state.store.contents.add(path, content if isinstance(content, bytes) else content.encode())
        elif key == "lfsFile":
            file = uploaded(state, path, value["oid"])
        operations.append((key, path, file))
    if not header:
        raise Refusal(400, "The first line of a commit must be its header")
    return header, operations


def uploaded(state: State, path: str, sha256: str) -> File:
    """An LFS file whose content has been received, in one piece or as Xet chunks."""
    content = state.store.contents.large(sha256)
    if content.exists():
        return large_file(path, sha256, content.stat().st_size)
    known = state.xet.find(sha256)
    if known is None:
        raise Refusal(400, f"LFS pointer pointed to a file that does not exist: {path} ({sha256})")
    return large_file(path, sha256, known.size)


def apply(files: Files, operations: Operations) -> Files:
    for key, path, file in operations:
        if key in ("file", "lfsFile"):
            files = changed(files, {path: file})
            continue
        inside = f"{path.rstrip('/')}/"
        gone = [name for name in files if (name.startswith(inside) if key == "deletedFolder" else name == path)]
        if not gone:
            raise Refusal(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        files = changed(files, dict.fromkeys(gone))
    return files


def refuse_bad_card(state: State, files: Files) -> None:
    card = files.get("README.md")
    if card and not card.sha256:
        _, errors, _ = check_card(state.store.read(card).decode(errors="replace"))
        if errors:
            raise Refusal(400, "Invalid metadata in README.md: " + "; ".join(errors))
