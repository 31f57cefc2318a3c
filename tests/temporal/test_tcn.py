"""Temporal convolutions against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_zoo.registry import TEMPORALS


def slow_conv(xs: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int) -> np.ndarray:
    """Same convolution over time: out[t] = bias + sum over taps of W[tap] x[t + (tap - middle) * dilation]."""
    out = np.zeros_like(xs)
    for t in range(len(xs)):
        out[t] = bias
        for tap in range(weight.shape[2]):
            at = t + (tap - weight.shape[2] // 2) * dilation
            if 0 <= at < len(xs):
                out[t] += weight[:, :, tap] @ xs[at]
    return out


@pytest.mark.parametrize("kernel", [3, 5])
def test_equals_loops(kernel: int) -> None:
    torch.manual_seed(0)
    head = TEMPORALS.get("tcn").build(options={"hidden": 4, "layers": 3, "kernel": kernel}, in_features=7)
    w = {name: p.detach().numpy() for name, p in head.named_parameters()}
    sequence = torch.randn(2, 9, 7)
    got = head(sequence, torch.arange(9) < torch.tensor([[9], [5]])).detach().numpy()
    for b, length in enumerate((9, 5)):
        xs = sequence[b, :length].numpy() @ w["project.weight"].T + w["project.bias"]
        for block, dilation in enumerate((1, 2, 4)):
            inner = xs
            for conv in (f"blocks.{block}.convs.0", f"blocks.{block}.convs.1"):
                inner = np.maximum(slow_conv(inner, w[f"{conv}.weight"], w[f"{conv}.bias"], dilation), 0)
            xs = np.maximum(xs + inner, 0)
        np.testing.assert_allclose(got[b], xs.mean(0), atol=1e-5)


def test_receptive_field_is_as_documented() -> None:
    """1 + 2 * (kernel - 1) * (2^layers - 1) steps, half of them on each side."""
    head = TEMPORALS.get("tcn").build(options={"hidden": 4, "layers": 2, "kernel": 3}, in_features=7)
    with torch.no_grad():
        for p in head.parameters():
            p.copy_(p.abs() + 0.01)  # so that no relu hides a path
    x = head.project(torch.rand(1, 30, 7)).detach().requires_grad_()
    out = x
    for block in head.blocks:
        out = block(out, None)
    out[0, 15].sum().backward()
    assert x.grad is not None
    reached = x.grad[0].abs().sum(1).nonzero().flatten()
    assert (reached.min().item(), reached.max().item()) == (15 - 6, 15 + 6)
