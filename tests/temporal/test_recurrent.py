"""LSTM and GRU against their equations, step by step in plain loops."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from fer_zoo.errors import OptionError
from fer_zoo.registry import TEMPORALS

Weights = Mapping[str, np.ndarray]
Step = Callable[[np.ndarray, tuple[np.ndarray, ...], Weights, str], tuple[np.ndarray, ...]]
HIDDEN = 5


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def gate_inputs(x: np.ndarray, h: np.ndarray, w: Weights, at: str) -> tuple[np.ndarray, np.ndarray]:
    return w[f"weight_ih_{at}"] @ x + w[f"bias_ih_{at}"], w[f"weight_hh_{at}"] @ h + w[f"bias_hh_{at}"]


def lstm_step(x: np.ndarray, state: tuple[np.ndarray, ...], w: Weights, at: str) -> tuple[np.ndarray, ...]:
    h, c = state
    i, f, g, o = np.split(sum(gate_inputs(x, h, w, at)), 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x: np.ndarray, state: tuple[np.ndarray, ...], w: Weights, at: str) -> tuple[np.ndarray, ...]:
    (h,) = state
    (r_in, z_in, n_in), (r_h, z_h, n_h) = (np.split(part, 3) for part in gate_inputs(x, h, w, at))
    z = sigmoid(z_in + z_h)
    return ((1 - z) * np.tanh(n_in + sigmoid(r_in + r_h) * n_h) + z * h,)


CELLS: Mapping[str, tuple[Step, int]] = {"lstm": (lstm_step, 2), "gru": (gru_step, 1)}


def run(kind: str, xs: np.ndarray, w: Weights, at: str) -> np.ndarray:
    step, parts = CELLS[kind]
    state = tuple(np.zeros(HIDDEN) for _ in range(parts))
    states = []
    for x in xs:
        state = step(x, state, w, at)
        states.append(state[0])
    return np.array(states)


def slow(kind: str, xs: np.ndarray, w: Weights, *, layers: int, bidirectional: bool, state: str) -> np.ndarray:
    for layer in range(layers):
        forward = run(kind, xs, w, f"l{layer}")
        backward = run(kind, xs[::-1], w, f"l{layer}_reverse")[::-1] if bidirectional else forward[:, :0]
        xs = np.concatenate([forward, backward], 1)
    return xs.mean(0) if state == "mean" else np.concatenate([forward[-1], backward[0]])


@pytest.mark.parametrize(
    ("kind", "layers", "bidirectional", "state"),
    list(itertools.product(("lstm", "gru"), (1, 2), (False, True), ("last", "mean"))),
)
def test_equals_the_equations(kind: str, layers: int, bidirectional: bool, state: str) -> None:
    options = {"layers": layers, "bidirectional": bidirectional, "state": state}
    torch.manual_seed(0)
    head = TEMPORALS.get(kind).build(options={"hidden": HIDDEN, **options}, in_features=7)
    assert head.out_features == (2 * HIDDEN if bidirectional else HIDDEN)
    sequence = torch.randn(3, 6, 7)
    lengths = (6, 1, 4)
    got = head(sequence, torch.arange(6) < torch.tensor(lengths)[:, None]).detach().numpy()
    weights = {name: p.detach().numpy() for name, p in getattr(head, kind).named_parameters()}
    for b, length in enumerate(lengths):
        expected = slow(kind, sequence[b, :length].numpy(), weights, **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(got[b], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_default_is_the_last_state_of_200_units(kind: str) -> None:
    head = TEMPORALS.get(kind).build(options={}, in_features=12)
    assert head.out_features == 200
    sequence = torch.randn(3, 6, 12)
    assert torch.equal(head(sequence), getattr(head, kind)(sequence)[0][:, -1])
    assert not torch.allclose(head(sequence), head(sequence.flip(1))), "order must matter"


def test_parameters_of_the_lstm_are_named_as_in_shipped_weights() -> None:
    head = TEMPORALS.get("lstm").build(options={}, in_features=12)
    assert list(head.state_dict()) == [f"lstm.{w}_l0" for w in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3)])
def test_gates_are_open_however_many_inputs_there_are(kind: str, gates: int) -> None:
    """torch's default initialisation saturates them: it depends on the number of units, not of inputs."""
    torch.manual_seed(0)
    options = {"hidden": 40, "layers": 2, "bidirectional": True}
    head = TEMPORALS.get(kind).build(options=options, in_features=4096)
    weights = dict(getattr(head, kind).named_parameters())
    assert (torch.randn(64, 4096) @ weights["weight_ih_l0"].T).std() < 2
    for at in ("l0", "l0_reverse", "l1", "l1_reverse"):
        for gate in weights[f"weight_hh_{at}"].chunk(gates):
            torch.testing.assert_close(gate @ gate.T, torch.eye(40), rtol=0, atol=1e-5)
        bias = weights[f"bias_ih_{at}"].detach().clone()
        if kind == "lstm":
            assert bias[40:80].eq(1).all(), "the forget gate starts open"
            bias[40:80] = 0
        assert bias.eq(0).all()
        assert weights[f"bias_hh_{at}"].eq(0).all()


def test_initial_weights_of_the_lstm_do_not_change_between_versions() -> None:
    """Recipes with a seed stay reproducible: weights are drawn gate by gate, input weights first."""
    torch.manual_seed(3)
    head = TEMPORALS.get("lstm").build(options={"hidden": 4}, in_features=6)
    torch.manual_seed(3)
    plain = torch.nn.LSTM(6, 4, batch_first=True)
    for gate in plain.weight_ih_l0.chunk(4):
        torch.nn.init.xavier_uniform_(gate)
    for gate in plain.weight_hh_l0.chunk(4):
        torch.nn.init.orthogonal_(gate)
    assert torch.equal(head.lstm.weight_ih_l0, plain.weight_ih_l0)
    assert torch.equal(head.lstm.weight_hh_l0, plain.weight_hh_l0)


@pytest.mark.parametrize("wrong", [{"state": "first"}, {"layers": 0}, {"bidirectional": 1}, {"hidden": 2.0}])
def test_refuses(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        TEMPORALS.get("lstm").build(options=wrong, in_features=6)
