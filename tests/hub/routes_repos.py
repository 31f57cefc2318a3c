"""Routes about accounts and repositories as a whole: who, create, delete, settings, refs, infos."""

from __future__ import annotations

from typing import Any

from .answers import Answer, Exchange, Refusal, answer_json, answer_page
from .card import metadata_of, tags_of
from .routing import route
from .state import State
from .store import Commit, File, Repo, iso


@route("GET", "/api/whoami-v2")
def whoami(state: State, exchange: Exchange) -> Answer:
    access = state.caller(exchange)
    organizations = [
        {"type": "org", "id": name, "name": name, "fullname": name, "roleInOrg": access.role}
        for name in access.organizations
    ]
    token = {"displayName": "test", "role": access.role, "createdAt": iso(0)}
    return answer_json(
        {
            "type": "user",
            "id": access.user,
            "name": access.user,
            "fullname": access.user.title(),
            "isPro": False,
            "orgs": organizations,
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def named(state: State, exchange: Exchange) -> tuple[str, str, str]:
    """Kind, id and owner of the repository that a create or delete request is about."""
    body = exchange.body.json()
    owner = body.get("organization") or state.caller(exchange).user
    state.writer(exchange, owner)
    exchange.args["private"] = "yes" if body.get("private") or body.get("visibility") == "private" else ""
    return f"{body.get('type') or 'model'}s", f"{owner}/{body['name']}", owner


@route("POST", "/api/repos/create")
def create(state: State, exchange: Exchange) -> Answer:
    kind, repo_id, owner = named(state, exchange)
    with state.store.lock:
        repo = state.store.repos.get((kind, repo_id))
        status = 409 if repo else 200
        repo = repo or state.store.create(kind, repo_id, owner, private=bool(exchange.args["private"]))
    url = {"url": f"{state.endpoint}/{repo.url_path}", "name": repo.id, "id": repo.id}
    if status == 409:
        message = f"You already created this {kind.removesuffix('s')} repo: {repo_id}"
        return answer_json({**url, "error": message}, 409, {"X-Error-Message": message})
    return answer_json(url)


@route("DELETE", "/api/repos/delete")
def delete(state: State, exchange: Exchange) -> Answer:
    kind, repo_id, _ = named(state, exchange)
    if state.store.repos.pop((kind, repo_id), None) is None:
        raise Refusal(404, "Repository not found", "RepoNotFound")
    return answer_json({})


@route("PUT", "/api/{kind}/{id}/settings")
def settings(state: State, exchange: Exchange) -> Answer:
    repo, _ = state.writable(exchange)
    body = exchange.body.json()
    if "visibility" in body or "private" in body:
        repo.private = bool(body.get("private")) or body.get("visibility") == "private"
    repo.gated = body.get("gated", repo.gated)
    return answer_json({"private": repo.private, "gated": repo.gated})


@route("GET", "/api/{kind}/{id}/auth-check{write}")
def auth_check(state: State, exchange: Exchange) -> Answer:
    if exchange.args["write"]:
        state.writable(exchange)
    else:
        state.readable(exchange)
    return answer_json({})


@route("GET", "/api/{kind}/{id}/refs")
def refs(state: State, exchange: Exchange) -> Answer:
    repo = state.repo(exchange)

    def listed(names: dict[str, str], prefix: str) -> list[dict[str, str]]:
        return [{"name": n, "ref": f"{prefix}{n}", "targetCommit": head} for n, head in names.items()]

    found = {
        "branches": listed(repo.branches, "refs/heads/"),
        "tags": listed(repo.tags, "refs/tags/"),
        "converts": [],
    }
    if exchange.flag("include_prs"):
        pulls = {f"refs/pr/{pull.number}": pull.head for pull in repo.pulls.values() if pull.head}
        found["pullRequests"] = listed(pulls, "")
    return answer_json(found)


def commit_of(repo: Repo, revision: str) -> Commit:
    commit = repo.resolve(revision)
    if commit is None:
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


@route("POST", "/api/{kind}/{id}/tag/{name}")
def create_tag(state: State, exchange: Exchange) -> Answer:
    repo, _ = state.writable(exchange)
    name = exchange.body.json()["tag"]
    commit = commit_of(repo, exchange.arg("name"))
    if name in repo.tags:
        raise Refusal(409, f"Tag {name} already exists")
    repo.tags[name] = commit.id
    return answer_json({})


@route("DELETE", "/api/{kind}/{id}/tag/{name}")
def delete_tag(state: State, exchange: Exchange) -> Answer:
    repo, _ = state.writable(exchange)
    if repo.tags.pop(exchange.arg("name"), None) is None:
        raise Refusal(404, f"Tag {exchange.arg('name')} not found", "RevisionNotFound")
    return answer_json({})


@route("POST", "/api/{kind}/{id}/branch/{name}")
def create_branch(state: State, exchange: Exchange) -> Answer:
    repo, _ = state.writable(exchange)
    name = exchange.arg("name")
    commit = commit_of(repo, exchange.body.json().get("startingPoint") or "main")
    if name in repo.branches:
        raise Refusal(409, f"Reference already exists: refs/heads/{name}")
    repo.branches[name] = commit.id
    return answer_json({})


@route("DELETE", "/api/{kind}/{id}/branch/{name}")
def delete_branch(state: State, exchange: Exchange) -> Answer:
    repo, _ = state.writable(exchange)
    name = exchange.arg("name")
    if name == "main":
        raise Refusal(403, "Cannot delete the main branch")
    if repo.branches.pop(name, None) is None:
        raise Refusal(404, f"Invalid rev id: {name}", "RevisionNotFound")
    return answer_json({})


def info_of(state: State, repo: Repo, commit: Commit, blobs: bool = False) -> dict[str, Any]:
    card = commit.files.get("README.md")
    text = state.store.read(card).decode(errors="replace") if card and not card.sha256 else ""
    metadata = metadata_of(text)
    info: dict[str, Any] = {
        "_id": repo.id,
        "id": repo.id,
        "author": repo.namespace,
        "sha": commit.id,
        "createdAt": iso(repo.created),
        "lastModified": commit.date,
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": tags_of(metadata, text, list(commit.files)),
        "usedStorage": sum({file.etag: file.size for file in commit.files.values()}.values()),
        "siblings": [sibling(file, blobs) for file in commit.files.values()],
    }
    if metadata:
        info["cardData"] = metadata
    if repo.kind == "models":
        info["modelId"] = repo.id
        info |= {key: metadata[key] for key in ("pipeline_tag", "library_name", "model-index") if key in metadata}
    return info


def sibling(file: File, blobs: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"rfilename": file.path}
    if blobs:
        entry |= {"size": file.size, "blobId": file.blob}
        if file.sha256:
            entry["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return entry


@route("GET", "/api/{kind}/{id}")
@route("GET", "/api/{kind}/{id}/revision/{name}")
def info(state: State, exchange: Exchange) -> Answer:
    repo = state.repo(exchange)
    commit = commit_of(repo, exchange.arg("name") or "main")
    found = info_of(state, repo, commit, exchange.flag("blobs"))
    expand = exchange.options("expand")
    return answer_json({key: found[key] for key in ("_id", "id", *expand) if key in found} if expand else found)


@route("GET", "/api/{kind}")
def listing(state: State, exchange: Exchange) -> Answer:
    """The repositories that the caller may see, by author, part of the name and tags."""
    access = state.who(exchange)
    namespaces = access.namespaces if access else ()
    found = [
        info_of(state, repo, repo.commits[repo.branches["main"]])
        for (kind, _), repo in state.store.repos.items()
        if kind == exchange.args["kind"] and (not repo.private or repo.namespace in namespaces)
    ]
    tags, author, part = exchange.options("filter"), exchange.option("author"), exchange.option("search").lower()
    found = [
        item
        for item in found
        if author in ("", item["author"]) and part in item["id"].lower() and {*tags} <= {*item["tags"]}
    ]
    return answer_page(exchange, state.endpoint, found, int(exchange.option("limit") or state.page_size))
