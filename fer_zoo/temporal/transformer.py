"""Transformer encoder over the time steps of the feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_zoo.errors import OptionError
from fer_zoo.registry import register_temporal
from fer_zoo.specs import Fraction, Positive
from fer_zoo.temporal._steps import masked_mean, without_padding


@register_temporal("transformer")
class Transformer(nn.Module):
    """Transformer encoder on features projected to `hidden`, with sinusoidal positions; the mean step is classified.

    Layers are pre-norm (Xiong et al. 2020, arXiv 2002.04745), which needs no warm-up; the MLP is 4 * `hidden` wide.
    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3.

    Raises:
        OptionError: `hidden` is not divisible by `heads`.
    """

    def __init__(
        self,
        in_features: int,
        *,
        hidden: Positive = 128,
        layers: Positive = 2,
        heads: Positive = 4,
        dropout: Fraction = 0.1,
    ) -> None:
        super().__init__()
        if hidden % heads:
            raise OptionError.for_heads("temporal 'transformer'", "hidden", hidden, heads)
        self.project = nn.Linear(in_features, hidden)
        # Not nn.TransformerEncoder: it copies one layer, so all would start with the same weights.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(hidden, heads, 4 * hidden, dropout, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden)
        self.out_features = hidden

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map a sequence (B, T', D) to (B, hidden); steps where `mask` (B, T') is False are ignored."""
        x: Tensor = self.project(without_padding(sequence, mask))
        x = x + positions(x.shape[1], x.shape[2], x.device).to(x.dtype)
        padded = None if mask is None else ~mask
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padded)
        return masked_mean(self.norm(x), mask)


def positions(steps: int, features: int, device: torch.device) -> Tensor:
    """Return sinusoidal positions (steps, features): sine in even features, cosine in odd ones."""
    feature = torch.arange(features, device=device)
    rate = 10000.0 ** (-(feature - feature % 2) / features)
    angle = torch.arange(steps, device=device)[:, None] * rate
    return torch.where(feature % 2 == 0, angle.sin(), angle.cos())
