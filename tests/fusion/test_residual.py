"""lm, lm_gate and lm_add against their formulas in plain loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from fer_zoo.landmarks.maps import Kernel, landmark_map
from fer_zoo.registry import FUSIONS
from fer_zoo.specs import Site

SITES = {"a": Site(4, 0), "b": Site(6, 1), "deep.0": Site(5, 2.5, 3)}
CLIP = (24, 32)
# site: the frame of each of its steps, T' = 3
FRAMES = {"a": (0, 1, 2), "b": (1, 2, 3), "deep.0": (2, 5, 8)}
FORMULAS: dict[str, Callable[[float, float, float], float]] = {
    "lm": lambda x, a, w: w * x,
    "lm_gate": lambda x, a, w: x * (1 + a * w),
    "lm_add": lambda x, a, w: x + a * w,
}


def landmarks() -> torch.Tensor:
    """Most points outside, so that most of the map is 0."""
    points = torch.rand(2, 10, 68, 2, generator=torch.Generator().manual_seed(0)) * 31
    points[:, :, 8:] = torch.nan
    return points


@pytest.mark.parametrize("options", [{}, {"kernel": "gaussian", "radius": 1, "points": "all"}], ids=str)
@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("name", FORMULAS)
def test_equals_the_formula(name: str, site: str, options: dict[str, Any]) -> None:
    fusion = FUSIONS.get(name).build(options=options, sites=SITES)
    channels = SITES[site].channels
    gains = torch.zeros(channels)
    if name != "lm":
        (gain,) = (p for key, p in fusion.named_parameters() if key == f"gain.{site.replace('.', '_')}")
        assert gain.eq(0).all()
        gain.data = torch.randn(gain.shape)
        gains = gain.detach().flatten().expand(channels)
    shortcut = torch.randn(2, channels, 3, 6, 8)
    out = fusion(shortcut, landmarks(), CLIP, site)
    for t, frame in enumerate(FRAMES[site]):
        drawn = landmark_map(landmarks()[:, frame : frame + 1], CLIP, (6, 8), **options).weights[:, 0, 0]
        assert drawn.unique().numel() > 3
        for b, c, row, column in torch.cartesian_prod(*map(torch.arange, (2, channels, 6, 8))).tolist():
            x, w = shortcut[b, c, t, row, column].item(), drawn[b, row, column].item()
            expected = FORMULAS[name](x, gains[c].item(), w)
            assert out[b, c, t, row, column].item() == pytest.approx(expected, abs=1e-5)


def test_lm_has_nothing_to_learn() -> None:
    assert not FUSIONS.get("lm").build(options={}, sites=SITES).state_dict()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_a_network_in_half_precision_draws_the_map_of_float32(kernel: Kernel, dtype: torch.dtype) -> None:
    """At 299 pixels, most landmarks rounded to bfloat16 would fall into a different cell."""
    points, size = torch.rand(2, 10, 68, 2, generator=torch.Generator().manual_seed(0)) * 298, (299, 299)
    shortcut, fusion = torch.randn(2, 4, 10, 38, 38), FUSIONS.get("lm").build(options={"kernel": kernel}, sites=SITES)
    expected = fusion.map_at("a", shortcut, points, size)
    halved = fusion.map_at("a", shortcut.to(dtype), points, size)
    assert torch.equal(halved.weights, expected.weights.to(dtype))
    with torch.autocast("cpu", dtype):
        assert torch.equal(fusion.map_at("a", shortcut, points, size).weights, expected.weights)
    moved = fusion.map_at("a", shortcut, points.to(dtype).float(), size)
    assert (moved.weights - expected.weights).abs().max() > 0.01, "otherwise this test could not fail"
