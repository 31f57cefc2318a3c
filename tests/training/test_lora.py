"""LoRA of a transformers backbone: adapters and head are trained, saved weights are merged, runs resume exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import toy_faces
import transformers
from pydantic import ValidationError
from same_run import assert_same_run

from fer_zoo import data
from fer_zoo.errors import OptionError
from fer_zoo.recipes import load_recipe, training_changes
from fer_zoo.specs import Recipe
from fer_zoo.training import TrainResult, train
from fer_zoo.training.run import Stage
from fer_zoo.weights import load_weights, read_folder
from fer_zoo.weights.config import local_options

LORA = {"targets": ["q_proj", "v_proj"], "rank": 2, "alpha": 4, "dropout": 0.1}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random small CLIP vision encoder, as a Hub repository has it."""
    folder = tmp_path_factory.mktemp("published") / "tiny-clip"
    torch.manual_seed(5)
    config = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    transformers.CLIPVisionModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessor().save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    return folder


def recipe(published: Path, **changes: object) -> Recipe:
    toy = toy_faces.recipe(lora=LORA, **changes).model_dump(mode="json")
    backbone = {"name": "transformers/clip", "hub": f"local-dir:{published}"}
    parts = {"backbone": backbone, "temporal": "mean", "fusion": "lm_attn", "pool": "mean"}
    return Recipe.model_validate({**toy, "model": {**toy["model"], **parts}, "backbone_weights": "pretrained"})


@pytest.fixture(scope="module")
def whole(published: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    """A training run of two epochs, which starts from the small encoder."""
    out = tmp_path_factory.mktemp("run") / "run"
    return out, train(recipe(published, epochs=2), out, device="cpu")


def test_saved_weights_are_merged(whole: tuple[Path, TrainResult], published: Path) -> None:
    start = transformers.CLIPVisionModel.from_pretrained(published).state_dict()
    model = load_weights(whole[1].weights)
    own = {k.removeprefix("backbone.network."): v for k, v in model.state_dict().items() if k.startswith("backbone.")}
    changed = {key for key, tensor in own.items() if not torch.equal(tensor, start[key])}
    assert changed == {key for key in own if key.endswith(("q_proj.weight", "v_proj.weight"))}
    assert not [key for key in model.state_dict() if "lora" in key]


def test_weights_need_neither_hub_nor_local_folder(whole: tuple[Path, TrainResult], published: Path) -> None:
    moved = published.rename(published.with_name("moved"))
    try:
        found = read_folder(whole[1].weights)
        options = found.spec.backbone.options
        assert options["hub"] == "local-dir:tiny-clip"
        assert (options["config"]["hidden_size"], options["licence"]) == (16, "cc-by-nc-4.0")
        assert local_options(found.spec) == []
        load_weights(whole[1].weights)
    finally:
        moved.rename(published)


def test_the_card_carries_the_licence_of_the_start(whole: tuple[Path, TrainResult]) -> None:
    card = read_folder(whole[1].weights).card
    assert card.licence == "cc-by-nc-4.0 (start weights), CC0-1.0 (data)"
    assert "tiny-clip (licence: cc-by-nc-4.0), which may not be used commercially" in card.terms
    text = (whole[1].weights / "README.md").read_text()
    assert "license_name: cc-by-nc-4.0-start-weights-cc0-1.0-data" in text


@pytest.mark.slow
def test_a_stopped_run_resumes_exactly(whole: tuple[Path, TrainResult], published: Path, tmp_path: Path) -> None:
    train(recipe(published, epochs=2), tmp_path / "run", device="cpu", max_steps=5)
    train(recipe(published, epochs=2), tmp_path / "run", device="cpu", resume=True)
    assert_same_run(whole[0], tmp_path / "run")


def test_the_recipe_of_a_run_is_the_one_given_with_the_config(whole: tuple[Path, TrainResult], published: Path) -> None:
    given, written = recipe(published, epochs=2), load_recipe(whole[0] / "recipe.yaml")
    assert "config" in written.model.backbone.options
    assert training_changes(written, given) == training_changes(given, written) == []
    assert training_changes(written, recipe(published.with_name("other"), epochs=2))


def test_a_target_that_matches_nothing_stops_it_before_anything_is_rendered(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", lambda *args, **options: pytest.fail("clips were loaded"))
    made = recipe(published).model_dump(mode="json")
    made["train"]["lora"]["targets"] = ["q_proj", "query"]
    message = r"'query' matches no linear layer of transformers/clip.\n  Accepted: fc1, fc2, k_proj, .*\n  What to do: "
    with pytest.raises(OptionError, match=message):
        train(Recipe.model_validate(made), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
    convolutions = toy_faces.recipe(lora=LORA)
    with pytest.raises(OptionError, match=r"a backbone with linear layers"):
        Stage(convolutions, tmp_path / "run").network()


def test_not_with_frame_wise_pretraining() -> None:
    with pytest.raises(ValidationError, match="leave `pretrain` out"):
        toy_faces.recipe(pretrain=True, lora=LORA)
