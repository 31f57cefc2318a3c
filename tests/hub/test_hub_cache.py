"""What the cache holds: listed, hashed again, and thrown out where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_zoo.errors import WeightsError
from fer_zoo.hub import pull
from fer_zoo.hub.cache import held

from .client import api, contents, download
from .loopback import Hub
from .weights_folder import home, made, publish

__all__ = ["home", "made"]

pytestmark = pytest.mark.usefixtures("plain_lfs")


def test_an_empty_cache(home: Path) -> None:
    assert list(held()) == []


def test_what_was_pulled_is_listed_and_nothing_else(hub: Hub, made: Path, home: Path) -> None:
    first = publish(hub, made)
    hub.repo("alice/m").tags["v1"] = first
    hub.create("alice/other", {"config.json": '{"model_type": "bert"}'})
    download(hub, home, "alice/other", "config.json")
    for revision in ("main", "v1"):
        pull(f"hf-hub:alice/m@{revision}", endpoint=hub.endpoint, token=False)
    second = hub.commit_behind_back("alice/m", {"LICENSE": "theirs"}).id
    pull("hf-hub:alice/m", endpoint=hub.endpoint, token=False)
    found = {one.name: one for one in held(endpoint=hub.endpoint)}
    assert {name: one.revisions for name, one in found.items()} == {
        f"hf-hub:alice/m@{first}": ("v1",),
        f"hf-hub:alice/m@{second}": ("main",),
    }
    assert all(one.size == sum(map(len, contents(made).values())) for one in found.values())
    assert all(one.problem() is None for one in found.values())
    # It stays a cache as huggingface_hub knows it.
    report = api(hub).verify_repo_checksums("alice/m", revision=first, cache_dir=home)
    assert not report.mismatches


@pytest.mark.parametrize("file", ["model.safetensors", "check.safetensors", "README.md", "recipe.yaml"])
def test_a_wrong_byte_is_found_and_thrown_out(file: str, hub: Hub, made: Path, home: Path) -> None:
    publish(hub, made)
    path = pull("hf-hub:alice/m", endpoint=hub.endpoint, token=False) / file
    content = path.read_bytes()
    path.resolve().write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    one = next(held(endpoint=hub.endpoint), None)
    assert one is not None
    assert file in str(one.problem())
    assert path.exists(), "looking changes nothing"
    one.remove()
    assert list(held(endpoint=hub.endpoint)) == []
    assert contents(pull("hf-hub:alice/m", endpoint=hub.endpoint, token=False)) == contents(made)


def test_a_blob_that_is_gone(hub: Hub, made: Path, home: Path) -> None:
    publish(hub, made)
    folder = pull("hf-hub:alice/m", endpoint=hub.endpoint, token=False)
    (one,) = held(endpoint=hub.endpoint)
    (folder / "recipe.yaml").resolve().unlink()
    assert "is a link to a missing file" in str(one.problem())
    assert contents(pull("hf-hub:alice/m", endpoint=hub.endpoint, token=False)) == contents(made)


def test_a_hostile_repository_hides_no_other(hub: Hub, made: Path, home: Path) -> None:
    publish(hub, made, "alice/z")
    pull("hf-hub:alice/z", endpoint=hub.endpoint, token=False)
    hub.create("alice/deep", {"config.json": '{"a":' * 50_000})
    with pytest.raises(WeightsError):
        pull("hf-hub:alice/deep", endpoint=hub.endpoint, token=False)
    assert [one.snapshot.repo for one in held(endpoint=hub.endpoint)] == ["alice/z"]
