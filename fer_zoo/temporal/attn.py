"""Attention pooling over the time steps of the feature map."""

from __future__ import annotations

from torch import Tensor, nn

from fer_zoo.registry import register_temporal
from fer_zoo.specs import Positive
from fer_zoo.temporal._steps import without_padding


@register_temporal("attn")
class AttentionPooling(nn.Module):
    """Average the time steps with learned weights `softmax over t of v . tanh(V x_t)`.

    Each of `heads` has its own `v` and its own average; the averages are concatenated. The order of the steps does not
    matter. Source: Ilse et al. 2018 (arXiv 1802.04712), section 2.4; for expressions Meng et al. 2019 (1907.00193).
    """

    def __init__(self, in_features: int, *, hidden: Positive = 128, heads: Positive = 1) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(in_features, hidden), nn.Tanh(), nn.Linear(hidden, heads, bias=False))
        self.out_features = heads * in_features

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Average a sequence (B, T', D) to (B, heads * D); steps where `mask` (B, T') is False are ignored."""
        sequence = without_padding(sequence, mask)
        scores: Tensor = self.score(sequence)
        if mask is not None:
            scores = scores.masked_fill(~mask[..., None], -float("inf"))
        weights = scores.softmax(1)
        return (weights.transpose(1, 2) @ sequence).flatten(1)
