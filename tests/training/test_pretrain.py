"""Frame-wise pre-training: windows are cut right, and an inflated network starts as its 2D twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fer_zoo.compose import build
from fer_zoo.data.clips import ClipSet
from fer_zoo.errors import TrainingError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import BACKBONES, register_backbone
from fer_zoo.specs import ComponentSpec
from fer_zoo.training.pretrain import central_frames, frame_recipe, inflate, random_frames


def numbered_clips(count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    frames = np.arange(count * length, dtype=np.uint8).reshape(count, length, 1, 1, 1).repeat(3, -1)
    landmarks = np.arange(count * length, dtype=np.float32).reshape(count, length, 1, 1)
    return frames, np.broadcast_to(landmarks, (count, length, 68, 2)).copy()


def test_random_frames_are_consecutive_and_keep_their_landmarks() -> None:
    frames, landmarks = numbered_clips(6, 10)
    cut, points = random_frames(frames, landmarks, 4, np.random.default_rng(0))
    assert cut.shape == (6, 4, 1, 1, 3)
    assert (np.diff(cut[:, :, 0, 0, 0].astype(int), axis=1) == 1).all()
    assert (cut[:, 0, 0, 0, 0] // 10 == np.arange(6)).all()
    assert len(set(cut[:, 0, 0, 0, 0] % 10)) > 1, "the window must vary"
    np.testing.assert_array_equal(points[:, :, 0, 0], cut[:, :, 0, 0, 0])


def test_random_frames_of_the_whole_clip_draw_nothing() -> None:
    frames, landmarks = numbered_clips(2, 10)
    rng = np.random.default_rng(0)
    assert random_frames(frames, landmarks, 10, rng)[0] is frames
    assert rng.random() == np.random.default_rng(0).random(), "resuming older runs must see the same numbers"


def test_central_frames() -> None:
    frames, landmarks = numbered_clips(3, 10)
    clips = ClipSet.from_arrays(frames, landmarks, [0, 1, 0], [5, 6, 7], ["a", "b"])
    one = central_frames(clips, 1)
    assert one.read(np.arange(3))[:, :, 0, 0, 0].tolist() == [[4], [14], [24]]
    assert one.landmarks[:, 0, 0, 0].tolist() == [4, 14, 24]
    assert one.subjects.tolist() == [5, 6, 7]
    assert central_frames(clips, 10) is clips


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
