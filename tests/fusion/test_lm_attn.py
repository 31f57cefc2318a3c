"""lm_attn: sampling checked on ramps, attention against plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from fer_zoo.errors import OptionError
from fer_zoo.fusion.lm_attn import sample_at
from fer_zoo.landmarks.maps import POINT_SETS
from fer_zoo.registry import FUSIONS
from fer_zoo.specs import Site

SITE = Site(6, 1, 2)


@pytest.mark.parametrize("grid", [(5, 8), (10, 16), (40, 64)])
def test_sampling_a_ramp_gives_the_position(grid: tuple[int, int]) -> None:
    """A clip of 40 x 64 pixels whose colour is the pixel's own x and y, averaged to the grid, sampled at points."""
    clip_size = (40, 64)
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(64.0), indexing="ij")
    ramp = torch.stack((columns, rows))[None]
    frames = torch.nn.functional.avg_pool2d(ramp, (40 // grid[0], 64 // grid[1]))
    cell = 64 // grid[1]
    generator = torch.Generator().manual_seed(0)
    # Between the outermost centres of cells the ramp is linear.
    low, high = (cell - 1) / 2, torch.tensor([64, 40]) - 1 - (cell - 1) / 2
    points = low + torch.rand(1, 50, 2, generator=generator) * (high - low)
    torch.testing.assert_close(sample_at(frames, points, clip_size), points, rtol=0, atol=1e-4)


def test_sampling_by_index() -> None:
    """The grid position is (p + 0.5) * scale - 0.5 with separate scales for x and y; the border is repeated."""
    frames = torch.randn(2, 3, 4, 6)
    clip_size = (8, 24)
    points = torch.tensor([[1.5, 0.5], [0.0, 7.0], [9.3, 4.1]]).expand(2, 3, 2)
    got = sample_at(frames, points, clip_size)
    for k, (x, y) in enumerate(points[0].tolist()):
        u = min(max((x + 0.5) * 6 / 24 - 0.5, 0), 5)
        v = min(max((y + 0.5) * 4 / 8 - 0.5, 0), 3)
        left, top = min(int(u), 4), min(int(v), 2)
        right, down = u - left, v - top
        corners = {
            (top, left): (1 - down) * (1 - right),
            (top, left + 1): (1 - down) * right,
            (top + 1, left): down * (1 - right),
            (top + 1, left + 1): down * right,
        }
        expected = sum(share * frames[:, :, row, column] for (row, column), share in corners.items())
        torch.testing.assert_close(got[:, k], expected)


def test_sampling_a_single_cell() -> None:
    frames = torch.randn(1, 3, 1, 1)
    got = sample_at(frames, torch.tensor([[[0.0, 31.0]]]), (32, 32))
    torch.testing.assert_close(got[0, 0], frames[0, :, 0, 0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_features_in_half_precision_are_sampled_at_float32_positions(dtype: torch.dtype) -> None:
    ramp = torch.arange(64.0).expand(1, 1, 64, 64)  # integers below 64 are exact in both
    points = torch.rand(1, 50, 2, generator=torch.Generator().manual_seed(0)) * 63
    for frames, context in (
        (ramp.to(dtype), torch.autocast("cpu", enabled=False)),
        (ramp, torch.autocast("cpu", dtype)),
    ):
        with context:
            sampled = sample_at(frames, points, (64, 64))
        torch.testing.assert_close(sampled.float()[..., 0], points[..., 0], rtol=2**-8, atol=1e-4)
        assert sampled.dtype == frames.dtype


@torch.no_grad()
def test_equals_attention_in_loops() -> None:
    torch.manual_seed(0)
    options = {"points": "inner", "attn_hidden": 4, "heads": 2}
    fusion = FUSIONS.get("lm_attn").build(options=options, features=SITE)
    assert fusion.out_channels == 6
    fusion.gain.data.fill_(0.7)
    features = torch.randn(2, 6, 3, 2, 3)
    landmarks = torch.rand(2, 10, 68, 2) * 31
    landmarks[:, :, 25:] = torch.nan
    landmarks[0, 3, 20] = -40.0
    landmarks[1, 5] = torch.nan
    out = fusion(features, landmarks, (32, 32))
    for b in range(2):
        for t, frame in enumerate((1, 3, 5)):
            usable = [
                (i, k)
                for i, k in enumerate(POINT_SETS["inner"])
                if bool(((landmarks[b, frame, k] > -0.5) & (landmarks[b, frame, k] < 31.5)).all())
            ]
            assert len(usable) == (0 if (b, t) == (1, 2) else 7 if (b, t) == (0, 1) else 8)
            grid = fusion.norm(features[b, :, t].permute(1, 2, 0))
            tokens = [
                sample_at(grid.permute(2, 0, 1)[None], landmarks[b, frame, k][None, None], (32, 32))[0, 0]
                + fusion.which[i]
                for i, k in usable
            ]
            for row in range(2):
                for column in range(3):
                    query = fusion.query(grid[row, column])
                    keys_values = [fusion.key_value(token) for token in tokens]
                    mixed = []
                    for head in (slice(0, 2), slice(2, 4)):
                        scores = [math.exp(float(query[head] @ kv[:4][head]) / math.sqrt(2)) for kv in keys_values]
                        mixed += [
                            sum(s / sum(scores) * kv[4:][head] for s, kv in zip(scores, keys_values, strict=True))
                        ]
                    x = features[b, :, t, row, column]
                    expected = x + 0.7 * fusion.out(torch.cat(mixed)) if usable else x
                    torch.testing.assert_close(out[b, :, t, row, column], expected, rtol=1e-4, atol=1e-5)


def test_no_usable_point_in_any_clip_has_finite_gradients() -> None:
    fusion = FUSIONS.get("lm_attn").build(options={}, features=SITE)
    fusion.gain.data.fill_(0.7)
    features = torch.randn(2, 6, 3, 2, 3, requires_grad=True)
    out = fusion(features, torch.full((2, 10, 68, 2), torch.nan), (32, 32))
    assert torch.equal(out, features)
    out.square().sum().backward()
    torch.testing.assert_close(features.grad, 2 * features)
    assert all(p.grad is not None and p.grad.eq(0).all() for p in fusion.parameters())


def test_the_index_of_a_landmark_matters() -> None:
    torch.manual_seed(0)
    fusion = FUSIONS.get("lm_attn").build(options={}, features=SITE)
    fusion.gain.data.fill_(0.7)
    features, landmarks = torch.randn(1, 6, 3, 2, 3), torch.rand(1, 10, 68, 2) * 31
    assert not torch.allclose(fusion(features, landmarks, (32, 32)), fusion(features, landmarks.flip(2), (32, 32)))


def test_refuses_heads_that_do_not_divide() -> None:
    with pytest.raises(OptionError) as caught:
        FUSIONS.get("lm_attn").build(options={"attn_hidden": 50, "heads": 4}, features=SITE)
    assert str(caught.value) == (
        "fusion 'lm_attn' was given attn_hidden=50 for heads=4.\n"
        "  Accepted: attn_hidden: a multiple of heads\n"
        "  What to do: write attn_hidden=52 or heads=2"
    )
