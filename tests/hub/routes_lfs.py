"""Routes of git LFS: what to upload where, in one piece or in parts, and whether it arrived; and the Xet tokens."""

from __future__ import annotations

import hashlib
from math import ceil
from pathlib import Path
from typing import Any

from .answers import Answer, Exchange, Refusal, answer_json
from .routing import route
from .state import State
from .store import sha256_of
from .xet import answer_token

LFS = {"Content-Type": "application/vnd.git-lfs+json"}


@route("POST", "/{prefix}{id}.git/info/lfs/objects/batch")
def batch(state: State, exchange: Exchange) -> Answer:
    state.writable(exchange, pull_request=True)
    body = exchange.body.json()
    objects, multipart = [], False
    for item in body["objects"]:
        entry = {"oid": item["oid"], "size": item["size"]}
        there = state.store.contents.large(item["oid"]).exists() or state.xet.find(item["oid"])
        if not there:
            entry["actions"] = upload_actions(state, exchange, item["oid"], item["size"])
            multipart = multipart or "chunk_size" in entry["actions"]["upload"].get("header", {})
        objects.append(entry)
    return answer_json({"transfer": "multipart" if multipart else "basic", "objects": objects}, headers=LFS)


def upload_actions(state: State, exchange: Exchange, oid: str, size: int) -> dict[str, Any]:
    repository = exchange.path.removesuffix("/objects/batch")
    verify = {"href": f"{state.endpoint}{repository}/verify"}
    if not state.part_size or size <= state.part_size:
        return {"upload": {"href": state.sign(state.cdn_endpoint, f"/upload/{oid}")}, "verify": verify}
    numbers = range(1, ceil(size / state.part_size) + 1)
    parts = {f"{n:05d}": state.sign(state.cdn_endpoint, f"/upload/{oid}/{n}") for n in numbers}
    complete = state.sign(state.endpoint, f"/lfs-complete/{oid}")
    return {"upload": {"href": complete, "header": {"chunk_size": str(state.part_size), **parts}}, "verify": verify}


@route("PUT", "/upload/{oid}", listener="cdn")
def upload(state: State, exchange: Exchange) -> Answer:
    state.check_signature(exchange, exchange.path)
    part, _ = receive(state, exchange)
    keep(state, part, exchange.args["oid"])
    return Answer()


@route("PUT", "/upload/{oid}/{part}", listener="cdn")
def upload_part(state: State, exchange: Exchange) -> Answer:
    state.check_signature(exchange, exchange.path)
    part, etag = receive(state, exchange)
    part.replace(part_path(state, exchange.args["oid"], int(exchange.args["part"])))
    return Answer(headers={"ETag": f'"{etag}"'})


@route("POST", "/lfs-complete/{oid}")
def complete(state: State, exchange: Exchange) -> Answer:
    """Join the parts that the client names."""
    state.check_signature(exchange, exchange.path)
    oid = exchange.args["oid"]
    whole = state.store.contents.incoming()
    paths = [part_path(state, oid, part["partNumber"]) for part in exchange.body.json()["parts"]]
    with whole.open("wb") as target:
        for path in paths:
            if not path.exists():
                raise Refusal(400, f"Part {path.suffix} was not uploaded")
            with path.open("rb") as source:
                while piece := source.read(1 << 20):
                    target.write(piece)
    keep(state, whole, oid)
    for path in paths:
        path.unlink()
    return answer_json({"success": True}, headers=LFS)


@route("POST", "/{prefix}{id}.git/info/lfs/verify")
def verify(state: State, exchange: Exchange) -> Answer:
    state.writable(exchange, pull_request=True)
    body = exchange.body.json()
    content = state.store.contents.large(body["oid"])
    if not content.exists() or content.stat().st_size != body["size"]:
        raise Refusal(422, f"Object {body['oid']} of {body['size']} bytes was not uploaded")
    return answer_json({}, headers=LFS)


def part_path(state: State, oid: str, number: int) -> Path:
    return state.folder / "incoming" / f"{oid}.{number}"


def receive(state: State, exchange: Exchange) -> tuple[Path, str]:
    """The body on the disk, and its MD5, which is what S3 calls an ETag."""
    path, digest = state.store.contents.incoming(), hashlib.md5(usedforsecurity=False)
    with path.open("wb") as stream:
        for piece in exchange.body.pieces():
            stream.write(piece)
            digest.update(piece)
    return path, digest.hexdigest()


def keep(state: State, part: Path, oid: str) -> None:
    """Make an upload an object, if it is the one that was announced."""
    if sha256_of(part) != oid:
        part.unlink()
        raise Refusal(400, "The content does not have the announced sha256", "XAmzContentSHA256Mismatch")
    part.replace(state.store.contents.large(oid))


@route("GET", "/api/{kind}/{id}/xet-{access}-token/{name}")
def xet_token(state: State, exchange: Exchange) -> Answer:
    if exchange.args["access"] == "write":
        state.writable(exchange, pull_request=exchange.flag("create_pr"))
    else:
        state.readable(exchange)
    if not state.xet_enabled:
        raise Refusal(404, "Xet is not enabled for this repository")
    return answer_token(exchange, state.xet)
