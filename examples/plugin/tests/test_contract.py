"""What fer_zoo asks of a component, checked by its public contract kit."""

from pathlib import Path

import pytest
import torch

import fer_zoo
from fer_zoo.compose import model_spec
from fer_zoo.testing import check_backbone, check_fusion, check_model, check_recipe


def test_backbone() -> None:
    check_backbone("micro", size=48)


def test_fusion() -> None:
    check_fusion("spotlight")


@pytest.mark.parametrize("name", [name for name in fer_zoo.list_models("micro_*") if "lstm" in name])
def test_networks(name: str) -> None:
    check_model(model_spec(name, size=48))


def test_recipe() -> None:
    check_recipe(Path(__file__).parent.parent / "recipe.yaml")


def test_spotlight_leaves_a_frame_without_a_face_alone() -> None:
    model = fer_zoo.create_model("micro_mean_spotlight").eval()
    plain = fer_zoo.create_model("micro_mean").eval()
    plain.load_state_dict(model.state_dict())
    clip = torch.randn(1, 3, 10, 64, 64)
    assert torch.equal(model(clip, torch.full((1, 10, 68, 2), torch.nan)), plain(clip))
