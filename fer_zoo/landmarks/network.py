"""The network of the landmarker `fz68`: 68 landmarks of a grey crop, their uncertainty, and whether it is a face."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 96  # pixels of a crop
LANDMARKS = 68
_WIDTHS, _FUSED = (16, 32, 48, 96, 128), 48
_CELLS = SIDE // 4  # of a heat map, across
_STEP = 2 / 48  # between the samples round a landmark: a cell of the finest map
_HIDDEN = 12  # units of the layers that correct a landmark


class Placed(NamedTuple):
    """Predictions for N crops.

    landmarks: (N, 68, 2), (x, y) from -1 (left, top edge) to 1. spread: (N, 68), expected distance from the truth in
    the same unit, log. face: (N,), logit that there is a face.
    """

    landmarks: Tensor
    spread: Tensor
    face: Tensor


class LandmarkNet(nn.Module):
    """Plain convolutions, fused at a quarter of the resolution, one heat map per landmark and its mean position.

    The mean position under a softmax of the heat map (Sun et al. 2018, Integral Human Pose Regression) is finer than a
    cell. A linear layer of the pooled features moves landmarks that lie outside the crop. Two layers of each landmark
    then correct it by the features round it, nine of the finest map and one of the fused (as cascades do: Cao et al.
    2014, Explicit Shape Regression). No shortcuts: on one core at batch 1 every small operation costs as much as a
    convolution.
    """

    cells: Tensor  # (576, 2), (x, y) of the middles of a heat map's cells
    steps: Tensor  # (9, 2), from a landmark to where the finest map is read

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(1, _WIDTHS[0], stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(_conv(cin, cout, stride=2), _conv(cout, cout)) for cin, cout in itertools.pairwise(_WIDTHS)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, _FUSED, 1) for width in _WIDTHS[1:])
        self.fuse = _conv(_FUSED, _FUSED)
        self.heat = nn.Conv2d(_FUSED, LANDMARKS, 1)
        self.whole = nn.Linear(_WIDTHS[-1], LANDMARKS * 3 + 1)
        self.near = nn.Parameter(torch.randn(LANDMARKS, 9 * _WIDTHS[0] + _FUSED, _HIDDEN) * 0.08)
        self.correct = nn.Parameter(torch.zeros(LANDMARKS, _HIDDEN, 2))
        nn.init.zeros_(self.whole.weight)
        nn.init.zeros_(self.whole.bias)
        # Made once: on one crop, making them takes longer than using them.
        middles = (torch.arange(_CELLS) + 0.5) / _CELLS * 2 - 1
        self.register_buffer("cells", torch.cartesian_prod(middles, middles).flip(1), persistent=False)
        steps = torch.arange(-1, 2) * _STEP
        self.register_buffer("steps", torch.cartesian_prod(steps, steps), persistent=False)

    def forward(self, crops: Tensor) -> Placed:
        """Place the landmarks in grey crops (N, 1, 96, 96), 0 to 1."""
        # Contrast differs between cameras, so each crop is normalised.
        std, mean = torch.std_mean(crops, (2, 3), keepdim=True)
        features, x = [], (finest := self.stem((crops - mean) / (std + 0.02)))
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        fused = self.lateral[-1](x)
        for lateral, feature in zip(reversed(self.lateral[:-1]), reversed(features[:-1]), strict=True):
            fused = functional.interpolate(fused, scale_factor=2.0) + lateral(feature)
        fused = self.fuse(functional.relu(fused))
        middle = self.heat(fused).flatten(2).softmax(-1) @ self.cells
        moved, spread, face = self.whole(x.mean((2, 3))).split([LANDMARKS * 2, LANDMARKS, 1], dim=1)
        placed = middle + moved.unflatten(1, (LANDMARKS, 2))
        return Placed(placed + self._correction(placed.detach(), finest, fused), spread, face[:, 0])

    def _correction(self, placed: Tensor, finest: Tensor, fused: Tensor) -> Tensor:
        """Return what moves landmarks (N, 68, 2), by the features (N, C, H, W) round them."""
        near = functional.grid_sample(finest, placed[:, :, None] + self.steps, align_corners=False)
        near = near.permute(0, 2, 1, 3).flatten(2)
        wide = functional.grid_sample(fused, placed[:, :, None], align_corners=False)[..., 0].transpose(1, 2)
        hidden = torch.einsum("nlc,lch->nlh", torch.cat([near, wide], dim=-1), self.near).relu()
        return torch.einsum("nlh,lho->nlo", hidden, self.correct)


def _conv(cin: int, cout: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))
