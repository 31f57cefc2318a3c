"""LSTM over the time steps of the feature map."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from fer_zoo.registry import register_temporal


@register_temporal("lstm")
class LSTM(nn.Module):
    """LSTM whose last hidden state is classified; 200 units in the paper (section 3.1)."""

    def __init__(self, in_features: int, *, hidden: Annotated[int, Field(gt=0)] = 200) -> None:
        super().__init__()
        self.lstm = nn.LSTM(in_features, hidden, batch_first=True)
        self.out_features = hidden

    def forward(self, sequence: Tensor) -> Tensor:
        """Summarise a sequence (B, T', D) as (B, hidden)."""
        _, (last, _) = self.lstm(sequence)
        state: Tensor = last[-1]
        return state
