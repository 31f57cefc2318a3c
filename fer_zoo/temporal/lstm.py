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
        self._initialise()

    def _initialise(self) -> None:
        # torch draws by 1/sqrt(hidden) whatever the input: thousands of flattened features would saturate every gate.
        # Per gate: Glorot for inputs, orthogonal for the state, forget bias 1 (Jozefowicz et al. 2015).
        weights = dict(self.lstm.named_parameters())
        for gate in weights["weight_ih_l0"].chunk(4):
            nn.init.xavier_uniform_(gate)
        for gate in weights["weight_hh_l0"].chunk(4):
            nn.init.orthogonal_(gate)
        nn.init.zeros_(weights["bias_ih_l0"])
        nn.init.zeros_(weights["bias_hh_l0"])
        forget = weights["bias_ih_l0"].chunk(4)[1]
        nn.init.ones_(forget)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Summarise a sequence (B, T', D) as (B, hidden)."""
        _, (last, _) = self.lstm(sequence)
        state: Tensor = last[-1]
        return state
