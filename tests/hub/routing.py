"""Which function answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable

from .answers import Answer, Exchange, Refusal
from .faults import Listener
from .state import State

Handler = Callable[[State, Exchange], Answer]
PARTS = {
    "kind": r"(?P<kind>models|datasets|spaces)",
    # Of a file's or a git URL: models have no prefix there.
    "prefix": r"(?:(?P<kind>datasets|spaces)/)?",
    "id": r"(?P<id>[^/]+/[^/]+?)",
    # Clients quote the slash of a branch, users who type a URL do not.
    "revision": r"(?P<revision>refs/pr/\d+|refs/heads/[^/]+|[^/]+)",
    "name": r"(?P<name>.+)",
    "path": r"(?P<path>.+)",
    "folder": r"(?:/(?P<path>.*))?",
    "number": r"(?P<number>\d+)",
    "write": r"(?P<write>/write)?",
    "what": r"(?P<what>\w+)",
    "access": r"(?P<access>read|write)",
    "oid": r"(?P<oid>[0-9a-f]{64})",
    "part": r"(?P<part>\d+)",
    "target": r"(?P<target>[^/]+)",
}


class Routes:
    """A table of routes, in the order of their definition."""

    def __init__(self) -> None:
        self.table: dict[Listener, list[tuple[str, re.Pattern[str], Handler]]] = {"hub": [], "cdn": []}

    def add(self, method: str, template: str, listener: Listener = "hub") -> Callable[[Handler], Handler]:
        """Let a function answer `method` on the path `template`, where `{id}` stands for a part of that name."""
        pattern = re.compile(re.sub(r"\{(\w+)\}", lambda match: PARTS[match[1]], template.replace(".", r"\.")))

        def register(handler: Handler) -> Handler:
            self.table[listener].append((method, pattern, handler))
            return handler

        return register

    def answer(self, state: State, exchange: Exchange, listener: Listener) -> Answer:
        method = "GET" if exchange.method == "HEAD" else exchange.method
        known = False
        for verb, pattern, handler in self.table[listener]:
            match = pattern.fullmatch(exchange.path)
            known = known or bool(match)
            if match and verb == method:
                exchange.args = match.groupdict(default="")
                return handler(state, exchange)
        if known:
            raise Refusal(405, f"Method {exchange.method} not allowed")
        raise Refusal(404, "Sorry, we can't find the page you are looking for.")


ROUTES = Routes()
route = ROUTES.add
