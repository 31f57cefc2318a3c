"""Published backbone weights in a model: loaded on demand, with a check of the clip normalisation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from fer_zoo import create_model
from fer_zoo.errors import OptionError, WeightsError
from fer_zoo.pretrained import load_backbone_weights

PARTS = r"\n  Accepted: .*\n  What to do: "


def holds(model: nn.Module, whole: nn.Module) -> bool:
    published = whole.state_dict()
    network = model.get_submodule("backbone.network").state_dict()
    return all(torch.equal(tensor, published[key]) for key, tensor in network.items())


def test_create_model_loads_them_into_the_backbone_only(hub_cache: Callable[[str], nn.Module]) -> None:
    whole = hub_cache("test_resnet")
    torch.manual_seed(3)
    plain = create_model("timm/test_resnet_gru", size=64)
    torch.manual_seed(3)
    loaded = create_model("timm/test_resnet_gru", size=64, backbone_weights=True)
    assert not holds(plain, whole)
    assert holds(loaded, whole)
    for part in ("temporal", "classifier"):
        for one, other in zip(
            plain.get_submodule(part).parameters(), loaded.get_submodule(part).parameters(), strict=True
        ):
            assert torch.equal(one, other)
    assert loaded.card is None


def test_a_backbone_without_published_weights() -> None:
    with pytest.raises(WeightsError, match=f"Backbone 'incres3d_tiny' has no published weights.{PARTS}"):
        load_backbone_weights(create_model("incres3d_tiny_mean", size=48))


@pytest.mark.parametrize(
    ("key", "expected"), [("mean", r"\(0.43216, 0.394666, 0.37645\)"), ("std", r"\(0.22803, .*\)")]
)
def test_a_different_normalisation_is_an_error(key: str, expected: str) -> None:
    model = create_model("r3d_18_mean", size=32, **{key: (0.5, 0.5, 0.5)})
    reason = rf"{key} is \(0.5, 0.5, 0.5\); the published weights of 'r3d_18' were trained with {expected}"
    with pytest.raises(
        WeightsError, match=f"clip normalisation of r3d_18_mean does not match its backbone weights: {reason}.{PARTS}"
    ):
        load_backbone_weights(model)


def test_a_backbone_that_registers_only_one_of_mean_and_std() -> None:
    """incres3d_v2 is registered with a std and the default mean; the mean is checked too."""
    with torch.device("meta"):
        model = create_model("incres3d_v2_mean", size=80, mean=(0.4, 0.4, 0.4))
    with pytest.raises(WeightsError, match=r"mean is \(0.4, .*\); .* trained with \(0.5, 0.5, 0.5\)"):
        load_backbone_weights(model)


@pytest.mark.parametrize(
    "requested", [{"pretrained": True}, {"name": "incres3d_tiny_lstm_lm.synth7"}, {"pretrained": "synth7"}]
)
def test_trained_weights_and_backbone_weights_exclude_each_other(requested: dict[str, bool | str]) -> None:
    with pytest.raises(OptionError, match=f"trained weights and with backbone_weights.{PARTS}"):
        create_model(**{"name": "incres3d_tiny_lstm_lm", **requested}, backbone_weights=True)  # type: ignore[arg-type]


def test_not_with_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"A recipe .* was given with other options"):
        create_model(recipe=tmp_path / "recipe.yaml", backbone_weights=True)
