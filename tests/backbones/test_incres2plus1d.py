"""The factorised network: sizes, sites and strides of the original, with fewer weights."""

from __future__ import annotations

import pytest
import torch
from measured import conv_weights, gmac, sizes_after
from torch import nn

from fer_zoo.backbones.incres2plus1d import factorised_conv, incres2plus1d
from fer_zoo.backbones.incres3d import IncRes3D, incres3d
from fer_zoo.testing import check_backbone

STAGES = ("stem.0", "stem.1", "stem.2", "stem", "unit_a", "reduction_a", "unit_b", "reduction_b", "unit_c")


@pytest.fixture(scope="module")
def factorised() -> IncRes3D:
    with torch.device("meta"):
        return incres2plus1d(3)


@pytest.fixture(scope="module")
def paper() -> IncRes3D:
    with torch.device("meta"):
        return incres3d(3)


def test_contract() -> None:
    check_backbone("incres2plus1d_tiny")


def test_stages_have_the_sizes_of_the_paper(factorised: IncRes3D, paper: IncRes3D) -> None:
    assert sizes_after(factorised, STAGES) == sizes_after(paper, STAGES)
    assert (factorised.output, factorised.residual_sites) == (paper.output, paper.residual_sites)


def test_number_of_weights(factorised: IncRes3D, paper: IncRes3D) -> None:
    expected = 0
    for conv in (m for m in paper.modules() if isinstance(m, nn.Conv3d)):
        length, area = conv.kernel_size[0], conv.kernel_size[1] * conv.kernel_size[2]
        temporal = length * conv.out_channels**2 if length > 1 else 0
        expected += area * conv.in_channels * conv.out_channels + temporal
    assert conv_weights(factorised) == expected
    assert conv_weights(factorised) / 1e6 == pytest.approx(8.03, abs=0.005)
    assert conv_weights(paper) / 1e6 == pytest.approx(13.35, abs=0.005)


def test_multiply_accumulates(factorised: IncRes3D, paper: IncRes3D) -> None:
    assert gmac(factorised) == pytest.approx(45.5, abs=0.05)
    assert gmac(paper) == pytest.approx(88.1, abs=0.05)


def test_no_kernel_spans_space_and_time(factorised: IncRes3D) -> None:
    kernels = [m.kernel_size for m in factorised.modules() if isinstance(m, nn.Conv3d)]
    assert all(length == 1 or (height, width) == (1, 1) for length, height, width in kernels)
    assert sum(length > 1 for length, _, _ in kernels) == 15  # the paper's figure has as many k x k x k kernels


def test_norm_and_relu_between_the_two_convolutions() -> None:
    conv = factorised_conv("batch", temporal_kernels=True)(3, 8, (3, 5, 5), stride=2, valid=True)
    leaves = [m for m in conv.modules() if not list(m.children())]
    assert [type(m) for m in leaves] == [nn.Conv3d, nn.BatchNorm3d, nn.ReLU] * 2
    space, time = leaves[0], leaves[3]
    assert (space.kernel_size, space.stride) == ((1, 5, 5), (1, 2, 2))
    assert (time.kernel_size, time.stride) == ((3, 1, 1), (1, 1, 1))
    assert conv(torch.zeros(1, 3, 10, 25, 25)).shape == (1, 8, 8, 11, 11)
