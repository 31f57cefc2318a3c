"""GRU over the time steps of the feature map."""

from __future__ import annotations

from torch import Tensor, nn

from fer_zoo.registry import register_temporal
from fer_zoo.specs import Positive
from fer_zoo.temporal._recurrent import State, initialise, out_features, summarise


@register_temporal("gru")
class GRU(nn.Module):
    """GRU (Cho et al. 2014, arXiv 1406.1078): like the LSTM without a cell state, with three quarters of its weights.

    `state` selects the state after the last time step, or the mean over all. `bidirectional` adds a backward pass and
    doubles `out_features`. torch.compile breaks its graph at recurrent layers, so do not compile with `fullgraph`.
    """

    def __init__(
        self,
        in_features: int,
        *,
        hidden: Positive = 200,
        layers: Positive = 1,
        bidirectional: bool = False,
        state: State = "last",
    ) -> None:
        super().__init__()
        self.gru = nn.GRU(in_features, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.state: State = state
        self.out_features = out_features(self.gru)
        initialise(self.gru, gates=3)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map a sequence (B, T', D) to (B, out_features); steps where `mask` (B, T') is False are ignored."""
        return summarise(self.gru, sequence, mask, self.state)
