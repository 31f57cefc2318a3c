"""Training from published backbone weights: a new run starts from them, a resumed one from its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import toy_faces
from pydantic import ValidationError
from torch import nn

from fer_zoo import data
from fer_zoo.errors import WeightsError
from fer_zoo.specs import Recipe
from fer_zoo.training import distributed, train
from fer_zoo.training.run import Run, Stage, start


def recipe(**fields: object) -> Recipe:
    toy = toy_faces.recipe(epochs=1).model_dump()
    network = {"backbone": "timm/test_resnet", "temporal": "mean", "fusion": "none", "head_norm": "none"}
    mean = std = (0.5, 0.5, 0.5)
    model = {**toy["model"], **network, "input": {**toy["model"]["input"], "mean": mean, "std": std}}
    return Recipe.model_validate({**toy, "model": model, "backbone_weights": "pretrained", **fields})


def started(requested: Recipe, folder: Path) -> Run:
    stage = Stage(requested, folder)
    return start(stage, stage.network(), data.load(requested), distributed.join("cpu"))


def test_a_new_run_starts_from_them(tmp_path: Path, hub_cache: Callable[[str], nn.Module]) -> None:
    whole, requested = hub_cache("test_resnet"), recipe()
    published = whole.state_dict()
    run = started(requested, tmp_path / "run")
    for network in (run.model, run.average):
        state = network.backbone.network.state_dict()  # type: ignore[union-attr,operator]
        assert all(torch.equal(tensor, published[key]) for key, tensor in state.items())
    random = started(recipe(backbone_weights="random"), tmp_path / "random")
    assert not torch.equal(
        random.model.get_parameter("backbone.network.conv1.0.weight"),
        run.model.get_parameter("backbone.network.conv1.0.weight"),
    )


def test_a_resumed_run_needs_them_no_more(tmp_path: Path, hub_cache: Callable[[str], nn.Module]) -> None:
    hub_cache("test_resnet")
    train(recipe(), tmp_path / "run", max_steps=1, device="cpu")
    for file in tmp_path.glob("hub/**/model.safetensors"):
        file.unlink()
    result = train(recipe(), tmp_path / "run", resume=True, device="cpu")
    assert result.epochs == 1


def test_weights_that_are_missing_stop_it_before_anything_is_rendered(
    tmp_path: Path, hub_cache: Callable[[str], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", lambda *args, **options: pytest.fail("clips were loaded"))
    with pytest.raises(WeightsError, match="timm/test_resnet could not be loaded"):
        train(recipe(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_not_with_frame_wise_pretraining() -> None:
    with pytest.raises(ValidationError, match="backbone_weights is 'pretrained'"):
        recipe(pretrain={"epochs": 1})
