"""Properties that every temporal head must have."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import nn

from fer_zoo.registry import TEMPORALS
from fer_zoo.testing import check_temporal

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in TEMPORALS.names()),
    *((name, {"hidden": 5, "layers": 2, "bidirectional": True}) for name in ("lstm", "gru")),
    *((name, {"hidden": 5, "bidirectional": True, "state": "mean"}) for name in ("lstm", "gru")),
    *((name, {"hidden": 5, "layers": 3, "state": "mean"}) for name in ("lstm", "gru")),
    ("attn", {"hidden": 5, "heads": 3}),
    ("transformer", {"hidden": 9, "layers": 1, "heads": 3}),
    ("tcn", {"hidden": 5, "layers": 3, "kernel": 7}),
]
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)


def built(name: str, options: dict[str, Any], in_features: int = 12) -> nn.Module:
    torch.manual_seed(0)
    head: nn.Module = TEMPORALS.get(name).build(options=options, in_features=in_features)
    return head.eval()


@every_variant
@pytest.mark.filterwarnings("error")
def test_contract(name: str, options: dict[str, Any]) -> None:
    check_temporal(name, **options)


@every_variant
def test_padding_is_ignored_even_in_training(name: str, options: dict[str, Any]) -> None:
    """Non-finite padding reaches neither the result nor a gradient; clips of different lengths share a batch."""
    head = built(name, options)
    real = torch.tensor([6, 1, 4])
    mask = torch.arange(6) < real[:, None]
    sequence = torch.randn(3, 6, 12).masked_fill(~mask[..., None], torch.nan).requires_grad_()
    embedding = head(sequence, mask)
    for b, steps in enumerate(real):
        torch.testing.assert_close(embedding[b : b + 1], head(sequence[b : b + 1, :steps]), rtol=1e-4, atol=1e-5)
    embedding.square().sum().backward()
    assert sequence.grad is not None
    assert sequence.grad[~mask].eq(0).all()
    assert all(g is not None and g.isfinite().all() for g in (sequence.grad, *(p.grad for p in head.parameters())))


@every_variant
def test_bf16_autocast(name: str, options: dict[str, Any]) -> None:
    head = built(name, options)
    sequence = torch.randn(3, 6, 12)
    mask = torch.arange(6) < torch.tensor([6, 1, 4])[:, None]
    with torch.autocast("cpu", torch.bfloat16):
        for given in (None, mask):
            got = head(sequence, given).float()
            torch.testing.assert_close(got, exact(head, sequence, given), rtol=0.1, atol=0.05)


def exact(head: nn.Module, sequence: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    with torch.autocast("cpu", enabled=False):
        out: torch.Tensor = head(sequence, mask)
    return out


@every_variant
@pytest.mark.parametrize("steps", [1, 6])
def test_export(name: str, options: dict[str, Any], steps: int) -> None:
    head = built(name, options)
    sequence = torch.randn(2, steps, 12)
    with warnings.catch_warnings():
        # torch's exporter warns about the list of weights in torch's recurrent layers.
        warnings.filterwarnings("ignore", message="The tensor attributes .*_flat_weights")
        exported = torch.export.export(head, (sequence,)).module()
    torch.testing.assert_close(exported(sequence), head(sequence))


@every_variant
def test_compile(name: str, options: dict[str, Any]) -> None:
    head = built(name, options)
    sequence = torch.randn(2, 6, 12)
    # torch always breaks its graph at recurrent layers.
    compiled = torch.compile(head, fullgraph=name not in ("lstm", "gru"), backend="aot_eager")
    torch.testing.assert_close(compiled(sequence), head(sequence))


@pytest.mark.parametrize("name", ["lstm", "gru", "attn", "transformer", "tcn"])
def test_a_masked_causal_head_can_be_exported(name: str) -> None:
    head = built(name, {})
    sequence, mask = torch.randn(2, 6, 12), torch.arange(6) < torch.tensor([[6], [3]])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The tensor attributes .*_flat_weights")
        exported = torch.export.export(head, (sequence, mask)).module()
    torch.testing.assert_close(exported(sequence, mask.flip(0)), head(sequence, mask.flip(0)))


def test_mean() -> None:
    sequence = torch.randn(3, 6, 12)
    assert torch.equal(built("mean", {})(sequence), sequence.mean(1))
    mask = torch.arange(6) < torch.tensor([2, 6, 1])[:, None]
    masked = built("mean", {})(sequence, mask)
    torch.testing.assert_close(masked[0], (sequence[0, 0] + sequence[0, 1]) / 2)
    torch.testing.assert_close(masked[2], sequence[2, 0])
