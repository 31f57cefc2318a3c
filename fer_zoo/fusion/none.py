"""No fusion: the plain shortcut, the paper's "without landmarks"."""

from __future__ import annotations

from torch import Tensor, nn

from fer_zoo.registry import register_fusion


@register_fusion("none", site="none")
class NoFusion(nn.Module):
    """Use no landmarks: every shortcut stays as it is (paper, section 3.2, the ablation without landmarks)."""

    def __init__(self) -> None:  # else the signature is nn.Module's, which takes anything
        super().__init__()

    def forward(self, x: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str = "") -> Tensor:
        """Return x unchanged."""
        return x
