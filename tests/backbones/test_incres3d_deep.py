"""The deep network: the paper's sizes, its units 5 / 10 / 5 times, scaled residuals, one landmark map per stage."""

from __future__ import annotations

import pytest
import torch
from measured import gmac, shown_shortcuts, sizes_after
from torch import nn

from fer_zoo.backbones.incres3d import IncRes3D, incres3d, incres3d_tiny
from fer_zoo.backbones.incres3d_deep import incres3d_deep, incres3d_deep_tiny
from fer_zoo.testing import check_backbone

STAGES = ("stem", "unit_a", "reduction_a", "unit_b", "reduction_b", "unit_c")


@pytest.fixture(scope="module")
def deep() -> IncRes3D:
    with torch.device("meta"):
        return incres3d_deep(3)


@pytest.fixture(scope="module")
def paper() -> IncRes3D:
    with torch.device("meta"):
        return incres3d(3)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.slow
def test_contract() -> None:
    check_backbone("incres3d_deep_tiny")


def test_stages_have_the_sizes_of_the_paper(deep: IncRes3D, paper: IncRes3D) -> None:
    assert sizes_after(deep, STAGES) == sizes_after(paper, STAGES)
    assert (deep.output, deep.residual_sites) == (paper.output, paper.residual_sites)


def test_number_of_parameters(deep: IncRes3D, paper: IncRes3D) -> None:
    added = 4 * count(paper.unit_a) + 9 * count(paper.unit_b) + 4 * count(paper.unit_c)
    assert count(deep) == count(paper) + added
    assert count(deep) / 1e6 == pytest.approx(25.17, abs=0.005)
    assert gmac(deep) == pytest.approx(117.3, abs=0.05)


def test_only_the_shortcut_of_the_first_unit_is_fused(deep: IncRes3D) -> None:
    clip = torch.empty(1, 3, 10, 299, 299, device="meta")
    assert shown_shortcuts(deep, clip) == [("a", (192, 10, 38, 38)), ("b", (576, 8, 18, 18))]


def test_residuals_are_scaled() -> None:
    torch.manual_seed(0)
    backbone = incres3d_deep_tiny(3).eval()
    for stage, scale in (("unit_a", 0.17), ("unit_b", 0.10), ("unit_c", 0.20)):
        for unit in backbone.get_submodule(stage):
            x = torch.rand(1, unit.linear.out_channels, 4, 6, 6)
            torch.testing.assert_close(unit(x), (x + scale * unit.linear(unit.branches(x))).relu())


def test_one_unit_per_stage_has_the_tensors_of_the_paper() -> None:
    shallow = incres3d_deep_tiny(3, repeat_a=1, repeat_b=1, repeat_c=1)
    shallow.load_state_dict(incres3d_tiny(3).state_dict())
