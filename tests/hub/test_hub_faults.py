"""Every fault does to the real client what it is for."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from .client import api, download, noise
from .faults import Fault, Faults, Request
from .fixtures import ALICE
from .loopback import Hub

MEGABYTE = 1_000_000
CONTENT = noise(2 * MEGABYTE)
WEIGHTS = "w.safetensors"
# More than the 10 MiB that the client writes at once.
BIG = noise(13 * MEGABYTE)


@pytest.fixture
def cache(hub: Hub, tmp_path: Path) -> Path:
    hub.create("alice/m", {"config.json": "{}", WEIGHTS: CONTENT})
    return tmp_path / "cache"


def ranges(hub: Hub) -> list[tuple[str | None, int]]:
    return [(request.headers.get("range"), request.status) for request in hub.requests.find(listener="cdn")]


@pytest.mark.usefixtures("impatient")
def test_a_cut_connection_is_resumed(hub: Hub, cache: Path) -> None:
    hub.commit_behind_back("alice/m", {WEIGHTS: BIG})
    fault = hub.fail(WEIGHTS, "GET", truncate=12 * MEGABYTE, times=1)
    assert download(hub, cache, "alice/m", WEIGHTS).read_bytes() == BIG
    assert fault.hits == 1
    assert ranges(hub) == [(None, 200), ("bytes=10485760-", 206)]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_ignores_ranges_restarts_the_download(hub: Hub, cache: Path) -> None:
    hub.commit_behind_back("alice/m", {WEIGHTS: BIG})
    hub.fail(WEIGHTS, "GET", truncate=12 * MEGABYTE, times=1)
    hub.fail(WEIGHTS, "GET", ignore_range=True)
    assert download(hub, cache, "alice/m", WEIGHTS).read_bytes() == BIG
    assert ranges(hub) == [(None, 200), ("bytes=10485760-", 200)]


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_is_always_cut_gives_up(hub: Hub, cache: Path) -> None:
    hub.fail(WEIGHTS, "GET", truncate=0)
    with pytest.raises(httpx2.RemoteProtocolError):
        download(hub, cache, "alice/m", WEIGHTS)
    assert len(ranges(hub)) == 6


def test_a_short_body_is_noticed(hub: Hub, cache: Path) -> None:
    hub.fail(WEIGHTS, "GET", short=MEGABYTE)
    with pytest.raises(OSError, match="Consistency check failed"):
        download(hub, cache, "alice/m", WEIGHTS)


@pytest.mark.parametrize("at", [0, MEGABYTE + 100_000, -1])
def test_a_flipped_byte_is_not_noticed_by_the_client(at: int, hub: Hub, cache: Path) -> None:
    hub.flip_byte(WEIGHTS, at, times=1)
    expected = bytearray(CONTENT)
    expected[at] ^= 0xFF
    assert download(hub, cache, "alice/m", WEIGHTS).read_bytes() == expected
    assert len(api(hub).verify_repo_checksums("alice/m", cache_dir=cache).mismatches) == 1


def test_a_flipped_byte_is_found_in_the_range_that_holds_it(hub: Hub, cache: Path) -> None:
    hub.flip_byte(WEIGHTS, 1000)
    for first, last, expected in ((900, 999, False), (990, 1010, True), (1001, 1100, False)):
        url, span = f"{hub.endpoint}/alice/m/resolve/main/{WEIGHTS}", f"bytes={first}-{last}"
        found = httpx2.get(url, headers={"Range": span}, follow_redirects=True)
        assert found.status_code == 206
        assert (found.content != CONTENT[first : last + 1]) == expected


def test_a_byte_flipped_on_the_disk_stays_flipped(hub: Hub, cache: Path) -> None:
    hub.flip_byte_on_disk("alice/m", "config.json", 0)
    assert download(hub, cache, "alice/m", "config.json").read_bytes() == b"\x84}"


def test_a_byte_flipped_in_the_xet_store(hub: Hub, tmp_path: Path) -> None:
    content = noise(MEGABYTE)
    alice = api(hub, ALICE)
    alice.create_repo("alice/x")
    alice.upload_file(repo_id="alice/x", path_in_repo=WEIGHTS, path_or_fileobj=content)
    hub.flip_byte_on_disk("alice/x", WEIGHTS)
    found = download(hub, tmp_path, "alice/x", WEIGHTS).read_bytes()
    assert len(found) == len(content)
    assert found != content
    assert not hub.requests.find(listener="cdn")


@pytest.mark.parametrize(("status", "listener"), [(503, "cdn"), (403, "cdn"), (401, "hub")])
def test_a_status(status: int, listener: str, hub: Hub, cache: Path) -> None:
    hub.fail(WEIGHTS, status=status, listener=listener)
    with pytest.raises(HfHubHTTPError, match=str(status)):
        download(hub, cache, "alice/m", WEIGHTS)
    hub.heal()
    assert download(hub, cache, "alice/m", WEIGHTS).stat().st_size == len(CONTENT)


@pytest.mark.usefixtures("impatient")
def test_a_status_that_goes_away(hub: Hub, cache: Path) -> None:
    fault = hub.fail("whoami", status=429, times=2, add_headers={"Retry-After": "0"})
    with pytest.raises(HfHubHTTPError, match="rate limit"):
        api(hub, ALICE).whoami()
    hub.fail("resolve", "HEAD", status=503, times=2)
    assert download(hub, cache, "alice/m", "config.json").read_text() == "{}"
    assert fault.hits == 1


def test_another_body_and_a_missing_header(hub: Hub, cache: Path) -> None:
    hub.fail("config.json", "GET", body=b"<html>log in</html>", times=1)
    with pytest.raises(OSError, match="Consistency check failed"):
        download(hub, cache, "alice/m", "config.json")
    hub.fail("config.json", drop_headers=("X-Repo-Commit",), times=1)
    with pytest.raises(LocalEntryNotFoundError):
        download(hub, cache, "alice/m", "config.json")
    assert download(hub, cache, "alice/m", "config.json").read_text() == "{}"


def test_delays_and_stalls(hub: Hub, cache: Path) -> None:
    hub.fail("config.json", "HEAD", delay=0.3)
    hub.fail("config.json", "GET", delay=0.3, stall_at=1)
    start = time.monotonic()
    assert download(hub, cache, "alice/m", "config.json").read_text() == "{}"
    assert time.monotonic() - start > 0.6


@pytest.mark.parametrize(("when", "head_moves"), [("before", False), ("after", True)])
def test_an_answer_that_never_comes(when: str, head_moves: bool, hub: Hub, cache: Path) -> None:
    head = hub.head("alice/m")
    hub.fail("/commit/", hang_up=when, times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        api(hub, ALICE).upload_file(repo_id="alice/m", path_in_repo="a", path_or_fileobj=b"1")
    assert (hub.head("alice/m") != head) == head_moves


@pytest.mark.usefixtures("impatient")
def test_connection_refused(hub: Hub, cache: Path) -> None:
    path = download(hub, cache, "alice/m", "config.json")
    with hub.down():
        assert download(hub, cache, "alice/m", "config.json") == path
        with pytest.raises(LocalEntryNotFoundError):
            download(hub, cache, "alice/m", WEIGHTS)
    assert download(hub, cache, "alice/m", WEIGHTS).stat().st_size == len(CONTENT)


@pytest.mark.usefixtures("impatient", "plain_lfs")
def test_an_upload_that_fails_leaves_no_commit(hub: Hub, cache: Path) -> None:
    alice, head = api(hub, ALICE), hub.head("alice/m")
    hub.fail("^/upload/", "PUT", status=500, times=1)
    hub.fail("/lfs/verify", status=422)
    with pytest.raises(RuntimeError, match="Error while uploading"):
        alice.upload_file(repo_id="alice/m", path_in_repo="v.safetensors", path_or_fileobj=noise(1000, 8))
    assert hub.head("alice/m") == head
    assert [request.status for request in hub.requests.find("PUT")] == [500, 200]


def test_the_first_fault_that_fits_is_the_one() -> None:
    faults = Faults()
    once, twice, flip = Fault("GET", "a", times=1, status=1), Fault(None, "a.*b", status=2), Fault(None, "c", flip=0)
    faults += [once, twice, flip]

    def taken(method: str, url: str) -> Fault | None:
        return faults.take(Request("hub", method, url, {}))

    assert [taken("GET", "/a%2Fb") for _ in range(2)] == [once, twice]
    assert taken("GET", "/a") is None
    # A HEAD has no byte to flip.
    assert [taken("HEAD", "/c"), taken("GET", "/c")] == [None, flip]
    assert (once.hits, twice.hits, flip.hits) == (1, 1, 1)
