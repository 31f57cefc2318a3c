"""LSTM and GRU over the time steps of the feature map."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fer_zoo.registry import register_temporal
from fer_zoo.specs import Positive
from fer_zoo.temporal._steps import masked_mean, without_padding

State = Literal["last", "mean"]


class Recurrent(nn.Module):
    """One or more recurrent layers, whose states are pooled into one vector."""

    kind: ClassVar[type[nn.LSTM] | type[nn.GRU]]
    name: ClassVar[str]
    """Of the layers in the state dict."""
    gates: ClassVar[int]

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
        rnn = self.kind(in_features, hidden, layers, batch_first=True, bidirectional=bidirectional)
        initialise(rnn, self.gates)
        self.add_module(self.name, rnn)
        self.state: State = state
        self.out_features = hidden * (2 if bidirectional else 1)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map a sequence (B, T', D) to (B, out_features); steps where `mask` (B, T') is False are ignored."""
        return summarise(getattr(self, self.name), sequence, mask, self.state)


@register_temporal("lstm")
class LSTM(Recurrent):
    """LSTM whose last hidden state is classified; 200 units in the paper (section 3.1).

    `state` selects the hidden state after the last time step, or the mean over all. `bidirectional` adds a backward
    pass and doubles `out_features`. torch.compile breaks its graph at recurrent layers, so do not compile with
    `fullgraph`.
    """

    kind, name, gates = nn.LSTM, "lstm", 4


@register_temporal("gru")
class GRU(Recurrent):
    """GRU (Cho et al. 2014, arXiv 1406.1078): like the LSTM without a cell state, with three quarters of its weights.

    `state` selects the state after the last time step, or the mean over all. `bidirectional` adds a backward pass and
    doubles `out_features`. torch.compile breaks its graph at recurrent layers, so do not compile with `fullgraph`.
    """

    kind, name, gates = nn.GRU, "gru", 3


def initialise(rnn: nn.RNNBase, gates: int) -> None:
    """Initialise each gate separately: Glorot for input weights, orthogonal for state weights, 0 for biases.

    torch scales by 1/sqrt(hidden) whatever the input size: thousands of flattened features would saturate every gate.
    """
    for name, parameter in rnn.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            if name.startswith("bias_ih") and isinstance(rnn, nn.LSTM):
                nn.init.ones_(parameter.chunk(gates)[1])  # the forget gate starts open (Jozefowicz et al. 2015)
            continue
        init = nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_
        for gate in parameter.chunk(gates):
            init(gate)


def summarise(rnn: nn.RNNBase, sequence: Tensor, mask: Tensor | None, state: State) -> Tensor:
    """Run over a sequence (B, T', D) and return one state (B, out_features): the last, or the mean over real steps.

    The last state of the forward direction is at the last real step, that of the backward direction at step 0.
    """
    if isinstance(rnn, nn.LSTM) and sequence.device.type == "cpu" and not _has_low_precision_lstm():
        # Autocast would pick a bfloat16 LSTM that oneDNN does not have for this processor.
        with torch.autocast("cpu", enabled=False):
            return _summarise(rnn, sequence.to(next(rnn.parameters()).dtype), mask, state)
    return _summarise(rnn, sequence, mask, state)


def _has_low_precision_lstm() -> bool:
    if not torch.is_autocast_enabled("cpu"):
        return True
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())


def _summarise(rnn: nn.RNNBase, sequence: Tensor, mask: Tensor | None, state: State) -> Tensor:
    states = _states(rnn, without_padding(sequence, mask), mask)
    if state == "mean":
        return masked_mean(states, mask)
    if mask is None:
        last = states[:, -1]
    else:
        at = (mask.sum(1) - 1)[:, None, None].expand(-1, 1, states.shape[2])
        last = states.gather(1, at).squeeze(1)
    if not rnn.bidirectional:
        return last
    return torch.cat((last[:, : rnn.hidden_size], states[:, 0, rnn.hidden_size :]), 1)


def _states(rnn: nn.RNNBase, sequence: Tensor, mask: Tensor | None) -> Tensor:
    """Return the states (B, T', out_features) of the top layer; those of padded steps are arbitrary."""
    if mask is None or not rnn.bidirectional:  # going forwards, padding at the end changes nothing before it
        states: Tensor = rnn(sequence)[0]
        return states
    # The backward direction must start at each sequence's own last step.
    packed = pack_padded_sequence(sequence, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
    unpacked: Tensor = pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=sequence.shape[1])[0]
    return unpacked
