"""Weights folders: what was written comes back exactly; anything else is refused and explained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import fer_zoo
from fer_zoo import weights
from fer_zoo.compose import build
from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import ModelSpec, Recipe, WeightsCard

LABELS = ("calm", "glad", "cross")
METRICS = {"clips": 6, "subjects": 2, "war": 0.5, "uar": 0.5, "confusion": [[1, 1, 0], [0, 2, 0], [2, 0, 0]]}


def small_recipe(labels: tuple[str, ...] = LABELS, width: float = 0.05) -> Recipe:
    model = {
        "backbone": {"name": "incres3d_tiny", "width": width},
        "temporal": {"name": "lstm", "hidden": 8},
        "fusion": {"name": "lm", "radius": 2},
        "pool": "mean",
        "labels": labels,
        "input": {"frames": 6, "size": 32},
    }
    split = {"train": (0, 2), "validation": (2, 3), "test": (3, 4)}
    return Recipe.model_validate({"model": model, "split": split, "protocol": "subject-independent", "seed": 1})


def card_fields(**changes: Any) -> dict[str, Any]:
    fields = {
        "name": "incres3d_tiny_lstm_lm.try",
        "labels": LABELS,
        "licence": "Apache-2.0",
        "terms": "None beyond the licence.",
        "may_use": "anybody",
        "share_weights": "yes",
        "terms_source": "a note of 2026-11-22",
        "training_data": "Coloured squares.",
        "protocol": "subject-independent",
        "metrics": {"test": METRICS},
        "commit": "0" * 40,
        "hardware": "a small machine",
        "hours": 0.1,
        "synthetic": True,
    }
    return {**fields, **changes}


def small_model(**options: Any) -> FERModel:
    torch.manual_seed(0)
    return build(small_recipe(**options).model)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return weights.write_weights(tmp_path / "made" / "weights", small_model(), small_recipe(), card_fields())


def rewrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Replace the tensors and make sha256 and header fit, so that only the tensors themselves are wrong."""
    file = folder / "model.safetensors"
    with safe_open(file, framework="pt") as opened:
        header = opened.metadata()
    save_file(tensors, file, header)
    readme = (folder / "README.md").read_text()
    digest = yaml.safe_load(readme.split("---\n")[1])["fer_zoo"]["sha256"]
    (folder / "README.md").write_text(readme.replace(digest, weights._sha256(file)))


def test_round_trip(folder: Path) -> None:
    model, loaded = small_model().eval(), weights.load_weights(folder)
    assert not loaded.training
    assert loaded.spec == model.spec
    assert loaded.labels == LABELS
    clip, landmarks = torch.randn(2, 3, 6, 32, 32), torch.rand(2, 6, 68, 2) * 32
    with torch.inference_mode():
        assert torch.equal(loaded(clip, landmarks), model(clip, landmarks))
    card = loaded.card
    assert card == WeightsCard(**card_fields(sha256=weights._sha256(folder / "model.safetensors")))
    assert load_recipe(folder / "recipe.yaml") == small_recipe()


def test_the_folder(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors", "recipe.yaml", "README.md"}
    assert list(folder.parent.iterdir()) == [folder]
    config = json.loads((folder / "config.json").read_text())
    assert config["format"] == 1
    assert ModelSpec(**config["model"]) == small_recipe().model
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        header = file.metadata()
    assert header["name"] == "incres3d_tiny_lstm_lm.try"
    assert json.loads(header["labels"]) == list(LABELS)
    assert header["recipe_sha256"] == weights._sha256(folder / "recipe.yaml")


def test_the_card_says_what_a_reader_must_know(folder: Path) -> None:
    _, front, body = (folder / "README.md").read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["library_name"] == "fer-zoo"
    assert matter["pipeline_tag"] == "video-classification"
    assert matter["license"] == "apache-2.0"
    assert "synthetic-data" in matter["tags"]
    for text in (
        "synthetic",
        "not comparable",
        "None beyond the licence.",
        "shared: yes.",
        "| test | 6 | 2 | 50.0% | 50.0% |",
    ):
        assert text in body
    assert "| glad | 0 | 2 | 0 |" in body


@pytest.mark.parametrize("line", ["licence", "terms", "may_use", "share_weights", "terms_source", "training_data"])
@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_card_without_its_terms_is_not_written(line: str, text: str | None, tmp_path: Path) -> None:
    card = card_fields(**{line: text})
    if text is None:
        del card[line]
    with pytest.raises(WeightsError, match=line):
        weights.write_weights(tmp_path / "w", small_model(), small_recipe(), card)
    assert list(tmp_path.iterdir()) == []


def test_a_licence_that_is_no_word_is_other_to_a_hub(tmp_path: Path) -> None:
    card = card_fields(licence="gated: signed agreement")
    text = (weights.write_weights(tmp_path / "w", small_model(), small_recipe(), card) / "README.md").read_text()
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "other"
    assert "Licence: gated: signed agreement." in text


def test_the_card_of_real_faces_does_not_say_synthetic(tmp_path: Path) -> None:
    folder = weights.write_weights(tmp_path / "w", small_model(), small_recipe(), card_fields(synthetic=False))
    assert "synthetic-data" not in (folder / "README.md").read_text()
    assert "are synthetic" not in (folder / "README.md").read_text()


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


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", "damaged"),
        ("config.json", "[]", "damaged"),
        ("config.json", '{"format": 2}', "format 2"),
        ("config.json", '{"format": 1, "model": {"backbone": "incres3d"}}', "damaged"),
        ("README.md", "# no front matter", "damaged"),
        ("README.md", "---\nfer_zoo: [\n---\n", "damaged"),
        ("README.md", "---\nfer_zoo: {name: a}\n---\n", "damaged"),
    ],
)
def test_a_damaged_file_is_refused(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(WeightsError, match=message):
        weights.load_weights(folder)


def test_an_unknown_component_is_a_weights_error(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace("incres3d_tiny", "incres9d"))
    with pytest.raises(WeightsError, match="incres9d"):
        weights.load_weights(folder)


def test_tensors_that_do_not_fit_are_all_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["stranger"] = torch.zeros(1)
    del tensors["classifier.bias"]
    tensors["classifier.weight"] = torch.zeros(2, 8)
    rewrite(folder, tensors)
    pattern = r"classifier\.bias is missing; classifier\.weight is .*\(2, 8\), not .*\(3, 8\); stranger is unexpected"
    with pytest.raises(WeightsError, match=pattern):
        weights.load_weights(folder)


def test_another_number_type_is_refused(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    rewrite(folder, {**tensors, "classifier.bias": tensors["classifier.bias"].half()})
    with pytest.raises(WeightsError, match=r"classifier\.bias is torch\.float16"):
        weights.load_weights(folder)


@pytest.mark.parametrize("labels", [("calm", "glad"), ("glad", "calm", "cross")], ids=["count", "order"])
def test_weights_of_other_classes_say_so_and_leave_the_model_alone(folder: Path, labels: tuple[str, ...]) -> None:
    model = small_model(labels=labels)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r"has 3 classes \(calm, glad, cross\); the model has") as caught:
        weights.load_into(model, weights.read_folder(folder))
    assert 'create_model("incres3d_tiny_lstm_lm.try")' in caught.value.do
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_card_and_config_must_agree_on_the_labels(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"glad"', '"sad"'))
    with pytest.raises(WeightsError, match="the same labels"):
        weights.load_weights(folder)


def test_a_folder_is_overwritten_only_when_asked(folder: Path) -> None:
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
    monkeypatch.setattr(weights, "_ZOO", root)
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


def test_several_tags_must_be_chosen_from(zoo: Path) -> None:
    shutil.copytree(zoo / "incres3d_tiny_lstm_lm.try", zoo / "incres3d_tiny_lstm_lm.two")
    with pytest.raises(WeightsError, match="say which"):
        weights.find("incres3d_tiny_lstm_lm")
    assert weights.find("incres3d_tiny_lstm_lm", "two").name.endswith(".two")


def test_without_any_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "_ZOO", tmp_path / "nothing")
    assert weights.bundled() == {}
    with pytest.raises(WeightsError, match="none yet"):
        weights.find("incres3d_lstm_lm")
