"""Stages: every parameter is in one, frozen ones do not change, learning rates decrease towards the input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import fer_zoo
from fer_zoo import FERModel, parameter_groups
from fer_zoo.compose import feature_shape
from fer_zoo.errors import OptionError, UnknownNameError

STAGES = ["stem", "unit_a", "reduction_a", "unit_b", "reduction_b", "unit_c", "temporal", "classifier"]


@pytest.fixture
def model() -> FERModel:
    torch.manual_seed(0)
    return fer_zoo.create_model("incres3d_tiny_lstm_lm", size=48)


def train_a_step(model: FERModel) -> set[str]:
    """Names of the tensors that one large step of SGD with weight decay changes, statistics included."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1.0, weight_decay=0.1)
    logits = model.train()(torch.randn(2, 3, 10, 48, 48), torch.rand(2, 10, 68, 2) * 48)
    logits.square().sum().backward()
    optimizer.step()
    return {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}


def test_every_parameter_is_in_one_stage_from_input_to_output(model: FERModel) -> None:
    stages = model.stages()
    assert list(stages) == STAGES
    names = [name for stage in stages.values() for name in stage]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())


def test_a_frozen_stage_does_not_change_including_its_statistics(model: FERModel) -> None:
    model.freeze("stem", "unit_a")
    changed = train_a_step(model)
    assert not {name for name in changed if name.startswith(("backbone.stem.", "backbone.unit_a."))}
    assert "backbone.reduction_a.branches.1.0.weight" in changed
    assert "backbone.reduction_a.branches.1.1.running_mean" in changed


def test_train_does_not_unfreeze_a_stage(model: FERModel) -> None:
    norm = model.backbone.get_submodule("stem.0.1")
    model.freeze("stem")
    assert not model.train().backbone.get_submodule("stem.0.1").training
    assert model.backbone.get_submodule("unit_a.branches.branches.0.1").training
    model.unfreeze("stem")
    assert norm.training
    assert any(name.startswith("backbone.stem.") for name in train_a_step(model))


def test_freeze_all_but_the_classifier(model: FERModel) -> None:
    model.freeze()
    model.unfreeze("classifier")
    assert train_a_step(model) == {"classifier.weight", "classifier.bias"}


def test_rates_decrease_from_the_classifier_to_the_input(model: FERModel) -> None:
    model.freeze("stem")
    groups = parameter_groups(model, 0.1, decay=0.5, weight_decay=0.01)
    assert [group["name"] for group in groups] == STAGES[1:]
    assert [group["lr"] for group in groups] == [0.1 * 0.5**depth for depth in range(6, -1, -1)]
    assert all(group["weight_decay"] == 0.01 for group in groups)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert sum(p.numel() for group in groups for p in group["params"]) == trained
    torch.optim.AdamW(groups)


WRONG = [{"lr": 0.0}, {"lr": math.nan}, {"lr": "0.1"}, {"lr": 0.1, "decay": 1.5}, {"lr": 0.1, "weight_decay": -1.0}]


@pytest.mark.parametrize("wrong", WRONG)
def test_rates_out_of_range(model: FERModel, wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        parameter_groups(model, **wrong)
    assert "Accepted: lr > 0, 0 < decay <= 1, weight_decay >= 0" in str(caught.value)


@pytest.mark.parametrize("verb", ["freeze", "unfreeze"])
def test_an_unknown_stage(model: FERModel, verb: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        getattr(model, verb)("stam")
    assert str(caught.value) == (
        "Unknown stage 'stam'.\n"
        "  Accepted: did you mean 'stem'?\n"
        "  What to do: model.stages() of incres3d_tiny_lstm_lm lists them"
    )
    assert all(parameter.requires_grad for parameter in model.parameters()), "an error must change nothing"


def test_backbone_and_patterns_stand_for_their_stages(model: FERModel) -> None:
    model.freeze("backbone")
    assert train_a_step(model) <= {name for name in model.state_dict() if not name.startswith("backbone.")}
    model.unfreeze("unit_*")
    groups = parameter_groups(model, 0.1)
    assert [group["name"] for group in groups] == ["unit_a", "unit_b", "unit_c", "temporal", "classifier"]
    model.unfreeze()
    model.freeze("lower_half")
    groups = parameter_groups(model, 0.1)
    assert [group["name"] for group in groups] == ["unit_b", "reduction_b", "unit_c", "temporal", "classifier"]


def test_dropout_of_a_frozen_stage_is_off() -> None:
    model = fer_zoo.create_model("incres3d_tiny_transformer", size=48, **{"temporal.dropout": 0.9})
    channels, _, height, width = feature_shape(model.backbone, model.input_spec)
    sequence = torch.randn(2, 6, channels * height * width)
    assert not torch.equal(model.temporal(sequence), model.temporal(sequence))
    model.freeze("temporal")
    assert torch.equal(model.train().temporal(sequence), model.temporal(sequence))


def test_a_new_classifier_is_trained_even_if_the_old_one_was_frozen(model: FERModel) -> None:
    model.freeze("classifier")
    model.reset_classifier(num_classes=3)
    model.freeze("stem")
    assert {"classifier.weight", "classifier.bias"} <= train_a_step(model)


def test_only_the_named_stages_change(model: FERModel) -> None:
    model.backbone.requires_grad_(False)
    model.freeze("classifier")
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


def test_nothing_left_to_train(model: FERModel) -> None:
    model.freeze()
    with pytest.raises(OptionError, match=r"Every stage is frozen\.[\s\S]*unfreeze"):
        parameter_groups(model, 0.1)
