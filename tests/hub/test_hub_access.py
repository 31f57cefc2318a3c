"""Who may see, read and write what, as the real client tells it; and what isn't there."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .client import api, download, noise, snapshot
from .fixtures import ALICE, ALICE_READS, BOB, TEAM
from .loopback import Hub


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return int(error.value.response.status_code)


def test_whoami(hub: Hub) -> None:
    me = api(hub, ALICE_READS).whoami()
    assert (me["name"], [org["name"] for org in me["orgs"]]) == ("alice", [TEAM])
    assert me["auth"]["accessToken"]["role"] == "read"
    anonymous = httpx2.get(f"{hub.endpoint}/api/whoami-v2")
    assert (anonymous.status_code, anonymous.json()["error"]) == (401, "Invalid username or password.")


@pytest.mark.parametrize(("token", "expected"), [(None, 401), (BOB, 404)])
def test_a_private_repository_is_not_there_for_others(
    token: str | None, expected: int, hub: Hub, tmp_path: Path
) -> None:
    hub.create("alice/m", {"config.json": "{}"}, private=True)
    for ask in (
        lambda: api(hub, token).model_info("alice/m"),
        lambda: download(hub, tmp_path, "alice/m", "config.json", token),
    ):
        with pytest.raises(RepositoryNotFoundError) as caught:
            ask()
        assert status(caught) == expected
    assert download(hub, tmp_path, "alice/m", "config.json", ALICE_READS).read_text() == "{}"
    assert [model.id for model in api(hub, token).list_models()] == []
    assert [model.id for model in api(hub, ALICE_READS).list_models()] == ["alice/m"]


def test_a_team_has_its_repositories_in_common(hub: Hub) -> None:
    api(hub, ALICE).create_repo(f"{TEAM}/m", private=True)
    assert api(hub, ALICE_READS).repo_exists(f"{TEAM}/m")
    assert not api(hub, BOB).repo_exists(f"{TEAM}/m")


@pytest.mark.parametrize(("token", "expected"), [(ALICE_READS, 403), (BOB, 403), (None, 401)])
def test_who_may_not_write(token: str | None, expected: int, hub: Hub) -> None:
    hub.create("alice/m")
    client = api(hub, token)
    for ask in (
        lambda: client.create_repo("alice/new"),
        lambda: client.upload_file(repo_id="alice/m", path_in_repo="a", path_or_fileobj=b"1"),
        lambda: client.create_tag("alice/m", tag="v1"),
        lambda: client.update_repo_settings("alice/m", private=True),
        lambda: client.delete_repo("alice/m"),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            ask()
        assert status(caught) == expected
    assert sorted(hub.files("alice/m")) == [".gitattributes"]


def test_a_wrong_token_is_refused_even_where_none_is_needed(hub: Hub, tmp_path: Path) -> None:
    hub.create("alice/m", {"config.json": "{}"})
    with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header") as caught:
        download(hub, tmp_path, "alice/m", "config.json", "hf_nobody")
    assert not isinstance(caught.value, RepositoryNotFoundError)
    assert status(caught) == 401


def test_a_gated_repository_shows_itself_but_not_its_files(hub: Hub, tmp_path: Path) -> None:
    hub.create("alice/m", {"config.json": "{}"})
    api(hub, ALICE).update_repo_settings("alice/m", gated="manual")
    assert api(hub).model_info("alice/m").gated == "manual"
    for token, expected, message in ((None, 401, "Please log in"), (BOB, 403, "not in the authorized list")):
        with pytest.raises(GatedRepoError, match=message) as caught:
            download(hub, tmp_path, "alice/m", "config.json", token)
        assert status(caught) == expected
    hub.grant("alice/m", "bob")
    assert download(hub, tmp_path, "alice/m", "config.json", BOB).read_text() == "{}"
    api(hub, BOB).auth_check("alice/m")
    hub.gate("alice/m", False)
    assert download(hub, tmp_path / "other", "alice/m", "config.json").read_text() == "{}"


def test_what_is_not_there(hub: Hub, tmp_path: Path) -> None:
    hub.create("alice/m", {"config.json": "{}"})
    with pytest.raises(RemoteEntryNotFoundError):
        download(hub, tmp_path, "alice/m", "nope.json")
    with pytest.raises(RevisionNotFoundError):
        download(hub, tmp_path, "alice/m", "config.json", revision="v9")
    with pytest.raises(RevisionNotFoundError):
        snapshot(hub, tmp_path, "alice/m", revision="0" * 40)
    with pytest.raises(RepositoryNotFoundError):
        snapshot(hub, tmp_path, "alice/nope")
    assert api(hub).file_exists("alice/m", "config.json")
    assert not api(hub).file_exists("alice/m", "nope.json")


@pytest.mark.usefixtures("plain_lfs")
def test_the_cdn_never_sees_a_token(hub: Hub, tmp_path: Path) -> None:
    content = noise(2_000_000)
    alice = api(hub, ALICE)
    alice.create_repo("alice/m", private=True)
    alice.upload_file(repo_id="alice/m", path_in_repo="w.safetensors", path_or_fileobj=content)
    assert download(hub, tmp_path, "alice/m", "w.safetensors", ALICE).read_bytes() == content
    seen = [(request.method, request.token) for request in hub.requests if request.listener == "cdn"]
    assert seen == [("PUT", None), ("GET", None)]
    assert {request.token for request in hub.requests if request.listener == "hub"} == {ALICE}


def test_the_cdn_wants_its_signature_and_nothing_else(hub: Hub) -> None:
    hub.create("alice/m", {"w.safetensors": noise(100)})
    url = httpx2.head(f"{hub.endpoint}/alice/m/resolve/main/w.safetensors").headers["Location"]
    assert url.startswith(hub.cdn_endpoint)
    assert httpx2.get(url).content == noise(100)
    assert httpx2.get(url, headers={"Authorization": f"Bearer {ALICE}"}).status_code == 400
    assert httpx2.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    old = hub.state.sign(hub.cdn_endpoint, f"/alice/m/{hub.files('alice/m')['w.safetensors'].sha256}", seconds=-1)
    assert httpx2.get(old).status_code == 403
