"""The transformer head against an encoder written out with matrices; its positions against their formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fer_zoo.errors import OptionError
from fer_zoo.registry import TEMPORALS
from fer_zoo.temporal.transformer import positions


@pytest.mark.parametrize(("steps", "features"), [(6, 8), (5, 9), (1, 4)])
def test_positions(steps: int, features: int) -> None:
    got = positions(steps, features, torch.device("cpu"))
    for t in range(steps):
        for i in range(features):
            angle = t / 10000 ** (2 * (i // 2) / features)
            assert got[t, i].item() == pytest.approx(math.cos(angle) if i % 2 else math.sin(angle), abs=1e-5)


def normed(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    unit = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return unit * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def test_equals_an_encoder_written_out() -> None:
    torch.manual_seed(0)
    head = TEMPORALS.get("transformer").build(options={"hidden": 6, "heads": 2}, in_features=7).eval()
    assert head.out_features == 6
    w = {name: p.detach().double() for name, p in head.named_parameters()}
    sequence = torch.randn(5, 7).double()
    x = linear(sequence, w, "project") + positions(5, 6, sequence.device).double()
    for layer in ("layers.0", "layers.1"):
        q, k, v = (
            normed(x, w, f"{layer}.norm1") @ w[f"{layer}.self_attn.in_proj_weight"].T
            + w[f"{layer}.self_attn.in_proj_bias"]
        ).chunk(3, 1)
        heads = [torch.softmax(q[:, s] @ k[:, s].T / math.sqrt(3), 1) @ v[:, s] for s in (slice(0, 3), slice(3, 6))]
        x = x + linear(torch.cat(heads, 1), w, f"{layer}.self_attn.out_proj")
        inner = linear(normed(x, w, f"{layer}.norm2"), w, f"{layer}.linear1")
        assert inner.shape == (5, 24)
        x = x + linear(inner.relu(), w, f"{layer}.linear2")
    expected = normed(x, w, "norm").mean(0)
    torch.testing.assert_close(head.double()(sequence[None])[0], expected, rtol=1e-5, atol=1e-6)


def test_layers_start_apart_and_order_matters() -> None:
    torch.manual_seed(0)
    head = TEMPORALS.get("transformer").build(options={"hidden": 8}, in_features=7).eval()
    assert not torch.equal(head.layers[0].linear1.weight, head.layers[1].linear1.weight)
    sequence = torch.randn(2, 6, 7)
    assert not torch.allclose(head(sequence), head(sequence.flip(1)))


def test_dropout_is_applied_in_training() -> None:
    sequence = torch.randn(2, 6, 7)
    for dropout, same in ((0.0, True), (0.5, False)):
        head = TEMPORALS.get("transformer").build(options={"hidden": 8, "dropout": dropout}, in_features=7).train()
        assert torch.equal(head(sequence), head(sequence)) == same


def test_refuses_heads_that_do_not_divide_hidden() -> None:
    with pytest.raises(OptionError) as caught:
        TEMPORALS.get("transformer").build(options={"hidden": 50, "heads": 4}, in_features=7)
    assert str(caught.value) == (
        "temporal 'transformer' was given hidden=50 for heads=4.\n"
        "  Accepted: hidden: a multiple of heads\n"
        "  What to do: write hidden=52 or heads=2"
    )
