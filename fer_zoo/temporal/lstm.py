"""LSTM over the time steps of the feature map."""

from __future__ import annotations

from torch import Tensor, nn

from fer_zoo.registry import register_temporal
from fer_zoo.specs import Positive
from fer_zoo.temporal._recurrent import State, initialise, out_features, summarise


@register_temporal("lstm")
class LSTM(nn.Module):
    """LSTM whose last hidden state is classified; 200 units in the paper (section 3.1).

    `state` selects the hidden state after the last time step, or the mean over all. `bidirectional` adds a backward
    pass and doubles `out_features`. torch.compile breaks its graph at recurrent layers, so do not compile with
    `fullgraph`.
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
        self.lstm = nn.LSTM(in_features, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.state: State = state
        self.out_features = out_features(self.lstm)
        initialise(self.lstm, gates=4)
        for name, bias in self.lstm.named_parameters():
            if name.startswith("bias_ih"):
                forget = bias.chunk(4)[1]
                nn.init.ones_(forget)  # starts open (Jozefowicz et al. 2015)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map a sequence (B, T', D) to (B, out_features); steps where `mask` (B, T') is False are ignored."""
        return summarise(self.lstm, sequence, mask, self.state)
