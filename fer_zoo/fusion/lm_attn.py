"""Cross-attention from every grid position to the features at the landmarks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_zoo.errors import OptionError
from fer_zoo.landmarks.maps import POINT_SETS, MapStyle, PointSet, at_steps, usable_points
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Positive, Site


@register_fusion("lm_attn", site="features")
class LandmarkAttention(nn.Module):
    """Add `a * attention` to the features of each step: queries from the grid, keys and values from the landmarks.

    A landmark's token is the features sampled at its position (see `sample_at`: exact to one grid cell) plus a learned
    embedding of its index; `a` is learned and initially 0, so the network starts as the one without landmarks.
    Landmarks outside the frame are ignored; a step without any keeps its features. `points` are the paper's 66 or the
    49 "inner" ones. Source: cross-attention of landmarks and appearance as in POSTER, Zheng et al. 2022 (arXiv
    2204.04083), without a landmark network.

    Raises:
        OptionError: `attn_hidden` is not divisible by `heads`.
    """

    def __init__(
        self,
        features: Site,
        *,
        points: PointSet = MapStyle.points,
        # Not named `hidden`, which is an option of the temporal heads.
        attn_hidden: Positive = 64,
        heads: Positive = 4,
    ) -> None:
        super().__init__()
        if attn_hidden % heads:
            raise OptionError.for_heads("fusion 'lm_attn'", "attn_hidden", attn_hidden, heads)
        self.features = features
        self.chosen = POINT_SETS[points]
        self.heads = heads
        self.out_channels = channels = features.channels
        self.norm = nn.LayerNorm(channels)
        self.which = nn.Parameter(torch.randn(len(self.chosen), channels) * 0.02)
        self.query = nn.Linear(channels, attn_hidden)
        self.key_value = nn.Linear(channels, 2 * attn_hidden)
        self.out = nn.Linear(attn_hidden, channels)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Map features (B, D, T', H', W') to the same shape; landmarks (B, T, 68, 2) are in clip pixels."""
        steps, height, width = features.shape[2:]
        points = at_steps(landmarks, self.features, steps)[:, :, list(self.chosen)].flatten(0, 1)
        usable = usable_points(points, clip_size)
        points = torch.where(usable[..., None], points, 0.0)
        frames = self.norm(features.permute(0, 2, 3, 4, 1)).flatten(0, 1)  # (B * T', H', W', D)
        sampled = sample_at(frames.permute(0, 3, 1, 2), points, clip_size)
        added = self._attend(frames.flatten(1, 2), sampled + self.which.to(sampled.dtype), usable)
        added = added.reshape(-1, steps, height, width, self.out_channels).permute(0, 4, 1, 2, 3)
        out: Tensor = features + (self.gain * added).to(features.dtype)
        return out

    def _attend(self, grid: Tensor, sampled: Tensor, usable: Tensor) -> Tensor:
        """Map (N, H' * W', D) and (N, L, D) to (N, H' * W', D); 0 where no landmark of (N, L) is usable."""
        query, key, value = (
            projected.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projected in (self.query(grid), *self.key_value(sampled).chunk(2, 2))
        )
        found = usable.any(1)[:, None, None]
        # A softmax over nothing is NaN on some devices: without a usable landmark attend to all, then zero the result.
        mask = (usable[:, None] | ~found)[:, None]
        attended = F.scaled_dot_product_attention(query, key, value, mask)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2)) * found
        return out


def sample_at(frames: Tensor, points: Tensor, clip_size: tuple[int, int]) -> Tensor:
    """Sample frames (N, D, H', W') bilinearly at points (N, L, 2), (x, y) in clip pixels, and return (N, L, D).

    Pixel centres are at integers, so x lies at (x + 0.5) * W' / width - 0.5 of a grid whose cells divide the clip
    equally; between the border and the outermost cell centres the value of the nearest cell is used. That is how the
    paper scales points to a grid. A backbone's cells are centred elsewhere if its padding is not half its stride:
    those of `incres3d`'s features are up to 32 of 299 pixels, one cell, nearer to the upper left.
    """
    size = points.new_tensor([clip_size[1], clip_size[0]])
    # In -1..1 from border to border. Clamped here because not every device supports border padding.
    inside = 1 - 1 / points.new_tensor([frames.shape[3], frames.shape[2]])
    position = ((2 * points + 1) / size - 1).clamp(-inside, inside)
    # In the points' precision: bf16 would shift them by a fraction of a cell.
    sampled = F.grid_sample(frames.to(points.dtype), position[:, None], align_corners=False)
    return sampled.squeeze(2).transpose(1, 2).to(frames.dtype)
