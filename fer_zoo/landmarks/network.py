"""The network of the landmarker `fz68`: 68 landmarks of a grey crop, their uncertainty, and whether it is a face."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 96  # pixels of a crop
LANDMARKS = 68
_WIDTHS, _DEPTHS, _FUSED = (16, 24, 40, 80, 112), (1, 1, 2, 2), 48


class Placed(NamedTuple):
    """Predictions for N crops.

    landmarks: (N, 68, 2), (x, y) from -1 (left, top edge) to 1. spread: (N, 68), expected distance from the truth in
    the same unit, log. face: (N,), logit that there is a face.
    """

    landmarks: Tensor
    spread: Tensor
    face: Tensor


class LandmarkNet(nn.Module):
    """Residual encoder, features fused at a quarter of the resolution, one heat map per landmark and its mean position.

    The mean position under a softmax of the heat map (Sun et al. 2018, Integral Human Pose Regression) is finer than a
    cell. A linear layer of the pooled features moves landmarks that lie outside the crop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(1, _WIDTHS[0], stride=2)
        pairs = zip(_WIDTHS, _WIDTHS[1:], _DEPTHS, strict=False)
        self.stages = nn.ModuleList(
            nn.Sequential(_Residual(cin, cout, 2), *(_Residual(cout, cout, 1) for _ in range(depth - 1)))
            for cin, cout, depth in pairs
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, _FUSED, 1) for width in _WIDTHS[1:])
        self.fuse = _conv(_FUSED, _FUSED)
        self.heat = nn.Conv2d(_FUSED, LANDMARKS, 1)
        self.whole = nn.Linear(_WIDTHS[-1], LANDMARKS * 3 + 1)
        nn.init.zeros_(self.whole.weight)
        nn.init.zeros_(self.whole.bias)

    def forward(self, crops: Tensor) -> Placed:
        """Place the landmarks in grey crops (N, 1, 96, 96), 0 to 1."""
        # Contrast differs between cameras, so each crop is normalised.
        mean, std = crops.mean((2, 3), keepdim=True), crops.std((2, 3), keepdim=True)
        features, x = [], self.stem((crops - mean) / (std + 0.02))
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        fused = self.lateral[-1](x)
        for lateral, feature in zip(reversed(self.lateral[:-1]), reversed(features[:-1]), strict=True):
            fused = functional.interpolate(fused, scale_factor=2.0) + lateral(feature)
        heat = self.heat(self.fuse(functional.relu(fused)))
        share = heat.flatten(2).softmax(-1).unflatten(2, heat.shape[2:])
        cells = (torch.arange(heat.shape[-1], device=heat.device, dtype=heat.dtype) + 0.5) / heat.shape[-1] * 2 - 1
        middle = torch.stack([share.sum(2) @ cells, share.sum(3) @ cells], dim=-1)
        moved, spread, face = self.whole(x.mean((2, 3))).split([LANDMARKS * 2, LANDMARKS, 1], dim=1)
        return Placed(middle + moved.unflatten(1, (LANDMARKS, 2)), spread, face[:, 0])


class _Residual(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = _conv(cin, cout, stride=stride), _conv(cout, cout, relu=False)
        same = cin == cout and stride == 1
        self.shortcut = nn.Identity() if same else _conv(cin, cout, kernel=1, stride=stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))


def _conv(cin: int, cout: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))
