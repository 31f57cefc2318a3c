"""A landmark fusion of your own: the clip is dimmed away from the facial points."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from fer_zoo import register_fusion
from fer_zoo.landmarks.maps import landmark_map


# The site says where the fusion works and with it how it is called: see `fer_zoo.specs.Fusion`.
@register_fusion("spotlight", site="input")
class Spotlight(nn.Module):
    """Multiply the clip by `floor + (1 - floor) * map`: bright at the facial points, dim elsewhere."""

    # A fusion at the input may add channels, as lm_in does; this one adds none.
    extra_channels = 0

    def __init__(self, *, floor: Annotated[float, Field(ge=0, le=1)] = 0.5) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, clip: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Dim a clip (B, 3, T, H, W) away from landmarks (B, T, 68, 2); a frame without a face stays as it is."""
        radius = max(1, clip_size[0] // 16)
        light = landmark_map(landmarks, clip_size, clip_size, radius=radius).weights  # (B, 1, T, H, W)
        return clip * (self.floor + (1 - self.floor) * light).to(clip.dtype)
