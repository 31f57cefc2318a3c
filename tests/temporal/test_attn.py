"""Attention pooling against its formula."""

from __future__ import annotations

import math

import numpy as np
import torch

from fer_zoo.registry import TEMPORALS


def test_equals_the_formula() -> None:
    torch.manual_seed(0)
    head = TEMPORALS.get("attn").build(options={"hidden": 5, "heads": 2}, in_features=7)
    assert head.out_features == 14
    sequence = torch.randn(2, 6, 7)
    got = head(sequence, torch.arange(6) < torch.tensor([[6], [4]])).detach().numpy()
    u, bias, v = (p.detach().numpy() for p in head.parameters())
    for b, length in enumerate((6, 4)):
        xs = sequence[b, :length].numpy()
        for k in range(2):
            scores = [math.exp(float(v[k] @ np.tanh(u @ x + bias))) for x in xs]
            expected = sum(score / sum(scores) * x for score, x in zip(scores, xs, strict=True))
            np.testing.assert_allclose(got[b, 7 * k : 7 * k + 7], expected, atol=1e-5)


def test_order_does_not_matter_and_one_step_is_itself() -> None:
    head = TEMPORALS.get("attn").build(options={}, in_features=7)
    sequence = torch.randn(2, 6, 7)
    torch.testing.assert_close(head(sequence), head(sequence.flip(1)))
    torch.testing.assert_close(head(sequence[:, :1]), sequence[:, 0])
