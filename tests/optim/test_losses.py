"""Losses: one contract for all registered ones, and golden values from torch's own losses and from the papers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_zoo.registry import LOSSES
from fer_zoo.testing import check_loss

COUNTS = torch.tensor([16, 6, 2])
LOGITS = torch.randn(9, 3, generator=torch.Generator().manual_seed(0)) * 3
LABELS = torch.arange(9) % 3


def made(name: str, counts: Tensor = COUNTS, **options: Any) -> nn.Module:
    loss = LOSSES.get(name).build(options=options, class_counts=counts)
    assert isinstance(loss, nn.Module)
    return loss


@pytest.mark.parametrize("name", LOSSES.names())
def test_the_contract(name: str) -> None:
    check_loss(name)
    if "gamma" in LOSSES.get(name).options:
        check_loss(name, gamma=0.5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch(smoothing: float) -> None:
    expected = F.cross_entropy(LOGITS, LABELS, reduction="none", label_smoothing=smoothing)
    assert torch.equal(made("cross_entropy", label_smoothing=smoothing)(LOGITS, LABELS), expected)
    assert torch.equal(made("focal", gamma=0.0, label_smoothing=smoothing)(LOGITS, LABELS), expected)


def test_label_smoothing_by_hand() -> None:
    logs = LOGITS.log_softmax(1)
    expected = -0.9 * logs[torch.arange(9), LABELS] - 0.1 * logs.mean(dim=1)
    torch.testing.assert_close(made("cross_entropy", label_smoothing=0.1)(LOGITS, LABELS), expected)


def test_balanced_weights_by_hand() -> None:
    """N / (classes x clips of the class), with a mean of 1 over the clips."""
    loss = made("cross_entropy", class_weights="balanced")
    weights = torch.tensor([24 / 48, 24 / 18, 24 / 6])
    torch.testing.assert_close(
        loss(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS, reduction="none") * weights[LABELS]
    )
    assert (weights * COUNTS).sum().item() == pytest.approx(24)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_by_hand(gamma: float) -> None:
    """Lin et al. 2017, equation 4: -(1 - p) ** gamma log p."""
    p = LOGITS.softmax(1)[torch.arange(9), LABELS]
    torch.testing.assert_close(made("focal", gamma=gamma)(LOGITS, LABELS), -((1 - p) ** gamma) * p.log())


def test_focal_of_two_classes_is_that_of_torchvision() -> None:
    ops = pytest.importorskip("torchvision.ops")
    logits, labels = LOGITS[:, :2], torch.arange(9) % 2
    margin = logits[:, 1] - logits[:, 0]
    expected = ops.sigmoid_focal_loss(margin, labels.float(), alpha=-1, gamma=2.0)
    torch.testing.assert_close(made("focal", COUNTS[:2], gamma=2.0)(logits, labels), expected)


def test_class_balanced_weights_by_hand() -> None:
    """Cui et al. 2019, equation 5: (1 - beta) / (1 - beta ** n), scaled to sum to the number of classes."""
    raw = [(1 - 0.9) / (1 - 0.9**n) for n in (16, 6, 2)]
    weights = torch.tensor([3 * weight / sum(raw) for weight in raw])
    plain = F.cross_entropy(LOGITS, LABELS, reduction="none")
    torch.testing.assert_close(made("class_balanced", beta=0.9)(LOGITS, LABELS), plain * weights[LABELS])
    focal = made("focal", gamma=2.0)(LOGITS, LABELS)
    torch.testing.assert_close(made("class_balanced", beta=0.9, gamma=2.0)(LOGITS, LABELS), focal * weights[LABELS])
    assert torch.equal(made("class_balanced", beta=0.0)(LOGITS, LABELS), plain), "beta 0: all classes alike"


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_logit_adjusted_by_hand(tau: float) -> None:
    """Menon et al. 2021, equation 10: log(1 + sum over y' != y of (prior y' / prior y) ** tau e ** (f y' - f y))."""
    prior, rows = COUNTS / COUNTS.sum(), torch.arange(9)
    ratio = (prior[None] / prior[LABELS][:, None]) ** tau * (LOGITS - LOGITS[rows, LABELS][:, None]).exp()
    ratio[rows, LABELS] = 0
    torch.testing.assert_close(made("logit_adjusted", tau=tau)(LOGITS, LABELS), (1 + ratio.sum(1)).log())


def test_a_class_without_clips_has_a_finite_weight() -> None:
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("class_balanced", {}), ("cross_entropy", {"class_weights": "balanced"}), ("logit_adjusted", {}),
    )  # fmt: skip
    for name, options in cases:
        assert made(name, torch.tensor([5, 0, 2]), **options)(LOGITS, LABELS).isfinite().all()
