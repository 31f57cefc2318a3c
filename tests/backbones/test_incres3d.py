"""The paper's backbone against the sizes and operation counts in its figures (paper.md, section 2)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fer_zoo.backbones.incres3d import IncRes3D, incres3d, incres3d_tiny
from fer_zoo.fusion.residual import LandmarkMultiplication

STAGES = {
    "stem.0": (96, 10, 150, 150),
    "stem.1": (96, 10, 75, 75),
    "stem.2": (192, 10, 38, 38),
    "stem": (192, 10, 38, 38),
    "unit_a": (192, 10, 38, 38),
    "reduction_a": (576, 8, 18, 18),
    "unit_b": (576, 8, 18, 18),
    "reduction_b": (1072, 6, 8, 8),
    "unit_c": (1072, 6, 8, 8),
}


@pytest.fixture(scope="module")
def paper() -> IncRes3D:
    with torch.device("meta"):
        return incres3d(3)


def test_tensor_sizes_after_each_stage(paper: IncRes3D) -> None:
    seen = {}
    hooks = [
        paper.get_submodule(name).register_forward_hook(
            lambda module, args, out, name=name: seen.__setitem__(name, tuple(out.shape[1:]))
        )
        for name in STAGES
    ]
    paper(torch.empty(1, 3, 10, 299, 299, device="meta"))
    for hook in hooks:
        hook.remove()
    assert seen == STAGES


def test_convolution_parameters(paper: IncRes3D) -> None:
    assert sum(m.weight.numel() for m in paper.modules() if isinstance(m, nn.Conv3d)) == 13_350_368


def test_multiply_accumulates(paper: IncRes3D) -> None:
    with FlopCounterMode(display=False) as counter:
        paper(torch.empty(1, 3, 10, 299, 299, device="meta"))
    assert counter.get_total_flops() / 2 / 1e9 == pytest.approx(88.1, abs=0.05)


def test_landmark_sites_match_the_figure(paper: IncRes3D) -> None:
    seen: dict[str, tuple[int, ...]] = {}

    def spy(site: str, shortcut: Tensor) -> Tensor:
        seen[site] = tuple(shortcut.shape[1:])
        return shortcut

    paper(torch.empty(1, 3, 10, 299, 299, device="meta"), spy)
    assert seen == {"a": (192, 10, 38, 38), "b": (576, 8, 18, 18)}
    assert {name: site.channels for name, site in paper.residual_sites.items()} == {"a": 192, "b": 576}
    assert {name: site.first_frame for name, site in paper.residual_sites.items()} == {"a": 0, "b": 1}


def test_a_map_of_ones_equals_no_fusion() -> None:
    torch.manual_seed(0)
    backbone = incres3d_tiny(3).eval()
    clip, size = torch.randn(1, 3, 10, 48, 48), (48, 48)
    lm = LandmarkMultiplication(backbone.residual_sites)

    def fused(landmarks: Tensor) -> Tensor:
        return backbone(clip, lambda site, shortcut: lm(shortcut, landmarks, size, site))

    no_face, face = torch.full((1, 10, 68, 2), torch.nan), torch.rand(1, 10, 68, 2) * 48
    assert torch.equal(fused(no_face), backbone(clip))
    assert not torch.equal(fused(face), backbone(clip))


def test_the_residual_unit_equals_its_formula() -> None:
    unit = incres3d_tiny(3).eval().unit_a
    x, w = torch.randn(1, 48, 4, 6, 6), torch.rand(1, 1, 4, 6, 6)
    residual = unit.linear(unit.branches(x.relu()))
    torch.testing.assert_close(unit(x, "a", lambda site, s: w * s), (w * x.relu() + residual).relu())


def test_norm_none_has_biases_and_no_batch_norm() -> None:
    modules = list(incres3d_tiny(3, norm="none").modules())
    assert not any(isinstance(m, nn.BatchNorm3d) for m in modules)
    assert all(m.bias is not None for m in modules if isinstance(m, nn.Conv3d))


def test_unit_b_is_centred_on_frame_one() -> None:
    """Change input frame 1 only: of unit B's steps, step 0 must respond most (its receptive field's centre)."""
    torch.manual_seed(0)
    backbone = incres3d_tiny(3).eval()
    clip = torch.randn(1, 3, 10, 48, 48)
    other = clip.clone()
    other[:, :, 1] += torch.randn(3, 48, 48)
    seen: list[Tensor] = []

    def spy(site: str, shortcut: Tensor) -> Tensor:
        if site == "b":
            seen.append(shortcut)
        return shortcut

    backbone(clip, spy)
    backbone(other, spy)
    change = (seen[0] - seen[1]).abs().mean((0, 1, 3, 4))
    assert change.argmax() == 0
