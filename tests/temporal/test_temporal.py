"""Temporal heads: contract of every one, and what each computes."""

from __future__ import annotations

import pytest
import torch

from fer_zoo.registry import TEMPORALS


@pytest.mark.parametrize("name", TEMPORALS.names())
@pytest.mark.parametrize("steps", [1, 6])
def test_contract(name: str, steps: int) -> None:
    head = TEMPORALS.get(name).build(options={}, in_features=12).eval()
    sequence = torch.randn(3, steps, 12)
    embedding = head(sequence)
    assert embedding.shape == (3, head.out_features)
    torch.testing.assert_close(head(sequence[1:2]), embedding[1:2])
    assert TEMPORALS.get(name).summary


def test_mean() -> None:
    sequence = torch.randn(3, 6, 12)
    assert torch.equal(TEMPORALS.get("mean").build(options={}, in_features=12)(sequence), sequence.mean(1))


def test_lstm_is_the_last_state_of_200_units() -> None:
    head = TEMPORALS.get("lstm").build(options={}, in_features=12)
    assert head.out_features == 200
    sequence = torch.randn(3, 6, 12)
    assert torch.equal(head(sequence), head.lstm(sequence)[0][:, -1])
    assert not torch.allclose(head(sequence), head(sequence.flip(1))), "order must matter"


def test_lstm_gates_are_open_however_many_inputs_there_are() -> None:
    """torch's own initialisation saturates them: it knows the number of units, not that of inputs."""
    torch.manual_seed(0)
    head = TEMPORALS.get("lstm").build(options={"hidden": 40}, in_features=4096)
    gates = torch.randn(64, 4096) @ head.lstm.weight_ih_l0.T
    assert gates.std() < 2
    assert head.lstm.bias_ih_l0[40:80].eq(1).all()
    assert head.lstm.bias_ih_l0[:40].eq(0).all()
