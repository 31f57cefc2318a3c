"""Routes no Hub has: faults and the log of a hub that runs in another process."""

from __future__ import annotations

from dataclasses import asdict

from .answers import Answer, Exchange, answer_json
from .faults import Fault
from .routing import route
from .state import State

# Requests below this path are neither logged nor faulted.
CONTROL = "/test-hub/"


@route("GET", "/test-hub/requests")
def requests(state: State, exchange: Exchange) -> Answer:
    return answer_json([asdict(request) | {"fault": None} for request in list(state.log)])


@route("DELETE", "/test-hub/requests")
def forget(state: State, exchange: Exchange) -> Answer:
    state.log.clear()
    return answer_json({})


@route("POST", "/test-hub/faults")
def fail(state: State, exchange: Exchange) -> Answer:
    body = exchange.body.json()
    if body.get("body") is not None:
        body["body"] = body["body"].encode()
    state.faults.append(Fault(**body))
    return answer_json({})


@route("DELETE", "/test-hub/faults")
def heal(state: State, exchange: Exchange) -> Answer:
    state.faults.clear()
    return answer_json({})
