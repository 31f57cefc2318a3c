"""Weights folders: what was written comes back exactly; anything else is refused and explained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from weights_folders import LABELS, card_fields, make_folder, record, rewrite_tensors, small_model, small_recipe

import fer_zoo
from fer_zoo import weights, weights_table
from fer_zoo.errors import WeightsError
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import ModelSpec, WeightsCard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "made" / "weights")


def test_round_trip(folder: Path) -> None:
    model, loaded = small_model().eval(), weights.load_weights(folder)
    assert not loaded.training
    assert loaded.spec == model.spec
    assert loaded.labels == LABELS
    clip, landmarks = torch.randn(2, 3, 6, 32, 32), torch.rand(2, 6, 68, 2) * 32
    with torch.inference_mode():
        assert torch.equal(loaded(clip, landmarks), model(clip, landmarks))
    card = loaded.card
    assert card is not None
    hashes = {"sha256": weights.sha256(folder / "model.safetensors"), "beside": card.beside}
    assert card == WeightsCard(**card_fields(datasets=["synthmh"], tested_on=["synthmh"], **hashes))
    assert load_recipe(folder / "recipe.yaml") == small_recipe()


def test_the_folder(folder: Path) -> None:
    names = {"config.json", "model.safetensors", "check.safetensors", "recipe.yaml", "README.md", "confusion.png"}
    assert {file.name for file in folder.iterdir()} == names
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {(folder / "README.md").stat().st_mode & 0o777}
    assert list(folder.parent.iterdir()) == [folder]
    config = json.loads((folder / "config.json").read_text())
    assert config.keys() == {"format", "library", "version", "model", "detector_version"}
    assert (config["format"], config["library"], config["version"]) == (2, "fer-zoo", fer_zoo.__version__)
    assert ModelSpec(**config["model"]) == small_recipe().model
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        ((key, text),) = file.metadata().items()
    facts = json.loads(text)
    assert key == "fer_zoo"
    assert facts.pop("input") == config["model"]["input"]
    assert facts == {
        "name": "incres3d_tiny_lstm_lm.try",
        "labels": list(LABELS),
        "recipe_sha256": weights.sha256(folder / "recipe.yaml"),
    }
    assert {name: weights.sha256(folder / name) for name in record(folder)["beside"]} == record(folder)["beside"]
    assert weights.known_files(weights.read_folder(folder)) == (
        "config.json", "model.safetensors", "check.safetensors", "recipe.yaml", "README.md", "confusion.png",
    )  # fmt: skip


def test_the_training_detector_is_recorded(tmp_path: Path) -> None:
    given = {"detector_version": "dlib 20.0"}
    folder = weights.write_weights(tmp_path / "w", small_model(), small_recipe(), card_fields(), **given)
    assert weights.read_folder(folder).detector_version == weights.read_config(folder / "config.json").detector_version
    assert weights.read_folder(folder).detector_version == "dlib 20.0"


@pytest.mark.parametrize("line", ["licence", "terms", "may_use", "share_weights", "terms_source", "training_data"])
@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_card_without_its_terms_is_not_written(line: str, text: str | None, tmp_path: Path) -> None:
    card = card_fields(**{line: text})
    if text is None:
        del card[line]
    with pytest.raises(WeightsError, match=line):
        weights.write_weights(tmp_path / "w", small_model(), small_recipe(), card)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_is_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="sha256"):
        weights.load_weights(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "recipe.yaml", "README.md"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"lacks {name}"):
        weights.load_weights(folder)


def test_tensors_that_do_not_fit_are_all_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["stranger"] = torch.zeros(1)
    del tensors["classifier.bias"]
    tensors["classifier.weight"] = torch.zeros(2, 8)
    rewrite_tensors(folder, tensors)
    pattern = r"classifier\.bias is missing; classifier\.weight is .*\(2, 8\), not .*\(3, 8\); stranger is unexpected"
    with pytest.raises(WeightsError, match=pattern):
        weights.load_weights(folder)


def test_another_number_type_is_refused(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    rewrite_tensors(folder, {**tensors, "classifier.bias": tensors["classifier.bias"].half()})
    with pytest.raises(WeightsError, match=r"classifier\.bias is torch\.float16"):
        weights.load_weights(folder)


def test_card_and_config_must_agree_on_the_labels(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"glad"', '"sad"'))
    with pytest.raises(WeightsError, match="the same labels"):
        weights.load_weights(folder)


def test_a_folder_is_overwritten_only_with_the_option(folder: Path) -> None:
    with pytest.raises(WeightsError, match="exists"):
        weights.write_weights(folder, small_model(), small_recipe(), card_fields())
    weights.write_weights(folder, small_model(), small_recipe(), card_fields(hours=2.0), overwrite=True)
    assert weights.read_folder(folder).card.hours == 2.0


def test_an_incomplete_card_leaves_nothing_behind(tmp_path: Path) -> None:
    fields = card_fields()
    del fields["terms"]
    with pytest.raises(WeightsError, match="terms"):
        weights.write_weights(tmp_path / "w", small_model(), small_recipe(), fields)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def zoo(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "zoo"
    shutil.copytree(folder, root / "incres3d_tiny_lstm_lm.try")
    monkeypatch.setattr(weights_table, "ZOO", root)
    return root


def test_bundled_weights_are_found_by_name(zoo: Path) -> None:
    assert weights.bundled() == {"incres3d_tiny_lstm_lm.try": zoo / "incres3d_tiny_lstm_lm.try"}
    assert weights.find("incres3d_tiny_lstm_lm") == weights.find("incres3d_tiny_lstm_lm", "try")
    for model in (
        fer_zoo.create_model("incres3d_tiny_lstm_lm", pretrained=True),
        fer_zoo.create_model("incres3d_tiny_lstm_lm.try"),
    ):
        assert model.labels == LABELS
        assert model.card is not None
    assert fer_zoo.list_models(pretrained=True) == ["incres3d_tiny_lstm_lm.try"]


@pytest.mark.usefixtures("zoo")
def test_weights_that_are_not_there_say_which_are() -> None:
    with pytest.raises(WeightsError, match=r"no weights for 'incres3d_lstm_lm'(?s:.*)incres3d_tiny_lstm_lm\.try"):
        fer_zoo.create_model("incres3d_lstm_lm", pretrained=True)
    with pytest.raises(WeightsError, match="not 'other'"):
        fer_zoo.create_model("incres3d_tiny_lstm_lm.other")


def test_of_several_tags_the_highest_number_is_found(zoo: Path) -> None:
    for tag in ("synth9", "synth10"):
        shutil.copytree(zoo / "incres3d_tiny_lstm_lm.try", zoo / f"incres3d_tiny_lstm_lm.{tag}")
    assert weights.find("incres3d_tiny_lstm_lm").name.endswith(".synth10")
    for tag in ("try", "synth9"):
        assert weights.find("incres3d_tiny_lstm_lm", tag).name.endswith(f".{tag}")


def test_without_any_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights_table, "ZOO", tmp_path / "nothing")
    assert weights.bundled() == {}
    with pytest.raises(WeightsError, match="none yet"):
        weights.find("incres3d_lstm_lm")
