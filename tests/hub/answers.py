"""What a route gets and what it gives back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlencode

PIECE = 1 << 20


@dataclass
class Answer:
    """A status, headers and a body: bytes, or a file to be streamed."""

    status: int = 200
    body: bytes | Path = b""
    headers: dict[str, str] = field(default_factory=dict)
    # Only files have ranges; an API ignores them.
    ranges: bool = False

    @property
    def size(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body.stat().st_size

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The body from `start` to `stop`, at most a mebibyte at a time."""
        if isinstance(self.body, bytes):
            yield self.body[start:stop]
            return
        with self.body.open("rb") as stream:
            stream.seek(start)
            while start < stop and (piece := stream.read(min(PIECE, stop - start))):
                start += len(piece)
                yield piece


def answer_json(data: object, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    body = json.dumps(data, default=str).encode()
    return Answer(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


class Refusal(Exception):  # noqa: N818
    """An answer that says no; the client decides by `code`."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}

    def answer(self) -> Answer:
        one_line = " ".join(self.message.split()).encode("ascii", "replace").decode()
        headers = {**self.headers, "X-Error-Message": one_line}
        if self.code:
            headers["X-Error-Code"] = self.code
        return answer_json({"error": self.message}, self.status, headers)


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def readline(self) -> bytes: ...


class Incoming:
    """The body of a request, read from the socket in pieces, whether its length was announced or not."""

    def __init__(self, stream: Stream, headers: Message) -> None:
        self.stream = stream
        self.chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self.left = int(headers.get("Content-Length") or 0)
        self.received = 0

    def pieces(self) -> Iterator[bytes]:
        while True:
            if self.chunked and not self.left:
                self.left = int(self.stream.readline().split(b";")[0] or b"0", 16)
                if not self.left:
                    self.stream.readline()
                    self.chunked = False
            if not self.left:
                return
            piece = self.stream.read(min(PIECE, self.left))
            if not piece:
                raise ConnectionError("the client went away in the middle of the body")
            self.left -= len(piece)
            self.received += len(piece)
            if self.chunked and not self.left:
                self.stream.readline()
            yield piece

    def lines(self) -> Iterator[bytes]:
        rest: list[bytes] = []
        for piece in self.pieces():
            *whole, last = piece.split(b"\n")
            for line in whole:
                yield b"".join([*rest, line])
                rest = []
            rest.append(last)
        if any(rest):
            yield b"".join(rest)

    def read(self) -> bytes:
        return b"".join(self.pieces())

    def json(self) -> Any:
        content = self.read()
        try:
            return json.loads(content) if content else {}
        except json.JSONDecodeError as error:
            raise Refusal(400, f"Malformed JSON: {error}") from error

    def drain(self) -> None:
        for _ in self.pieces():
            pass


@dataclass
class Exchange:
    """A request on its way through the routes."""

    method: str
    # As it came, still quoted: a branch name with a slash is one part of it.
    path: str
    query: str
    headers: Message
    body: Incoming
    args: dict[str, str] = field(default_factory=dict)

    def arg(self, name: str) -> str:
        return unquote(self.args.get(name) or "")

    def option(self, name: str) -> str:
        return self.options(name)[0] if self.options(name) else ""

    def options(self, name: str) -> list[str]:
        return parse_qs(self.query).get(name, [])

    def flag(self, name: str) -> bool:
        return self.option(name).lower() in ("1", "true")


def answer_page(exchange: Exchange, endpoint: str, items: list[Any], size: int) -> Answer:
    """One page of a long list, with the `Link` to the next one."""
    start = int(exchange.option("cursor") or 0)
    headers = {}
    if start + size < len(items):
        options = {**parse_qs(exchange.query), "cursor": [str(start + size)]}
        headers["Link"] = f'<{endpoint}{exchange.path}?{urlencode(options, doseq=True)}>; rel="next"'
    return answer_json(items[start : start + size], headers=headers)
