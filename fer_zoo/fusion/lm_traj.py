"""Landmark trajectories, encoded by a small GRU next to the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_zoo.landmarks.maps import PointSet
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Positive

_JAW = 17  # landmarks 0 to 16
# In clip sides: anything farther away is not a face landmark, and its square could overflow.
_FAR = 8


@register_fusion("lm_traj", site="embedding")
class LandmarkTrajectories(nn.Module):
    """Append the last state of a GRU over the normalised landmarks of each frame to the embedding.

    Landmarks are normalised by `trajectories`. `points` are all 68 or the 51 "inner" ones without the jaw line; both
    include the inner mouth corners, which the paper's map omits. A frame without a face enters the GRU as zeros and a
    flag; the state after the last frame with a face is used, zeros if there is none. Source: geometry next to
    appearance as in Jung et al. 2015 (DTAGN, ICCV), with a GRU instead of their fully connected network.
    """

    def __init__(self, in_features: int, *, points: PointSet = "all", traj_hidden: Positive = 32) -> None:
        super().__init__()
        self.first = 0 if points == "all" else _JAW
        # Not named `hidden`, which is an option of the temporal heads.
        self.gru = nn.GRU(2 * (68 - self.first) + 1, traj_hidden, batch_first=True)
        self.out_features = in_features + traj_hidden

    def forward(self, embedding: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Map an embedding (B, E) and landmarks (B, T, 68, 2) in clip pixels to (B, E + traj_hidden)."""
        paths, found = trajectories(landmarks[:, :, self.first :], clip_size)
        inputs = torch.cat((paths.flatten(2), found[..., None]), 2).to(next(self.gru.parameters()).dtype)
        states: Tensor = self.gru(inputs)[0]
        frame = torch.arange(found.shape[1], device=found.device)
        last = torch.where(found, frame, 0).amax(1)[:, None, None].expand(-1, 1, states.shape[2])
        state = states.gather(1, last).squeeze(1) * found.any(1, keepdim=True)
        return torch.cat((embedding, state.to(embedding.dtype)), 1)


def trajectories(points: Tensor, clip_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Normalise points (B, T, L, 2) for the position and size of the face; also return which frames (B, T) have any.

    Over the whole clip, the mean of all points becomes 0 and their root mean square distance from it 1, so that motion
    is kept, including that of the head. Missing points are 0. The result is at least float32.
    """
    # The sum of squares over a clip of 224 pixels overflows float16.
    points = points.to(torch.promote_types(points.dtype, torch.float32))
    present = (points.abs() < _FAR * max(clip_size)).all(-1, keepdim=True)  # False for NaN
    count = present.sum((1, 2), keepdim=True).clamp_min(1)
    known = torch.where(present, points, 0.0)
    centred = torch.where(present, known - known.sum((1, 2), keepdim=True) / count, 0.0)
    square = centred.square().sum((1, 2, 3), keepdim=True) / count
    return centred / square.clamp_min(1e-6).sqrt(), present.any(2).squeeze(-1)
