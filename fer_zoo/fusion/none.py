"""No fusion: the paper's network "without landmarks"."""

from __future__ import annotations

from torch import Tensor, nn

from fer_zoo.registry import register_fusion


@register_fusion("none", site="none")
class NoFusion(nn.Module):
    """Ignore the landmarks: every shortcut is unchanged (paper, section 3.2, the ablation without landmarks)."""

    def __init__(self) -> None:  # otherwise the signature would be nn.Module's, which takes anything
        super().__init__()

    def forward(self, x: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str = "") -> Tensor:
        """Return x unchanged."""
        return x
