"""Mean over the time steps."""

from __future__ import annotations

from torch import Tensor, nn

from fer_zoo.registry import register_temporal
from fer_zoo.temporal._steps import masked_mean


@register_temporal("mean")
class Mean(nn.Module):
    """Average the time steps: the ablation without a recurrent head."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.out_features = in_features

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Average a sequence (B, T', D) to (B, D); steps where `mask` (B, T') is False are ignored."""
        return masked_mean(sequence, mask)
