"""The landmark map as a fourth input channel."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from fer_zoo.landmarks.maps import Kernel, MapStyle, PointSet, landmark_map
from fer_zoo.registry import register_fusion


@register_fusion("lm_in", site="input")
class LandmarkChannel(nn.Module):
    """Append the landmark map, drawn at the clip's resolution, to the three colour channels; 0 where there is no face.

    `points` and `kernel` are those of `landmark_map`. `relative_radius` is the half window as a fraction of the clip's
    height (at least one pixel), so that it covers the same part of the face at every clip size. The default, 9 pixels
    of 299 and 2 of 80, just connects neighbouring landmarks to lines and still separates open from closed lips; the
    windows of the paper's grids (3 cells of 38 or 18) would be 0.08 or 0.17. Source: none, an alternative to the
    paper's section 3.2.
    """

    extra_channels = 1

    def __init__(
        self,
        *,
        points: PointSet = MapStyle.points,
        kernel: Kernel = MapStyle.kernel,
        # Not named `radius`: the radius that a backbone sets as default is in cells of its grid.
        relative_radius: Annotated[float, Field(gt=0, le=0.2)] = 0.03,
    ) -> None:
        super().__init__()
        self.points: PointSet = points
        self.kernel: Kernel = kernel
        self.relative_radius = relative_radius

    def forward(self, clip: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Map a clip (B, 3, T, H, W) and landmarks (B, T, 68, 2) in clip pixels to (B, 4, T, H, W)."""
        radius = max(1, round(self.relative_radius * clip_size[0]))
        drawn = landmark_map(landmarks, clip_size, clip_size, points=self.points, kernel=self.kernel, radius=radius)
        return torch.cat((clip, drawn.or_zero().to(clip.dtype)), 1)
