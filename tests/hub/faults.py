"""Faults on demand, and the log of requests."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

Listener = Literal["hub", "cdn"]


@dataclass
class Request:
    """A request as it was seen; `status` is 0 until the answer is known."""

    listener: Listener
    method: str
    # Path and query as sent.
    url: str
    # Names in lower case.
    headers: dict[str, str]
    status: int = 0
    received: int = 0
    sent: int = 0
    fault: Fault | None = None

    @property
    def path(self) -> str:
        return unquote(self.url.partition("?")[0])

    @property
    def text(self) -> str:
        """The whole URL, unquoted; that of a file on the CDN names the file too."""
        return unquote(self.url)

    @property
    def token(self) -> str | None:
        value = self.headers.get("authorization")
        return value.removeprefix("Bearer ") if value is not None else None


class Log(list[Request]):
    """All requests so far, oldest first; `clear()` forgets them."""

    def find(self, method: str | None = None, pattern: str = "", listener: Listener | None = None) -> list[Request]:
        """The requests of one method whose unquoted URL holds the regular expression `pattern`."""
        return [
            request
            for request in list(self)
            if method in (None, request.method)
            and listener in (None, request.listener)
            and re.search(pattern, request.text)
        ]

    def lines(self) -> list[str]:
        """One `METHOD URL -> status` a request, for messages of failing tests."""
        return [f"{r.listener} {r.method} {r.text} -> {r.status}" for r in list(self)]


@dataclass
class Fault:
    """What to do to the requests it fits, `times` times or for ever.

    Offsets and sizes are in bytes of the file, whatever range was asked for.
    """

    method: str | None = None
    # A regular expression, searched in the unquoted path and query.
    pattern: str = ""
    listener: Listener | None = None
    times: int | None = None

    status: int | None = None
    # Seconds, before the answer or, with `stall_at`, in its middle.
    delay: float = 0.0
    stall_at: int | None = None
    # The connection ends after that many bytes of the body, though more were announced.
    truncate: int | None = None
    # The body is that short, and well-formed.
    short: int | None = None
    flip: int | None = None
    body: bytes | None = None
    drop_headers: tuple[str, ...] = ()
    add_headers: dict[str, str] = field(default_factory=dict)
    ignore_range: bool = False
    # No response at all: the request was never handled, or its response was lost.
    hang_up: Literal["", "before", "after"] = ""

    hits: int = 0

    @property
    def needs_body(self) -> bool:
        """Whether it does nothing to an answer without a body, so that a HEAD must not use it up."""
        on_body = (self.stall_at, self.truncate, self.short, self.flip, self.body)
        return self.status is None and any(value is not None for value in on_body)

    def fits(self, request: Request) -> bool:
        return (
            (self.times is None or self.hits < self.times)
            and self.method in (None, request.method)
            and self.listener in (None, request.listener)
            and not (request.method == "HEAD" and self.needs_body)
            and re.search(self.pattern, request.text) is not None
        )


class Faults(list[Fault]):
    """The faults in force; the first that fits a request is applied to it, no other."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def take(self, request: Request) -> Fault | None:
        with self.lock:
            for fault in self:
                if fault.fits(request):
                    fault.hits += 1
                    request.fault = fault
                    return fault
        return None
