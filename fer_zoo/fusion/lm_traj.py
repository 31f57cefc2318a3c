"""The paths of the landmarks through the clip, read by a small GRU beside the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_zoo.landmarks.maps import PointSet
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Positive

_JAW = 17  # points 0 to 16
# In clip sides: what lies farther out is no point of a face, and its square could overflow.
_FAR = 8


@register_fusion("lm_traj", site="embedding")
class LandmarkTrajectories(nn.Module):
    """Append the last state of a GRU over the normalised points of each frame to the embedding.

    Points are normalised by `trajectories`. `points` takes all 68 or the 51 "inner" ones without the jaw line; the
    inner mouth corners, which the paper's map leaves out, are in both. The GRU sees a frame without a face as zeros
    and a flag; its state after the last frame with a face is taken, zeros if there is none. Source: geometry beside
    appearance as in Jung et al. 2015 (DTAGN, ICCV), with a GRU for their fully connected network.
    """

    def __init__(self, in_features: int, *, points: PointSet = "all", traj_hidden: Positive = 32) -> None:
        super().__init__()
        self.first = 0 if points == "all" else _JAW
        # Not named `hidden`: that is the temporal head's.
        self.gru = nn.GRU(2 * (68 - self.first) + 1, traj_hidden, batch_first=True)
        self.out_features = in_features + traj_hidden

    def forward(self, embedding: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Return (B, E + traj_hidden) for an embedding (B, E) and landmarks (B, T, 68, 2) in clip pixels."""
        paths, found = trajectories(landmarks[:, :, self.first :], clip_size)
        seen = torch.cat((paths.flatten(2), found[..., None]), 2).to(next(self.gru.parameters()).dtype)
        states: Tensor = self.gru(seen)[0]
        frame = torch.arange(found.shape[1], device=found.device)
        last = torch.where(found, frame, 0).amax(1)[:, None, None].expand(-1, 1, states.shape[2])
        state = states.gather(1, last).squeeze(1) * found.any(1, keepdim=True)
        return torch.cat((embedding, state.to(embedding.dtype)), 1)


def trajectories(points: Tensor, clip_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return points (B, T, L, 2) without place and size of the face, and which frames (B, T) have any point.

    The centre of all points of a clip becomes 0 and their root mean square distance from it 1. As both are the whole
    clip's, motion stays, that of the head as well. Points that are missing are 0. Paths are float32 at least.
    """
    # The sum of squares over a clip of 224 pixels is beyond float16.
    points = points.to(torch.promote_types(points.dtype, torch.float32))
    there = (points.abs() < _FAR * max(clip_size)).all(-1, keepdim=True)  # False for NaN
    count = there.sum((1, 2), keepdim=True).clamp_min(1)
    kept = torch.where(there, points, 0.0)
    away = torch.where(there, kept - kept.sum((1, 2), keepdim=True) / count, 0.0)
    square = away.square().sum((1, 2, 3), keepdim=True) / count
    return away / square.clamp_min(1e-6).sqrt(), there.any(2).squeeze(-1)
