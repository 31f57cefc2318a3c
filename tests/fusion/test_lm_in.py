"""lm_in: the landmark map as a fourth input channel."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fer_zoo
from fer_zoo.landmarks.maps import landmark_map
from fer_zoo.registry import FUSIONS


@pytest.mark.parametrize(
    ("size", "options", "radius"),
    [
        (299, {}, 9),
        (80, {}, 2),
        (16, {}, 1),
        (40, {"relative_radius": 0.1, "kernel": "gaussian", "points": "inner"}, 4),
    ],
    ids=str,
)
def test_fourth_channel_is_the_map_in_pixels_of_the_clip(size: int, options: dict[str, Any], radius: int) -> None:
    fusion = FUSIONS.get("lm_in").build(options=options)
    assert fusion.extra_channels == 1
    clip, points = torch.randn(2, 3, 3, size, size), torch.rand(2, 3, 68, 2) * (size - 1)
    points[1, 2] = torch.nan
    out = fusion(clip, points, (size, size))
    assert torch.equal(out[:, :3], clip)
    style = {key: value for key, value in options.items() if key != "relative_radius"}
    drawn = landmark_map(points, (size, size), (size, size), radius=radius, **style).weights
    drawn[1, :, 2] = 0
    assert torch.equal(out[:, 3:], drawn)
    # A point's own pixel has the full weight, at least under the paper's kernel.
    x, y = (points[0, 0, 30] + 0.5).long().tolist()
    assert out[0, 3, 0, y, x] == 1 or "kernel" in options


def test_clips_without_a_face_have_an_empty_channel() -> None:
    out = FUSIONS.get("lm_in").build(options={})(
        torch.randn(1, 3, 2, 16, 16), torch.full((1, 2, 68, 2), -90.0), (16, 16)
    )
    assert (out[:, 3] == 0).all()


def test_the_backbone_takes_four_channels() -> None:
    model = fer_zoo.create_model("incres3d_tiny_mean_lm_in", size=48, pool="mean")
    assert next(model.backbone.parameters()).shape[1] == 4
    model.eval()
    clip = torch.randn(1, 3, 10, 48, 48)
    one, other = (model(clip, torch.rand(1, 10, 68, 2) * 47) for _ in range(2))
    assert not torch.allclose(one, other)
