"""Routes that list what is in a revision, and what led to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from .answers import Answer, Exchange, Refusal, answer_json, answer_page
from .git import parents_of, tree_ids
from .routes_repos import commit_of
from .routing import route
from .state import State
from .store import Commit, File, Repo

UNSCANNED = {"status": "unscanned", "avScan": None, "pickleImportScan": None}


def entry_of(state: State, file: File) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.blob, "size": file.size, "path": file.path}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
        known = state.xet.find(file.sha256) if state.xet_enabled else None
        if known:
            entry["xetHash"] = known.hash
    return entry


def entries_of(state: State, commit: Commit) -> dict[str, dict[str, Any]]:
    """Every file and folder of a commit, by path."""
    folders = {parent for path in commit.files for parent in parents_of(path)}
    trees = tree_ids({path: file.blob for path, file in commit.files.items()})
    entries = {path: {"type": "directory", "oid": trees[path], "size": 0, "path": path} for path in folders}
    entries |= {path: entry_of(state, file) for path, file in commit.files.items()}
    return dict(sorted(entries.items()))


def expand(repo: Repo, commit: Commit, entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with the commit that last touched it."""

    def content(at: Commit) -> set[File]:
        prefix = f"{entry['path']}/"
        return {file for path, file in at.files.items() if path == entry["path"] or path.startswith(prefix)}

    last = commit
    for earlier in repo.history(commit.id):
        if content(earlier) != content(commit):
            break
        last = earlier
    found = {**entry, "lastCommit": {"id": last.id, "title": last.title, "date": last.date}}
    return {**found, "securityFileStatus": UNSCANNED} if entry["type"] == "file" else found


@route("GET", "/api/{kind}/{id}/tree/{revision}{folder}")
def tree(state: State, exchange: Exchange) -> Answer:
    repo = state.repo(exchange)
    commit = commit_of(repo, exchange.arg("revision"))
    folder = exchange.arg("path").strip("/")
    entries = entries_of(state, commit)
    if folder and folder not in entries:
        raise Refusal(404, f"{folder} does not exist on {exchange.arg('revision')!r}", "EntryNotFound")
    inside = {path: entry for path, entry in entries.items() if not folder or path.startswith(f"{folder}/")}
    if not exchange.flag("recursive"):
        inside = {path: entry for path, entry in inside.items() if path.rpartition("/")[0] == folder}
    found = [expand(repo, commit, entry) if exchange.flag("expand") else entry for entry in inside.values()]
    return answer_page(exchange, state.endpoint, found, state.page_size)


@route("POST", "/api/{kind}/{id}/paths-info/{name}")
def paths_info(state: State, exchange: Exchange) -> Answer:
    """The entries of some paths; one that isn't there is left out."""
    repo = state.repo(exchange)
    commit = commit_of(repo, exchange.arg("name"))
    if "json" in exchange.headers.get("Content-Type", ""):
        body = exchange.body.json()
    else:
        form = parse_qs(exchange.body.read().decode())
        body = {"paths": form.get("paths", []), "expand": form.get("expand", ["false"])[0].lower() in ("1", "true")}
    entries = entries_of(state, commit)
    found = [entries[path.strip("/")] for path in body["paths"] if path.strip("/") in entries]
    return answer_json([expand(repo, commit, entry) for entry in found] if body.get("expand") else found)


@route("GET", "/api/{kind}/{id}/commits/{name}")
def commits(state: State, exchange: Exchange) -> Answer:
    repo = state.repo(exchange)
    found = [
        {
            "id": commit.id,
            "title": commit.title,
            "message": commit.description,
            "authors": [{"user": commit.author}],
            "date": commit.date,
        }
        for commit in repo.history(commit_of(repo, exchange.arg("name")).id)
    ]
    return answer_page(exchange, state.endpoint, found, state.page_size)
