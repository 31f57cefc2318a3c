"""Properties that every fusion must have."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fer_zoo
from fer_zoo.registry import FUSIONS
from fer_zoo.specs import Site
from fer_zoo.testing import check_fusion

CLIP = (32, 32)
SITE = Site(8, 1)
STEPS, GRID = 8, 6
INJECTED = {"sites": {"b": SITE}, "features": SITE, "in_features": 5}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "lm": [{"kernel": "gaussian", "points": "inner", "radius": 1}],
    "lm_gate": [{"kernel": "gaussian", "points": "inner", "radius": 1}],
    "lm_add": [{"kernel": "gaussian", "points": "inner", "radius": 1}],
    "lm_in": [{"kernel": "gaussian", "points": "inner", "relative_radius": 0.1}],
    "lm_traj": [{"points": "inner", "traj_hidden": 3}],
    "lm_attn": [{"points": "inner", "attn_hidden": 6, "heads": 2}],
}
VARIANTS = [(name, options) for name in FUSIONS.names() for options in ({}, *OPTIONS.get(name, []))]
WITH_LANDMARKS = [(name, options) for name, options in VARIANTS if name != "none"]
STARTS_PLAIN = ["lm_gate", "lm_add", "lm_attn"]


def landmarks(batch: int = 3) -> Tensor:
    return torch.rand(batch, 10, 68, 2, generator=torch.Generator().manual_seed(0)) * 31


def built(name: str, options: dict[str, Any]) -> nn.Module:
    """A fusion with gains other than the initial 0, so that landmarks matter."""
    torch.manual_seed(0)
    fusion: nn.Module = FUSIONS.get(name).build(options=options, **INJECTED)
    with torch.no_grad():
        for key, parameter in fusion.named_parameters():
            if key.startswith("gain"):
                parameter.fill_(0.7)
    return fusion


def given(name: str, batch: int = 3) -> tuple[Tensor, tuple[str, ...]]:
    """The input of a fusion at its site, and the arguments after the clip's size."""
    shape, rest = {
        "input": ((batch, 3, 10, *CLIP), ()),
        "residual": ((batch, 8, STEPS, GRID, GRID), ("b",)),
        "features": ((batch, 8, STEPS, GRID, GRID), ()),
        "embedding": ((batch, 5), ()),
    }[FUSIONS.get(name).defaults["site"]]
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)), rest


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@pytest.mark.filterwarnings("error")
def test_contract(name: str, options: dict[str, Any]) -> None:
    check_fusion(name, **options)


@pytest.mark.parametrize(("name", "options"), WITH_LANDMARKS, ids=str)
def test_invalid_landmarks_give_finite_results_and_gradients(name: str, options: dict[str, Any]) -> None:
    fusion, (x, rest) = built(name, options), given(name)
    points = landmarks()
    points[0, 4] = torch.nan
    points[0, 5, 20:] = torch.tensor([-50.0, 1e30])
    points[0, 6] = torch.inf
    points[1] = torch.nan
    points[2, :, :, 0] = torch.nan
    out = fusion(x.requires_grad_(), points, CLIP, *rest)
    assert out.isfinite().all()
    out.square().sum().backward()
    gradients = [x.grad, *(p.grad for p in fusion.parameters())]
    assert all(g is not None and g.isfinite().all() for g in gradients)


@pytest.mark.parametrize(("name", "options"), WITH_LANDMARKS, ids=str)
def test_clips_of_a_batch_are_independent(name: str, options: dict[str, Any]) -> None:
    fusion, (x, rest) = built(name, options), given(name)
    points = landmarks()
    points[0] = torch.nan
    points[1, 3:5] = torch.nan
    whole = fusion(x, points, CLIP, *rest)
    for b in range(3):
        torch.testing.assert_close(fusion(x[b : b + 1], points[b : b + 1], CLIP, *rest), whole[b : b + 1])


@pytest.mark.parametrize(("name", "options"), WITH_LANDMARKS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_keeps_the_dtype_of_the_input(name: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    fusion, (x, rest) = built(name, options), given(name)
    x = x.to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        out = fusion(x, landmarks(), CLIP, *rest)
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), fusion(x.float(), landmarks(), CLIP, *rest), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("name", "options"), WITH_LANDMARKS, ids=str)
def test_frames_that_no_step_is_centred_on_do_not_matter(name: str, options: dict[str, Any]) -> None:
    """Steps 0..7 of the site are centred on frames 1..8; the other sites see each frame."""
    fusion, (x, rest) = built(name, options), given(name)
    before = fusion(x, landmarks(), CLIP, *rest)
    for frame in range(10):
        points = landmarks()
        points[:, frame] = points[:, frame].flip(-1)
        same = torch.equal(fusion(x, points, CLIP, *rest), before)
        assert same == (frame in (0, 9) and FUSIONS.get(name).defaults["site"] in ("residual", "features"))


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights")  # by torch's exporter, of torch's GRU
def test_compile_and_export(name: str) -> None:
    fusion, (x, rest) = built(name, OPTIONS[name][0]).eval(), given(name)
    expected = fusion(x, landmarks(), CLIP, *rest)
    # torch always breaks its graph at recurrent layers.
    compiled = torch.compile(fusion, fullgraph=name != "lm_traj", backend="aot_eager")
    torch.testing.assert_close(compiled(x, landmarks(), CLIP, *rest), expected)
    exported = torch.export.export(fusion, (x, landmarks(), CLIP, *rest)).module()
    torch.testing.assert_close(exported(x, landmarks(), CLIP, *rest), expected)


@pytest.mark.parametrize("name", STARTS_PLAIN)
def test_starts_as_the_network_without_landmarks(name: str) -> None:
    """Exactly; and the gain can be trained, since its gradient is not zero."""
    size = 48
    fused = fer_zoo.create_model(f"incres3d_tiny_mean_{name}", size=size, pool="mean").eval()
    plain = fer_zoo.create_model("incres3d_tiny_mean", size=size, pool="mean").eval()
    plain.load_state_dict({k: v for k, v in fused.state_dict().items() if not k.startswith("fusion.")})
    clip, points = torch.randn(2, 3, 10, size, size), torch.rand(2, 10, 68, 2) * size
    logits = fused(clip, points)
    assert torch.equal(logits, plain(clip))
    logits.square().sum().backward()
    gains = {key: p for key, p in fused.named_parameters() if key.startswith("fusion.gain")}
    assert len(gains) == (1 if name == "lm_attn" else 2)
    for gain in gains.values():
        assert gain.grad is not None
        assert gain.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["lm", *STARTS_PLAIN])
def test_a_frame_without_a_face_is_unchanged(name: str) -> None:
    fusion, (x, rest) = built(name, {}), given(name)
    points = landmarks()
    points[0, 4] = torch.nan  # the centre of step 3
    points[2] = -1e3
    out = fusion(x, points, CLIP, *rest)
    assert torch.equal(out[0, :, 3], x[0, :, 3])
    assert torch.equal(out[2], x[2])
    assert not torch.equal(out[0, :, 2], x[0, :, 2])


@pytest.mark.parametrize("name", FUSIONS.names())
def test_defaults_set_by_a_tiny_backbone_reach_only_the_intended_parts(name: str) -> None:
    """`radius` is in grid cells and `hidden` belongs to the temporal head: no other fusion option may match them."""
    suffix = "" if name == "none" else f"_{name}"
    spec = fer_zoo.create_model(f"incres3d_tiny_lstm{suffix}", size=48).spec
    assert dict(spec.temporal.options) == {"hidden": 40}
    radius = {"radius": 2} if FUSIONS.get(name).defaults["site"] == "residual" else {}
    assert dict(spec.fusion.options) == radius


def test_none_is_the_identity() -> None:
    x, rest = torch.randn(2, 6, 10, 16, 16), ("a",)
    assert FUSIONS.get("none").build(options={})(x, landmarks(), CLIP, *rest) is x
