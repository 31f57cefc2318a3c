"""Routes about pull requests and discussions, as little as the client needs."""

from __future__ import annotations

from typing import Any

from .answers import Answer, Exchange, Refusal, answer_json
from .routing import route
from .state import State
from .store import Pull, Repo, iso


def described(repo: Repo, pull: Pull) -> dict[str, Any]:
    return {
        "num": pull.number,
        "title": pull.title,
        "author": {"name": pull.author},
        "createdAt": iso(pull.seconds),
        "status": pull.status,
        "repo": {"name": repo.id, "type": repo.kind.removesuffix("s")},
        "isPullRequest": bool(pull.head),
    }


def found_pull(repo: Repo, exchange: Exchange) -> Pull:
    pull = repo.pulls.get(int(exchange.arg("number")))
    if pull is None:
        raise Refusal(404, "Discussion not found")
    return pull


@route("GET", "/api/{kind}/{id}/discussions")
def discussions(state: State, exchange: Exchange) -> Answer:
    repo = state.repo(exchange)
    kind, status, author = exchange.option("type"), exchange.option("status"), exchange.option("author")
    found = [
        described(repo, pull)
        for pull in sorted(repo.pulls.values(), key=lambda pull: -pull.number)
        if author in ("", pull.author)
        and kind in ("", "all", "pull_request" if pull.head else "discussion")
        and status in ("", "all", "open" if pull.status in ("open", "draft") else "closed")
    ]
    start = int(exchange.option("p") or 0) * state.page_size
    page = found[start : start + state.page_size]
    return answer_json({"discussions": page, "count": len(found), "start": start})


@route("POST", "/api/{kind}/{id}/discussions")
def discuss(state: State, exchange: Exchange) -> Answer:
    repo, access = state.writable(exchange, pull_request=True)
    body = exchange.body.json()
    with state.store.lock:
        pull = repo.open_pull(body["title"], access.user, body.get("description", ""), status="draft")
        if not body.get("pullRequest"):
            pull.base, pull.head, pull.status = "", "", "open"
    return answer_json({"num": pull.number, "pullRequest": bool(pull.head)})


@route("GET", "/api/{kind}/{id}/discussions/{number}")
def discussion(state: State, exchange: Exchange) -> Answer:
    repo = state.repo(exchange)
    pull = found_pull(repo, exchange)
    details = {**described(repo, pull), "events": [], "diff": ""}
    if pull.head:
        details |= {
            "changes": {"base": "refs/heads/main", "mergeCommitId": pull.merged_as},
            "filesWithConflicts": [],
        }
    return answer_json(details)


@route("POST", "/api/{kind}/{id}/discussions/{number}/{what}")
def change(state: State, exchange: Exchange) -> Answer:
    """Merge a pull request; other changes (comments, titles) are taken and forgotten."""
    repo, access = state.writable(exchange, pull_request=exchange.args["what"] != "merge")
    pull = found_pull(repo, exchange)
    exchange.body.drain()
    if exchange.args["what"] == "merge":
        with state.store.lock:
            if not pull.head or pull.status not in ("open", "draft"):
                raise Refusal(400, "This pull request can't be merged")
            repo.merge(pull, access.user)
    return answer_json({})
