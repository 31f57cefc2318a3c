"""The fixtures `hub`, `impatient` and `plain_lfs`; `from hub.fixtures import hub` in a conftest makes one known."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .loopback import Hub

ALICE = "hf_alice_may_write_to_what_is_hers_00"
ALICE_READS = "hf_alice_may_only_read_with_this_one_0"
BOB = "hf_bob_may_write_but_not_to_alices_000"
TEAM = "team"


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub with Alice, who is in the organisation `team`, and Bob; it fails the test for bugs of its own."""
    # hf-xet would write its log below the home of whoever runs the tests.
    monkeypatch.setenv("HF_XET_LOG_DEST", os.devnull)
    folder = tmp_path_factory.mktemp("hub-server")
    with Hub(folder) as running:
        add_people(running)
        yield running
    # pytest keeps its folders for a while; the large files in this one aren't worth it.
    shutil.rmtree(folder, ignore_errors=True)
    assert not running.errors, "\n".join(running.errors)


def add_people(hub: Hub) -> None:
    hub.add_user("alice", ALICE, organizations=(TEAM,))
    hub.add_user("alice", ALICE_READS, "read", organizations=(TEAM,))
    hub.add_user("bob", BOB)


def client_environment(hub_endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """What a process needs in its environment so that the Hub client knows no other hub, cache or token."""
    return {
        "HF_ENDPOINT": hub_endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **more,
    }


class QuickClock:
    """The module `time`, but without sleeping."""

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of this process retries at once rather than after seconds."""
    monkeypatch.setattr("huggingface_hub.utils._http.time", QuickClock())
    monkeypatch.setattr("huggingface_hub.file_download.time", QuickClock())


@pytest.fixture
def plain_lfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of this process goes without Xet."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
