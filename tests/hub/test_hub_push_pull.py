"""The real client pushes to the hub and pulls the same bytes back, over each of the three ways for large files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError

from .client import api, contents, download, noise, snapshot, write
from .fixtures import ALICE
from .loopback import Hub

CARD = b"---\nlicense: cc-by-nc-4.0\nlibrary_name: fer-zoo\ntags: [faces]\n---\n# A model\n"
FILES = {"README.md": CARD, "config.json": b"{}", "model.safetensors": noise(3_000_000), "logs/dev/run 1é.txt": b"run"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "folder", FILES)


@pytest.mark.parametrize("way", ["xet", "single", "multipart"])
def test_what_is_pushed_is_pulled(
    way: str, hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", way != "xet")
    hub.state.part_size = 1_000_000 if way == "multipart" else None
    alice = api(hub, ALICE)
    assert str(alice.create_repo("alice/m", private=True)) == f"{hub.endpoint}/alice/m"
    first = alice.upload_folder(repo_id="alice/m", folder_path=folder, commit_message="First").oid
    alice.create_tag("alice/m", tag="v1.0")
    assert contents(snapshot(hub, tmp_path / "cache", "alice/m", ALICE, "v1.0")) == FILES
    assert {path: hub.read("alice/m", path) for path in FILES} == FILES
    assert hub.head("alice/m", "v1.0") == hub.head("alice/m") == first
    assert not alice.verify_repo_checksums("alice/m", revision="v1.0", cache_dir=tmp_path / "cache").mismatches
    uploads = [request.path.count("/") for request in hub.requests.find("PUT", "^/upload/")]
    assert uploads == {"xet": [], "single": [2], "multipart": [3, 3, 3]}[way]
    assert bool(hub.requests.find("GET", "xet-write-token")) == (way == "xet")


@pytest.mark.parametrize(("push", "pull"), [("xet", "lfs"), ("lfs", "xet")])
def test_clients_with_and_without_xet_read_each_others_files(
    push: str, pull: str, hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api(hub, ALICE).create_repo("alice/m")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", push == "lfs")
    api(hub, ALICE).upload_folder(repo_id="alice/m", folder_path=folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", pull == "lfs")
    assert contents(snapshot(hub, tmp_path / "cache", "alice/m")) == FILES
    assert len(hub.requests.find("GET", "model.safetensors", listener="cdn")) == 1


def test_an_unchanged_push_makes_no_commit(hub: Hub, folder: Path) -> None:
    alice = api(hub, ALICE)
    alice.create_repo("alice/m")
    first = alice.upload_folder(repo_id="alice/m", folder_path=folder)
    hub.requests.clear()
    assert alice.upload_folder(repo_id="alice/m", folder_path=folder).oid == first.oid
    assert not hub.requests.find("POST", "/commit/"), hub.requests.lines()
    assert [commit.title for commit in alice.list_repo_commits("alice/m")] == [
        "Upload folder using huggingface_hub", "initial commit",
    ]  # fmt: skip


def test_a_branch_with_a_slash(hub: Hub, tmp_path: Path) -> None:
    alice = api(hub, ALICE)
    alice.create_repo("alice/m")
    alice.create_branch("alice/m", branch="dev/exp")
    alice.upload_file(repo_id="alice/m", path_in_repo="x.txt", path_or_fileobj=b"x", revision="dev/exp")
    assert download(hub, tmp_path, "alice/m", "x.txt", revision="dev/exp").read_bytes() == b"x"
    assert "x.txt" not in alice.list_repo_files("alice/m")
    assert {branch.name for branch in alice.list_repo_refs("alice/m").branches} == {"main", "dev/exp"}
    alice.delete_branch("alice/m", branch="dev/exp")
    assert list(hub.repo("alice/m").branches) == ["main"]


def test_names_that_are_taken(hub: Hub) -> None:
    alice = api(hub, ALICE)
    alice.create_repo("alice/m")
    assert alice.create_repo("alice/m", exist_ok=True).repo_id == "alice/m"
    alice.create_tag("alice/m", tag="v1")
    alice.create_tag("alice/m", tag="v1", exist_ok=True)
    for again in (
        lambda: alice.create_repo("alice/m"),
        lambda: alice.create_tag("alice/m", tag="v1"),
        lambda: alice.create_branch("alice/m", branch="main"),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            again()
        assert caught.value.response.status_code == 409
    alice.delete_tag("alice/m", tag="v1")
    assert hub.repo("alice/m").tags == {}


def test_a_stale_parent_is_refused(hub: Hub) -> None:
    parent = hub.create("alice/m", {"a": "1"}).id
    hub.commit_behind_back("alice/m", {"a": "2"})
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as caught:
        api(hub, ALICE).upload_file(repo_id="alice/m", path_in_repo="a", path_or_fileobj=b"3", parent_commit=parent)
    assert caught.value.response.status_code == 412
    assert hub.read("alice/m", "a") == b"2"


def test_an_upload_must_be_what_was_announced(hub: Hub) -> None:
    hub.create("alice/m")
    content = noise(100_000)
    oid = hashlib.sha256(content).hexdigest()
    requested = {"operation": "upload", "objects": [{"oid": oid, "size": len(content)}]}
    alice = httpx2.Client(headers={"Authorization": f"Bearer {ALICE}"}, base_url=hub.endpoint)
    answer = alice.post("/alice/m.git/info/lfs/objects/batch", json=requested).json()
    actions = answer["objects"][0]["actions"]
    announced = {"oid": oid, "size": len(content)}
    assert httpx2.put(actions["upload"]["href"], content=content[1:]).status_code == 400
    assert alice.post(actions["verify"]["href"], json=announced).status_code == 422
    line = {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": oid, "size": len(content)}}
    lines = [{"key": "header", "value": {"summary": "Add"}}, line]
    commit = "\n".join(json.dumps(item) for item in lines)
    refused = alice.post("/api/models/alice/m/commit/main", content=commit)
    assert (refused.status_code, "does not exist" in refused.json()["error"]) == (400, True)
    # Sent in chunks, without a length before them.
    pieces = (content[at : at + 7_777] for at in range(0, len(content), 7_777))
    assert httpx2.put(actions["upload"]["href"], content=pieces).status_code == 200
    assert alice.post(actions["verify"]["href"], json=announced).status_code == 200
    assert alice.post("/api/models/alice/m/commit/main", content=commit).status_code == 200
    assert hub.read("alice/m", "w.bin") == content
    assert "actions" not in alice.post("/alice/m.git/info/lfs/objects/batch", json=requested).json()["objects"][0]


def test_files_and_folders_are_deleted(hub: Hub) -> None:
    hub.create("alice/m", {"a": "1", "old/b": "2", "old/c/d": "3", "older": "4"})
    alice = api(hub, ALICE)
    alice.delete_folder("old", repo_id="alice/m")
    alice.delete_file("a", repo_id="alice/m")
    assert sorted(hub.files("alice/m")) == [".gitattributes", "older"]
    with pytest.raises(HfHubHTTPError, match="A file with this name doesn't exist"):
        alice.delete_file("né.txt", repo_id="alice/m")
    alice.delete_repo("alice/m")
    assert not alice.repo_exists("alice/m")


def test_a_second_download_asks_and_only_a_new_commit_fetches(hub: Hub, tmp_path: Path) -> None:
    hub.create("alice/m", {"config.json": "{}"})
    first = download(hub, tmp_path, "alice/m", "config.json")
    hub.requests.clear()
    assert download(hub, tmp_path, "alice/m", "config.json") == first
    assert [request.method for request in hub.requests] == ["HEAD"]
    commit = hub.commit_behind_back("alice/m", {"config.json": "[]"}).id
    second = download(hub, tmp_path, "alice/m", "config.json")
    assert (second.read_text(), second.parent.name) == ("[]", commit)
    # The same content under another commit: a new HEAD, no new body.
    hub.commit_behind_back("alice/m", {"other": "x"})
    hub.requests.clear()
    assert download(hub, tmp_path, "alice/m", "config.json").read_text() == "[]"
    assert not hub.requests.find("GET")


def test_small_files_by_way_of_a_redirect(hub: Hub, tmp_path: Path) -> None:
    hub.state.resolve_cache = True
    commit = hub.create("alice/m", {"a/config é.json": "{}"}, private=True).id
    path = download(hub, tmp_path, "alice/m", "a/config é.json", ALICE)
    assert (path.read_text(), path.parents[1].name) == ("{}", commit)
    requested = hub.requests.find("GET", "resolve-cache")
    assert [(request.status, request.token) for request in requested] == [(200, ALICE)]


def test_a_pinned_commit_in_the_cache_makes_no_request(hub: Hub, tmp_path: Path) -> None:
    commit = hub.create("alice/m", {"config.json": "{}"}).id
    path = download(hub, tmp_path, "alice/m", "config.json", revision=commit)
    hub.requests.clear()
    assert download(hub, tmp_path, "alice/m", "config.json", revision=commit) == path
    with hub.down():
        assert download(hub, tmp_path, "alice/m", "config.json", revision=commit) == path
    assert not hub.requests
    assert api(hub).model_info("alice/m").sha == commit
