"""A hub in a process of its own, for tests that weigh the client's process or need a hub they can kill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from .faults import Log, Request

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class HubProcess:
    """What can be done to such a hub from outside; the fields of a fault are those of `Fault`."""

    endpoint: str
    process: subprocess.Popen[str]

    @property
    def requests(self) -> Log:
        """The requests so far, fetched again each time."""
        return Log(Request(**fields) for fields in self.ask("GET", "requests"))

    def forget(self) -> None:
        self.ask("DELETE", "requests")

    def fail(self, pattern: str = "", method: str | None = None, **what: Any) -> None:
        self.ask("POST", "faults", {"pattern": pattern, "method": method, **what})

    def heal(self) -> None:
        self.ask("DELETE", "faults")

    def ask(self, method: str, what: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(HttpRequest(f"{self.endpoint}/test-hub/{what}", data, method=method)) as answer:
            return json.load(answer)


@contextmanager
def hub_process(*options: str) -> Iterator[HubProcess]:
    """`python -m tests.hub` with these options, as long as the `with` lasts."""
    command = [sys.executable, "-m", "tests.hub", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        try:
            assert endpoint, "the hub did not start; its message is on stderr"
            yield HubProcess(endpoint, process)
        finally:
            process.terminate()
