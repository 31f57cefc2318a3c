"""The features at the landmarks, attended from every position of the grid."""

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
    """Add `a * attention` to the features of each time step: queries from the grid, keys and values from the points.

    A point is the features sampled near its place (see `sample_at`: within a cell of the grid) plus a learned embedding
    of which point it is; `a` is learned and 0 at the start, so that the network starts as the one without landmarks.
    Points outside the frame are left out, and a step without any keeps its features. `points` are the paper's 66 or the
    49 "inner" ones. Source: cross-attention of landmarks and appearance after POSTER, Zheng et al. 2022 (arXiv
    2204.04083), without a landmark network.

    Raises:
        OptionError: `attn_hidden` cannot be divided among the heads.
    """

    def __init__(
        self,
        features: Site,
        *,
        points: PointSet = MapStyle.points,
        # Not named `hidden`: that is the temporal head's.
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
        """Return features (B, D, T', H', W') of the same shape; landmarks (B, T, 68, 2) are in clip pixels."""
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
        """(N, H' * W', D) and (N, L, D) to (N, H' * W', D); 0 where none of (N, L) is usable."""
        query, key, value = (
            projected.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projected in (self.query(grid), *self.key_value(sampled).chunk(2, 2))
        )
        found = usable.any(1)[:, None, None]
        # A softmax over nothing is NaN on some devices: without a usable point all are let in, the result dropped.
        open_to = (usable[:, None] | ~found)[:, None]
        attended = F.scaled_dot_product_attention(query, key, value, open_to)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2)) * found
        return out


def sample_at(frames: Tensor, points: Tensor, clip_size: tuple[int, int]) -> Tensor:
    """Sample frames (N, D, H', W') bilinearly at points (N, L, 2) inside the clip, x then y in its pixels: (N, L, D).

    Pixel centres are at integers, so x lies at (x + 0.5) * W' / width - 0.5 of a grid whose cells share the clip
    equally; what lies between the border and the outermost centres takes the value of the nearest. That is the paper's
    scaling of points to a grid. A backbone's cells are centred elsewhere, where it pads other than by halves of its
    strides: those of `incres3d`'s features up to 32 of 299 pixels, one cell, nearer to the upper left.
    """
    size = points.new_tensor([clip_size[1], clip_size[0]])
    # In -1..1 from border to border. Clamped here, since not every device can pad a sample with the border.
    inside = 1 - 1 / points.new_tensor([frames.shape[3], frames.shape[2]])
    place = ((2 * points + 1) / size - 1).clamp(-inside, inside)
    # In the points' precision: bf16 would shift them by a part of a cell.
    sampled = F.grid_sample(frames.to(points.dtype), place[:, None], align_corners=False)
    return sampled.squeeze(2).transpose(1, 2).to(frames.dtype)
