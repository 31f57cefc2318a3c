"""The authors' 2D network against every size and channel count of its figure (paper.md, section 4)."""

from __future__ import annotations

import pytest
import torch
from measured import conv_weights, gmac, shown_shortcuts, sizes_after
from torch import nn

from fer_zoo.backbones.incres2d import IncRes2D, incres2d, incres2d_tiny
from fer_zoo.testing import check_backbone

STAGES = {
    "stem.0": (32, 149),
    "stem.1": (32, 147),
    "stem.2": (64, 147),
    "stem.3": (160, 73),
    "stem.4": (192, 71),
    "stem": (384, 35),
    "unit_a": (384, 35),
    "reduction_a": (1152, 17),
    "unit_b": (1152, 17),
    "reduction_b": (2144, 8),
    "unit_c": (2144, 8),
}

# (kernel area, channels in, channels out) of every convolution, copied from section 4.
FIGURE = [
    *[(9, 3, 32), (9, 32, 32), (9, 32, 64), (9, 64, 96)],
    *[(1, 160, 64), (9, 64, 96), (1, 160, 64), (7, 64, 64), (7, 64, 64), (9, 64, 96), (9, 192, 192)],
    *[(1, 384, 32), (1, 384, 32), (9, 32, 32), (1, 384, 32), (9, 32, 48), (9, 48, 64), (1, 128, 384)],
    *[(9, 384, 384), (1, 384, 256), (9, 256, 256), (9, 256, 384)],
    *[(1, 1152, 192), (1, 1152, 128), (7, 128, 160), (7, 160, 192), (1, 384, 1152)],
    *[(1, 1152, 256), (9, 256, 384), (1, 1152, 256), (9, 256, 288), (1, 1152, 256), (9, 256, 288), (9, 288, 320)],
    *[(1, 2144, 192), (1, 2144, 192), (3, 192, 224), (3, 224, 256), (1, 448, 2144)],
]


@pytest.fixture(scope="module")
def paper() -> IncRes2D:
    with torch.device("meta"):
        return incres2d(3)


def test_contract() -> None:
    check_backbone("incres2d_tiny")


def test_grid_and_channels_of_each_stage(paper: IncRes2D) -> None:
    expected = {name: (channels, 10, side, side) for name, (channels, side) in STAGES.items()}
    assert sizes_after(paper, STAGES) == expected


def test_every_convolution_matches_the_figure(paper: IncRes2D) -> None:
    convs = [m for m in paper.modules() if isinstance(m, nn.Conv3d)]
    built = [(m.kernel_size[1] * m.kernel_size[2], m.in_channels, m.out_channels) for m in convs]
    assert sorted(built) == sorted(FIGURE)
    assert conv_weights(paper) == sum(area * cin * cout for area, cin, cout in FIGURE)
    assert all(m.kernel_size[0] == m.stride[0] == 1 for m in convs), "a kernel spans frames"


def test_multiply_accumulates(paper: IncRes2D) -> None:
    assert gmac(paper) == pytest.approx(50.1, abs=0.05)


def test_oblong_kernels_have_the_order_of_the_figure(paper: IncRes2D) -> None:
    long = [m.kernel_size[1:] for m in paper.modules() if isinstance(m, nn.Conv3d) and len(set(m.kernel_size[1:])) == 2]
    assert long == [(7, 1), (1, 7), (1, 7), (7, 1), (1, 3), (3, 1)]


def test_landmark_sites(paper: IncRes2D) -> None:
    clip = torch.empty(1, 3, 10, 299, 299, device="meta")
    assert shown_shortcuts(paper, clip) == [("a", (384, 10, 35, 35)), ("b", (1152, 10, 17, 17))]


def test_frames_are_independent() -> None:
    torch.manual_seed(0)
    backbone = incres2d_tiny(3).eval()
    clip = torch.randn(1, 3, 4, 80, 80)
    features = backbone(clip)
    alone = torch.cat([backbone(clip[:, :, [t]]) for t in range(4)], 2)
    torch.testing.assert_close(features, alone, atol=1e-5, rtol=1e-5)
    assert features.shape == (1, 536, 4, 4, 4)


def test_the_tiny_map_has_a_grid_of_20() -> None:
    with torch.device("meta"):
        backbone = incres2d_tiny(3)
    clip = torch.empty(1, 3, 10, 80, 80, device="meta")
    assert shown_shortcuts(backbone, clip) == [("a", (96, 10, 20, 20)), ("b", (288, 10, 9, 9))]
