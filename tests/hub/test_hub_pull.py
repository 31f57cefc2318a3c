"""Pulling weights with the real client: what was pushed comes, at one commit, and anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import fer_zoo
from fer_zoo import weights, weights_table
from fer_zoo.errors import HubError, OptionError, WeightsError
from fer_zoo.hub import pull

from .client import contents
from .fixtures import ALICE_READS, BOB
from .loopback import Hub
from .weights_folder import contents_of, here, home, made, make_folder, publish

__all__ = ["here", "home", "made"]

NEEDED = ["README.md", "check.safetensors", "config.json", "confusion.png", "model.safetensors", "recipe.yaml"]


def at(hub: Hub, name: str, token: str | None = None, **options: str) -> Path:
    return pull(name, endpoint=hub.endpoint, token=token or False, **options)


def test_what_lies_there_comes_byte_for_byte(hub: Hub, made: Path, home: Path) -> None:
    commit = publish(hub, made)
    hub.commit_behind_back("alice/m", {"evil.py": "import os", "notes/log.txt": "x", "pytorch_model.bin": b"\x80"})
    head = hub.head("alice/m")
    folder = at(hub, "hf-hub:alice/m")
    assert contents(folder) == contents(made)
    assert folder == home / "models--alice--m" / "snapshots" / head
    for name in (f"hf-hub:alice/m@{commit}", "hf-hub:alice/m@main"):
        assert contents(at(hub, name)) == contents(made)
    hub.repo("alice/m").tags["v1.0"] = commit
    assert at(hub, "hf-hub:alice/m@v1.0").name == commit
    # Only files of a weights folder were requested.
    assert {request.path.rpartition("/")[2] for request in hub.requests.find("GET", "/resolve/")} <= set(NEEDED)


def test_the_config_comes_first_and_the_tensors_last_and_all_at_one_commit(hub: Hub, made: Path, home: Path) -> None:
    commit = publish(hub, made)
    at(hub, "hf-hub:alice/m")
    requested = [request for request in hub.requests if "/resolve/" in request.path]
    assert requested[0].path == "/alice/m/resolve/main/config.json"
    assert all(f"/resolve/{commit}/" in request.path for request in requested[1:])
    files = list(dict.fromkeys(request.path.rpartition("/")[2] for request in requested))
    assert (files[0], files[-1]) == ("config.json", "model.safetensors")
    version = fer_zoo.__version__
    assert all(f"fer-zoo/{version}" in request.headers["user-agent"] for request in requested)


def test_a_pinned_commit_in_the_cache_makes_no_request(hub: Hub, made: Path, home: Path) -> None:
    commit = publish(hub, made)
    folder = at(hub, f"hf-hub:alice/m@{commit}")
    hub.requests.clear()
    assert at(hub, f"hf-hub:alice/m@{commit}") == folder
    assert not hub.requests.lines()


def test_a_branch_asks_once_and_a_new_commit_sends_only_what_is_new(
    hub: Hub, made: Path, home: Path, tmp_path: Path
) -> None:
    publish(hub, made)
    first = at(hub, "hf-hub:alice/m")
    hub.requests.clear()
    assert at(hub, "hf-hub:alice/m") == first
    assert [request.method for request in hub.requests] == ["HEAD"]
    other = make_folder(tmp_path / "other", seed=1)
    commit = hub.commit_behind_back("alice/m", contents_of(other)).id
    hub.requests.clear()
    second = at(hub, "hf-hub:alice/m")
    assert second.name == commit
    assert contents(second) == contents(other)
    # The same content has the same ETag, and comes from the cache.
    assert not hub.requests.find("GET", r"(config\.json|recipe\.yaml)")
    assert contents(first) == contents(made)


def test_create_model_by_name(hub: Hub, made: Path, here: str, caplog: pytest.LogCaptureFixture) -> None:
    commit = publish(hub, made)
    model = fer_zoo.create_model(f"hf-hub:alice/m@{commit}", pretrained=True)
    expected = weights.load_weights(made)
    assert model.card == expected.card is not None
    assert not model.training
    clip, landmarks = torch.rand(1, 3, 6, 32, 32), torch.rand(1, 6, 68, 2) * 32
    torch.testing.assert_close(model(clip, landmarks), expected(clip, landmarks), rtol=0, atol=0)
    own = fer_zoo.create_model(f"hf-hub:alice/m@{commit}", labels=["bored", "interested"])
    assert (own.labels, own.started_from, own.card) == (("bored", "interested"), expected.card.name, None)
    with pytest.raises(OptionError, match="no options"):
        fer_zoo.create_model(f"hf-hub:alice/m@{commit}", width=2)
    assert not caplog.records


def test_the_tag_of_a_table_is_pulled_at_its_commit_and_must_have_its_sha256(
    hub: Hub, made: Path, here: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, digest = publish(hub, made), weights.read_folder(made).card.sha256
    table = tmp_path / "published.json"
    monkeypatch.setattr(weights_table, "TABLE", table)

    def say(sha256: str) -> None:
        entry = weights_table.Published(repo="alice/m", commit=commit, sha256=sha256)
        weights_table.write_table({"incres2d_tiny_gru.far1": entry}, table)

    say(digest)
    assert "incres2d_tiny_gru.far1" in fer_zoo.list_weights()
    assert fer_zoo.list_weights("incres2d_tiny_gru") == ["incres2d_tiny_gru.far1"]
    for name, pretrained in (("incres2d_tiny_gru", True), ("incres2d_tiny_gru.far1", False)):
        card = fer_zoo.create_model(name, pretrained).card
        assert card is not None
        assert card.sha256 == digest
    assert fer_zoo.model_info("incres2d_tiny_gru").cards == {}
    with pytest.raises(WeightsError, match=r"has weights far1, not 'far2'"):
        fer_zoo.create_model("incres2d_tiny_gru", pretrained="far2")
    # Weights in the package have priority and need no network.
    hub.requests.clear()
    assert fer_zoo.create_model("incres3d_tiny_lstm_lm", pretrained=True).card is not None
    assert not hub.requests.lines()
    say("0" * 64)
    with pytest.raises(HubError, match=f"{digest}; the table of fer_zoo says {'0' * 64}"):
        fer_zoo.create_model("incres2d_tiny_gru", pretrained=True)
    assert not (home / "models--alice--m" / "snapshots" / commit / "model.safetensors").exists()


@pytest.mark.parametrize(("token", "status"), [(None, 401), (BOB, 404)])
def test_a_private_repository_is_not_there_for_others(
    token: str | None, status: int, hub: Hub, made: Path, home: Path
) -> None:
    publish(hub, made, private=True)
    with pytest.raises(HubError, match=r"no repository alice/m, or it is private(.|\n)*hf auth login"):
        at(hub, "hf-hub:alice/m", token)
    assert [request.status for request in hub.requests] == [status]
    assert contents(at(hub, "hf-hub:alice/m", ALICE_READS)) == contents(made)
    # Who may not see it any more does not get it from the cache either.
    with pytest.raises(HubError, match="or it is private"):
        at(hub, "hf-hub:alice/m", token)


def test_a_gated_repository_and_a_bad_token(hub: Hub, made: Path, home: Path) -> None:
    publish(hub, made, gated="manual")
    with pytest.raises(HubError, match=r"alice/m is gated(.|\n)*ask on http://127.0.0.1:\d+/alice/m"):
        at(hub, "hf-hub:alice/m", BOB)
    hub.grant("alice/m", "bob")
    assert contents(at(hub, "hf-hub:alice/m", BOB)) == contents(made)
    with pytest.raises(HubError, match=r"does not accept your token(.|\n)*HF_TOKEN"):
        at(hub, "hf-hub:alice/m", "hf_nonsense_token_that_nobody_gave")


def test_what_is_not_there(hub: Hub, made: Path, home: Path) -> None:
    files = contents_of(made)
    hub.create("alice/m", {name: path for name, path in files.items() if name != "check.safetensors"})
    with pytest.raises(HubError, match="has no file check"):
        at(hub, "hf-hub:alice/m")
    assert not hub.requests.find("GET", r"model\.safetensors"), "tensors were fetched for nothing"
    with pytest.raises(HubError, match="alice/m has no revision v9"):
        at(hub, "hf-hub:alice/m@v9")
    with pytest.raises(HubError, match="no repository alice/other"):
        at(hub, "hf-hub:alice/other")
    with pytest.raises(HubError, match=f"has no revision {'0' * 40}"):
        at(hub, f"hf-hub:alice/m@{'0' * 40}")


def test_a_picture_that_is_missing_is_not_missed(hub: Hub, made: Path, home: Path) -> None:
    hub.create("alice/m", {name: path for name, path in contents_of(made).items() if name != "confusion.png"})
    assert weights.load_weights(at(hub, "hf-hub:alice/m")).card is not None


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ('{"format": 99}', "has format 99"),
        ('{"format": 2, "auto_map": {"AutoModel": "evil.Model"}}', "auto_map"),
        ("__import__('os').system('touch /tmp/owned')", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("BACKBONE no_such", "no_such"),
        ("OPTION 1000000", "absurd"),
        (" " * 1_100_000, "has 1100000 bytes"),
    ],
)
def test_a_config_that_is_no_such_data_is_refused_before_a_tensor_is_fetched(
    config: str, why: str, hub: Hub, made: Path, home: Path
) -> None:
    word, _, value = config.partition(" ")
    if word in ("BACKBONE", "OPTION"):
        fields = json.loads((made / "config.json").read_text())
        if word == "BACKBONE":
            fields["model"]["backbone"]["name"] = value
        else:
            fields["model"]["input"]["frames"] = int(value)
        config = json.dumps(fields)
    hub.create("alice/m", {**contents_of(made), "config.json": config})
    with pytest.raises((HubError, WeightsError), match=why):
        at(hub, "hf-hub:alice/m")
    assert not hub.requests.find("", "safetensors")


def test_tensors_larger_than_the_network_are_not_fetched(hub: Hub, made: Path, home: Path) -> None:
    publish(hub, made)
    huge = 200 * 2**20
    hub.fail("model.safetensors", "HEAD", add_headers={"X-Linked-Size": str(huge)})
    with pytest.raises(HubError, match=rf"model.safetensors of alice/m at \w+ has {huge} bytes"):
        at(hub, "hf-hub:alice/m")
    assert not hub.requests.find("GET", "model.safetensors")


def test_tensors_that_are_not_the_cards_are_not_even_fetched(hub: Hub, made: Path, home: Path, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other", seed=1)
    hub.create("alice/m", {**contents_of(made), "model.safetensors": other / "model.safetensors"})
    with pytest.raises(HubError, match="is announced with sha256"):
        at(hub, "hf-hub:alice/m")
    assert not hub.requests.find("GET", "model.safetensors")


def test_a_detector_with_a_file_of_this_machine_is_refused_before_tensors(hub: Hub, made: Path, here: str) -> None:
    config = json.loads((made / "config.json").read_text())
    config["model"]["input"]["landmarks"]["detector"] = {"name": "dlib", "predictor": "/etc/hostname"}
    hub.create("alice/m", {**contents_of(made), "config.json": json.dumps(config)})
    with pytest.raises(HubError, match=r"names files of one machine: detector\.predictor"):
        pull("hf-hub:alice/m")
    assert not hub.requests.find("GET", "safetensors")


def test_other_labels_in_card_and_config_are_refused_before_tensors(hub: Hub, made: Path, here: str) -> None:
    config = json.loads((made / "config.json").read_text())
    config["model"]["labels"] = config["model"]["labels"][::-1]
    hub.create("alice/m", {**contents_of(made), "config.json": json.dumps(config)})
    with pytest.raises(WeightsError, match="the same labels in the same order"):
        pull("hf-hub:alice/m")
    assert not hub.requests.find("GET", r"model\.safetensors")


def test_an_impossible_folder() -> None:
    with pytest.raises(OptionError, match="names no folder"):
        fer_zoo.create_model("local-dir:" + "x" * 5000, pretrained=True)
