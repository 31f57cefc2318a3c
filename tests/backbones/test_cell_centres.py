"""Positions of the cells of landmark sites in the frame, measured with gradients: the table in docs/fusions.md."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fer_zoo.backbones.incres3d import IncRes3D, incres3d, incres3d_tiny

# For each site: pixels on which its first and last cells are centred, and where the landmark map assumes them.
FIGURES = {
    "incres3d": {"a": ((0, 296), (3.4, 294.6)), "b": ((8, 280), (7.8, 290.2)), "features": ((24, 248), (18.2, 279.8))},
    "incres3d_tiny": {"a": ((0, 76), (1.5, 77.5)), "b": ((4, 68), (3.9, 75.1)), "features": ((12, 60), (9.5, 69.5))},
}
SIZES = {"incres3d": 299, "incres3d_tiny": 80}
GRIDS = {"incres3d": {"a": 38, "b": 18, "features": 8}, "incres3d_tiny": {"a": 20, "b": 9, "features": 4}}
WIDE = 1200  # wider than two receptive fields, so that cells in the middle do not see the border


def transparent(backbone: IncRes3D) -> IncRes3D:
    """Constant weights, and mean in place of max pooling, so that every pixel of a receptive field has a gradient."""
    for module in list(backbone.modules()):
        if isinstance(module, nn.Conv3d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool3d):
                setattr(module, name, nn.AvgPool3d(child.kernel_size, child.stride, child.padding))
    return backbone.double()


def maps(backbone: IncRes3D, clip: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(site: str, shortcut: Tensor) -> Tensor:
        seen[site] = shortcut
        return shortcut

    return {"features": backbone(clip, keep), **seen}


@pytest.mark.parametrize("name", FIGURES)
def test_cells_are_centred_where_the_docs_say(name: str) -> None:
    make = {"incres3d": incres3d, "incres3d_tiny": incres3d_tiny}[name]
    backbone = transparent(make(3, width=0.04, norm="none", temporal_kernels=False))
    clip = torch.ones(1, 3, 1, 64, WIDE, dtype=torch.float64, requires_grad=True)
    for site, features in maps(backbone, clip).items():
        middle, seen = features.shape[4] // 2, []
        for cell in (middle, middle + 1):
            (gradient,) = torch.autograd.grad(features[..., cell].sum(), clip, retain_graph=True)
            columns = gradient.abs().sum((0, 1, 2, 3)).nonzero().flatten().tolist()
            assert columns[0] > 0
            assert columns[-1] < WIDE - 1
            seen.append((columns[0] + columns[-1]) / 2)
        stride = seen[1] - seen[0]
        first, cells, size = seen[0] - middle * stride, GRIDS[name][site], SIZES[name]
        assumed = (size / cells / 2 - 0.5, size - size / cells / 2 - 0.5)
        stated = FIGURES[name][site]
        assert (first, first + (cells - 1) * stride) == stated[0]
        assert assumed == pytest.approx(stated[1], abs=0.05)


@pytest.mark.parametrize("name", GRIDS)
def test_grids_have_the_documented_number_of_cells(name: str) -> None:
    make = {"incres3d": incres3d, "incres3d_tiny": incres3d_tiny}[name]
    with torch.device("meta"):
        backbone = make(3)
    shown = maps(backbone, torch.empty(1, 3, 10, SIZES[name], SIZES[name], device="meta"))
    assert {site: features.shape[4] for site, features in shown.items()} == GRIDS[name]
