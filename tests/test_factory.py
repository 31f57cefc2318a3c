"""create_model and list_models: names compose, options reach their component, mistakes are explained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fer_zoo
from fer_zoo.compose import model_spec
from fer_zoo.errors import InputError, OptionError, UnknownNameError
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS

TINY = [name for name in fer_zoo.list_models() if "_tiny" in name]


def test_list_models() -> None:
    names = fer_zoo.list_models()
    assert len(names) == len(BACKBONES.names()) * len(TEMPORALS.names()) * len(FUSIONS.names())
    assert "incres3d_lstm_lm" in names
    assert fer_zoo.list_models("*lstm*") == [name for name in names if "lstm" in name]
    assert fer_zoo.list_models("nothing*") == []


def test_list_components() -> None:
    assert fer_zoo.list_components("fusion") == FUSIONS.names() == ["lm", "none"]
    with pytest.raises(UnknownNameError, match="did you mean 'fusion'"):
        fer_zoo.list_components("fusions")


@pytest.mark.parametrize("name", TINY)
def test_every_tiny_model_trains_a_step(name: str) -> None:
    torch.manual_seed(0)
    model = fer_zoo.create_model(name, labels=["a", "b", "c"], size=48)
    clip, landmarks = torch.randn(2, 3, 10, 48, 48), torch.rand(2, 10, 68, 2) * 48
    logits = model(clip, landmarks)
    assert logits.shape == (2, 3)
    assert model.spec.name == name
    logits.sum().backward()
    without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert not without, f"no gradient reaches {without}"


def test_options_reach_their_component() -> None:
    spec = model_spec("incres3d_tiny_lstm_lm", width=0.5, hidden=9, radius=1, size=64, pool="flatten", dropout=0.0)
    assert spec.backbone.options == {"width": 0.5}
    assert spec.temporal.options == {"hidden": 9}
    assert spec.fusion.options == {"radius": 1}
    assert (spec.input.size, spec.pool, spec.dropout) == (64, "flatten", 0.0)
    assert model_spec("incres3d_tiny_lstm_lm", **{"backbone.width": 0.5}).backbone.options == {"width": 0.5}
    assert model_spec("incres3d_tiny_lstm_lm", **{"temporal.hidden": 5}).temporal.options == {"hidden": 5}


def test_a_name_gives_the_network_of_its_release_recipe() -> None:
    """Else `create_model(name)` and `create_model(name, pretrained=True)` would be two networks."""
    for recipe in (name for name in list_recipes() if name.startswith("release/")):
        assert model_spec(recipe.removeprefix("release/")) == load_recipe(recipe).model


def test_suggested_options_yield_to_given_ones() -> None:
    assert model_spec("incres3d_tiny_lstm").temporal.options == {"hidden": 40}
    assert model_spec("incres3d_tiny_lstm", hidden=7).temporal.options == {"hidden": 7}
    assert model_spec("incres3d_tiny_mean").temporal.options == {}
    assert model_spec("incres3d_lstm_lm").fusion.options == {}, "the paper's network has the paper's defaults"


def test_two_tags_are_refused() -> None:
    with pytest.raises(OptionError, match="one tag"):
        fer_zoo.create_model("incres3d_tiny_lstm_lm.a", pretrained="b")


def test_num_classes_and_labels() -> None:
    assert fer_zoo.create_model("incres3d_tiny_mean", num_classes=3).labels == ("class_0", "class_1", "class_2")
    with pytest.raises(OptionError, match="one of them"):
        fer_zoo.create_model("incres3d_tiny_mean", num_classes=3, labels=["a", "b", "c"])


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("incres3d_lstm_ln", {}, UnknownNameError, "did you mean 'incres3d_lstm_lm'"),
        ("incres3d", {}, UnknownNameError, "fer_zoo.list_models() lists them"),
        ("incres3d_tiny_lstm", {"widht": 1}, OptionError, "Option 'widht' is an option of none of the parts"),
        ("incres3d_tiny_lstm", {"hidden": "many"}, OptionError, "'many' is wrong for temporal 'lstm'"),
        ("incres3d_tiny_lstm", {"width": -1.0}, OptionError, "-1.0 is wrong for backbone"),
        ("incres3d_tiny_lstm", {"labels": ["a", "a"]}, OptionError, "stand twice"),
        ("incres3d_tiny_lstm", {"pool": "max"}, OptionError, "pool"),
        ("incres3d_tiny_lstm", {"size": 16}, InputError, "too small"),
        ("incres3d_tiny_lstm", {"frames": 4}, InputError, "too small"),
        ("incres3d_tiny_lstm", {"frames": 0}, OptionError, "frames"),
    ],
)
def test_mistakes_are_explained(name: str, options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        fer_zoo.create_model(name, **options)
    assert says in str(caught.value)
    assert "What to do:" in str(caught.value)
