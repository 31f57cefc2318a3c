"""Optimizers: one contract for all registered ones, which parameters decay, and steps as torch takes them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fer_zoo.registry import OPTIMIZERS
from fer_zoo.testing import check_optimizer


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def made(name: str, model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    optimizer = OPTIMIZERS.get(name).build(options=options, parameters=list(model.parameters()), lr=0.01)
    assert isinstance(optimizer, torch.optim.Optimizer)
    return optimizer


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    clips, labels = torch.randn(16, 3, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 2
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(clips), labels).backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_the_contract(name: str) -> None:
    check_optimizer(name)


@pytest.mark.parametrize(
    ("name", "options", "own"),
    [
        ("sgd", {"momentum": 0.8, "weight_decay": 0.1, "nesterov": True}, torch.optim.SGD),
        ("adam", {"beta1": 0.8, "beta2": 0.99, "weight_decay": 0.0}, torch.optim.Adam),
        ("adamw", {"beta1": 0.8, "beta2": 0.99, "weight_decay": 0.0}, torch.optim.AdamW),
    ],
)
def test_steps_are_those_of_torch(name: str, options: dict[str, Any], own: type[torch.optim.Optimizer]) -> None:
    ours, theirs = network(), network()
    plain = dict(options)
    if "beta1" in plain:
        plain["betas"] = (plain.pop("beta1"), plain.pop("beta2"))
    train(ours, made(name, ours, **options), 3)
    train(theirs, own(theirs.parameters(), lr=0.01, **plain), 3)  # type: ignore[call-arg]
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_sgd_decays_all_and_adam_spares_norms_and_biases() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    (sgd,) = made("sgd", model, weight_decay=0.1).param_groups
    assert (len(sgd["params"]), sgd["weight_decay"], sgd["momentum"]) == (4, 0.1, 0.9)
    for name in ("adam", "adamw"):
        decayed, spared = made(name, model, weight_decay=0.1).param_groups
        assert (len(decayed["params"]), decayed["weight_decay"]) == (1, 0.1)
        assert (len(spared["params"]), spared["weight_decay"]) == (3, 0.0)
