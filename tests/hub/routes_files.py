"""Routes that give files: `resolve` on the hub, and the CDN it sends the client to."""

from __future__ import annotations

from urllib.parse import quote

from .answers import Answer, Exchange, Refusal
from .routes_repos import commit_of
from .routing import route
from .state import State
from .store import File, Repo

EXPOSED = "X-Repo-Commit,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag"


@route("GET", "/{prefix}{id}/resolve/{revision}/{path}")
@route("GET", "/api/resolve-cache/{kind}/{id}/{revision}/{path}")
def resolve(state: State, exchange: Exchange) -> Answer:
    repo = state.readable(exchange)
    commit = commit_of(repo, exchange.arg("revision"))
    headers = {"X-Repo-Commit": commit.id, "Access-Control-Expose-Headers": EXPOSED}
    file = commit.files.get(exchange.arg("path"))
    if file is None:
        raise Refusal(404, "Entry not found", "EntryNotFound", headers)
    headers |= {"Accept-Ranges": "bytes", "Content-Disposition": disposition(file)}
    if file.sha256:
        return redirect(state, repo, commit.id, file, headers)
    if state.resolve_cache and not exchange.path.startswith("/api/"):
        location = f"/api/resolve-cache/{repo.kind}/{repo.id}/{commit.id}/{quote(file.path)}?etag=%22{file.etag}%22"
        headers |= {"Location": location, "Content-Type": "text/plain; charset=utf-8"}
        return Answer(307, f"Temporary Redirect. Redirecting to {location}".encode(), headers)
    headers |= {"ETag": f'"{file.etag}"', "Content-Type": "text/plain; charset=utf-8"}
    return Answer(200, state.store.contents.blob(file.blob), headers, ranges=True)


def disposition(file: File) -> str:
    name = file.path.rpartition("/")[2]
    plain = name.encode("ascii", "replace").decode().replace('"', "'")
    return f"inline; filename*=UTF-8''{quote(name)}; filename=\"{plain}\";"


def redirect(state: State, repo: Repo, commit: str, file: File, headers: dict[str, str]) -> Answer:
    """Where a large file lies; all that is to be known of it is already in the headers."""
    options = f"response-content-disposition={quote(disposition(file))}"
    location = state.sign(state.cdn_endpoint, f"/{repo.url_path}/{file.sha256}", options)
    headers |= {
        "Location": location,
        "X-Linked-Size": str(file.size),
        "X-Linked-ETag": f'"{file.sha256}"',
        "Content-Type": "text/plain; charset=utf-8",
        "Vary": "Accept",
    }
    known = state.xet.find(file.sha256 or "") if state.xet_enabled else None
    if known:
        refresh = f"{state.endpoint}/api/{repo.kind}/{repo.id}/xet-read-token/{commit}"
        headers |= {"X-Xet-Hash": known.hash, "Link": f'<{refresh}>; rel="xet-auth"'}
    return Answer(302, f"Found. Redirecting to {location}".encode(), headers)


@route("GET", "/{prefix}{id}/{oid}", listener="cdn")
def content(state: State, exchange: Exchange) -> Answer:
    state.check_signature(exchange, exchange.path)
    oid = exchange.args["oid"]
    path = state.store.contents.large(oid)
    with state.store.lock:
        if not path.exists():
            if state.xet.find(oid) is None:
                raise Refusal(404, "The specified key does not exist", "NoSuchKey")
            state.xet.rebuild(oid, path, state.store.contents.incoming())
    headers = {
        "ETag": f'"{oid}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": exchange.option("response-content-disposition"),
    }
    return Answer(200, path, headers, ranges=True)
