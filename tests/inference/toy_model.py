"""A network whose right answer is known: it sees how bright the crop is, and takes the squares for faces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn

from fer_zoo.model import FERModel
from fer_zoo.specs import ComponentSpec, CropSpec, InputSpec, LandmarkSpec

LABELS = ("dark", "middle", "bright")


class BrightnessNet(nn.Module):
    """Labels by the mean of the clip's strongest colour; keeps the shapes it was given."""

    def __init__(self, *, frames: int = 4, fps: float = 25.0, needs_landmarks: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(20.0))
        self.labels = LABELS
        self.needs_landmarks = needs_landmarks
        self.card = self.started_from = None
        self.spec = SimpleNamespace(name="brightness")
        detector = ComponentSpec(name="squares")
        self.input_spec = InputSpec(
            frames=frames, size=16, fps=fps, crop=CropSpec(scale=0.8, shift_up=0.0),
            mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), landmarks=LandmarkSpec(detector=detector),
        )  # fmt: skip
        self.batches: list[int] = []
        self.points: list[torch.Tensor] = []

    def forward(self, clip: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        assert clip.shape[1:] == (3, self.input_spec.frames, 16, 16)
        assert (landmarks is not None) == self.needs_landmarks
        assert not self.training
        self.batches.append(len(clip))
        if landmarks is not None:
            self.points.append(landmarks)
        bright = clip.amax(dim=1).mean(dim=(1, 2, 3))[:, None]
        return -self.weight * (bright - torch.tensor([[0.62, 0.78, 0.9]])).abs()


def brightness_model(**options: Any) -> FERModel:
    # The library asks of a model only what FERModel promises; the toy keeps that promise.
    return cast(FERModel, BrightnessNet(**options))
