"""No fusion: the plain shortcut, the paper's "without landmarks"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from fer_zoo.registry import register_fusion
from fer_zoo.specs import ResidualSite


@register_fusion("none")
class NoFusion(nn.Module):
    """Use no landmarks: every shortcut stays as it is (paper, section 3.2, the ablation without landmarks)."""

    site: Literal["none"] = "none"

    def __init__(self, sites: Mapping[str, ResidualSite]) -> None:
        super().__init__()

    def forward(self, site: str, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Return the shortcut (B, C, T', H', W') unchanged."""
        return shortcut
