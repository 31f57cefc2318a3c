"""Temporal convolutions over the time steps of the feature map."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from fer_zoo.registry import register_temporal
from fer_zoo.specs import Positive
from fer_zoo.temporal._steps import masked_mean, without_padding


class Block(nn.Module):
    """`relu(x + relu(conv(relu(conv(x)))))` over time, both convolutions with the same dilation; keeps T'."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation) for _ in range(2)
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map (B, T', C) to the same shape."""
        out = x
        for conv in self.convs:
            # A padded step must look like the convolution's own padding: zero.
            out = conv(without_padding(out, mask).transpose(1, 2)).transpose(1, 2).relu()
        return (x + out).relu()


@register_temporal("tcn")
class TCN(nn.Module):
    """Residual blocks of temporal convolutions whose dilation doubles from block to block; their mean is classified.

    The receptive field is `1 + 2 * (kernel - 1) * (2^layers - 1)` steps. Differences from the source, Bai et al. 2018
    (arXiv 1803.01271), section 3: not causal, since the whole clip is available; no weight norm and no dropout.
    """

    def __init__(
        self, in_features: int, *, hidden: Positive = 128, layers: Positive = 2, kernel: Literal[3, 5, 7] = 3
    ) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, hidden)
        self.blocks = nn.ModuleList(Block(hidden, kernel, 2**depth) for depth in range(layers))
        self.out_features = hidden

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map a sequence (B, T', D) to (B, hidden); steps where `mask` (B, T') is False are ignored."""
        x: Tensor = self.project(without_padding(sequence, mask))
        for block in self.blocks:
            x = block(x, mask)
        return masked_mean(x, mask)
