"""Large weights lie in several files, as the Hub's other libraries write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from weights_folders import change_record, make_folder, record, small_model

from fer_zoo import weights
from fer_zoo.errors import WeightsError

SHARD = 60_000
INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "weights", max_shard=SHARD)


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("model-*.safetensors"))


def sign(folder: Path) -> None:
    files = {path.name: weights.sha256(path) for path in shards(folder)}
    change_record(folder, sha256=weights.sha256(folder / INDEX), files=files)


def test_they_go_round(folder: Path) -> None:
    files = shards(folder)
    count = len(files)
    assert count > 2
    assert [file.name for file in files] == [f"model-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)]
    assert not (folder / "model.safetensors").exists()
    assert all(sum(tensor.nbytes for tensor in load_file(file).values()) <= SHARD for file in files)
    index = json.loads((folder / INDEX).read_text())
    expected = small_model().state_dict()
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in expected.values())
    read = {name: load_file(folder / file)[name] for name, file in index["weight_map"].items()}
    assert read.keys() == expected.keys()
    for loaded in (read, weights.load_weights(folder).state_dict()):
        assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    found = weights.check_folder(folder)
    assert list(found.tensor_files) == [INDEX, *(file.name for file in files)]
    assert set(weights.known_files(found)) == {file.name for file in folder.iterdir()}


def test_a_tensor_larger_than_a_shard_has_one_of_its_own(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "weights", max_shard=1)
    assert len(shards(folder)) == len(small_model().state_dict())
    weights.check_folder(folder)


def test_a_shard_that_is_missing_is_named(folder: Path) -> None:
    shards(folder)[1].unlink()
    with pytest.raises(WeightsError, match=r"lacks model-00002-of-"):
        weights.read_folder(folder)
    (folder / INDEX).unlink()
    with pytest.raises(WeightsError, match=r"lacks model\.safetensors"):
        weights.read_folder(folder)


def other_map(folder: Path) -> None:
    index = json.loads((folder / INDEX).read_text())
    name = next(iter(index["weight_map"]))
    index["weight_map"][name] = shards(folder)[-1].name
    (folder / INDEX).write_text(json.dumps(index))


def no_map(folder: Path) -> None:
    (folder / INDEX).write_text("{}")


def tensor_twice(folder: Path) -> None:
    first, second = shards(folder)[:2]
    texts = {"fer_zoo": _text(first)}
    save_file({**load_file(second), next(iter(load_file(first))): torch.zeros(1)}, second, texts)


def tensor_missing(folder: Path) -> None:
    first = shards(folder)[0]
    tensors = load_file(first)
    name = sorted(tensors)[0]
    texts = {"fer_zoo": _text(first)}
    del tensors[name]
    save_file(tensors, first, texts)
    index = json.loads((folder / INDEX).read_text())
    del index["weight_map"][name]
    (folder / INDEX).write_text(json.dumps(index))


def other_header(folder: Path) -> None:
    first = shards(folder)[0]
    save_file(load_file(first), first, {"fer_zoo": _text(first).replace("try", "two")})


def _text(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as opened:
        return str(opened.metadata()["fer_zoo"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (other_map, "weight_map names other files"),
        (no_map, "weight_map"),
        (tensor_twice, "a tensor lies in two files"),
        (tensor_missing, "is missing"),
        (other_header, "different headers"),
    ],
)
def test_shards_that_disagree_are_refused(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    sign(folder)
    with pytest.raises(WeightsError, match=message):
        weights.load_weights(folder)


@pytest.mark.parametrize("name", [INDEX, 0, 1, -1], ids=str)
def test_a_flipped_byte_in_any_file_is_refused(folder: Path, name: str | int) -> None:
    path = folder / name if isinstance(name, str) else shards(folder)[name]
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="sha256"):
        weights.load_weights(folder)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "model.safetensors", "model-00001-of-00009.safetensors", "a\x00b"]
)
def test_a_card_cannot_name_other_files(folder: Path, name: str) -> None:
    files = record(folder)["files"]
    for wrong in ({name: "0" * 64}, {**files, name: "0" * 64}):
        change_record(folder, files=wrong)
        with pytest.raises(WeightsError, match=r"no shards of weights|control characters"):
            weights.read_folder(folder)
