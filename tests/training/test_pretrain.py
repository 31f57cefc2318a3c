"""Frame-wise pre-training: an inflated network starts as its 2D twin."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fer_zoo.compose import build
from fer_zoo.errors import TrainingError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import BACKBONES, register_backbone
from fer_zoo.specs import ComponentSpec
from fer_zoo.training.pretrain import frame_recipe, inflate


@pytest.mark.parametrize(
    "backbone", ["incres3d_tiny", "incres3d_deep_tiny", "incres2plus1d_tiny", "incres3d_v2_tiny", "incres2d_tiny"]
)
def test_the_inflated_network_is_its_twin_on_every_frame(backbone: str) -> None:
    torch.manual_seed(0)
    recipe = load_recipe("quickstart", ["model.input.size=48", f"model.backbone={backbone}"])
    twin = build(frame_recipe(recipe).model).eval()
    model = build(recipe.model).eval()
    for module in twin.backbone.modules():  # statistics as after training, not their initial zeros and ones
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    inflate(model.backbone, twin.backbone)
    clip, landmarks = torch.randn(2, 3, 10, 48, 48), torch.rand(2, 10, 68, 2) * 48
    features = model.forward_features(clip, landmarks)
    first = int(model.backbone.output.first_frame)  # valid convolutions drop frames at each end
    assert features.shape[2] == 10 - 2 * first
    for step in range(features.shape[2]):
        frame = slice(first + step, first + step + 1)
        alone = twin.forward_features(clip[:, :, frame], landmarks[:, frame])
        torch.testing.assert_close(features[:, :, step], alone[:, :, 0], atol=1e-4, rtol=1e-4)


def test_a_frame_wise_backbone_is_its_own_twin() -> None:
    recipe = load_recipe("quickstart", ["model.backbone=incres2d_tiny"])
    assert frame_recipe(recipe).model.backbone == recipe.model.backbone


def test_a_backbone_without_a_twin_is_refused() -> None:
    recipe = load_recipe("quickstart", ["model.backbone=incres2d_tiny"])
    before = BACKBONES.snapshot()
    try:
        register_backbone("twinless")(lambda in_channels: torch.nn.Identity())
        model = recipe.model.model_copy(update={"backbone": ComponentSpec(name="twinless")})
        with pytest.raises(TrainingError, match="'twinless' has no 2D twin") as caught:
            frame_recipe(recipe.model_copy(update={"model": model}))
    finally:
        BACKBONES.restore(before)
    assert caught.value.accepted
    assert caught.value.do


def test_another_network_is_refused(tmp_path: Path) -> None:
    recipe = load_recipe("quickstart", ["model.input.size=48"])
    other = load_recipe("quickstart", ["model.input.size=48", "model.backbone.norm=none"])
    with pytest.raises(TrainingError, match="other tensors"):
        inflate(build(recipe.model).backbone, build(frame_recipe(other).model).backbone)
