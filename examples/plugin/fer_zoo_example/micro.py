"""A backbone of your own: three strided convolutions and one residual unit, frame by frame."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from fer_zoo import register_backbone
from fer_zoo.specs import Shortcut, Site


# `size` is what `create_model("micro_...")` uses unless told otherwise; `sites` says which fusions it takes.
@register_backbone("micro", size=64, pool="mean", sites=("input", "residual"))
class Micro(nn.Module):
    """Three convolutions at stride 2 and one residual unit per frame; a tutorial, not a good network."""

    # `in_channels` is injected (4 with the fusion lm_in); what follows the `*` is what a recipe may say.
    def __init__(self, in_channels: int, *, width: Annotated[int, Field(ge=4)] = 16) -> None:
        super().__init__()
        channels = (in_channels, width, 2 * width, 4 * width)
        self.convs = nn.Sequential(
            *(
                nn.Sequential(nn.Conv3d(i, o, (1, 3, 3), (1, 2, 2), (0, 1, 1)), nn.GroupNorm(4, o), nn.ReLU())
                for i, o in pairwise(channels)
            )
        )
        self.residual = nn.Conv3d(channels[-1], channels[-1], (1, 3, 3), padding=(0, 1, 1))
        # Channels of the features; every frame gives one time step, so step t is centred on frame t.
        self.output = Site(channels[-1])
        # The shortcuts that a fusion such as `lm` may change, by a name that is ours to choose.
        self.residual_sites: Mapping[str, Site] = {"unit": Site(channels[-1])}
        # For `model.freeze("convs")` and layer-wise rates: every parameter belongs to one stage.
        self.stages: Mapping[str, Sequence[str]] = {"convs": ("convs",), "unit": ("residual",)}

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, C, T, H, W) to features (B, 4 * width, T, H / 8, W / 8)."""
        x: Tensor = self.convs(clip)
        kept = x if shortcut is None else shortcut("unit", x)
        return torch.relu(kept + self.residual(x))
