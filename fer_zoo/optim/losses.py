"""Losses of single clips, by their class: cross-entropy, focal, class-balanced and logit-adjusted loss.

A factory takes how many training clips each class has, a tensor (classes,), and returns a `torch.nn.Module`:
`(logits (n, classes), labels (n,)) -> losses (n,)`. Training takes their mean over the batch.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from fer_zoo.registry import register_loss
from fer_zoo.specs import Fraction

Weighting = Literal["none", "balanced"]
Gamma = Annotated[float, Field(ge=0)]


class ClassLoss(nn.Module):
    """Cross-entropy of each clip, times (1 - probability of its label) ** gamma, times the weight of its class."""

    weights: Tensor

    def __init__(self, weights: Tensor, *, label_smoothing: float = 0.0, gamma: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights.float())
        self.label_smoothing, self.gamma = label_smoothing, gamma

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Losses (n,) of logits (n, classes) with labels (n,)."""
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.label_smoothing)
        if self.gamma:
            probability = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
            # A gamma below 1 has no slope at 0.
            losses = losses * (1 - probability).clamp_min(1e-6) ** self.gamma
        return losses * self.weights[labels]


@register_loss("cross_entropy")
def cross_entropy(
    class_counts: Tensor, *, label_smoothing: Fraction = 0.0, class_weights: Weighting = "none"
) -> ClassLoss:
    """Cross-entropy; `label_smoothing` is the share of the target that is spread over all classes."""
    return ClassLoss(_weights(class_counts, class_weights), label_smoothing=label_smoothing)


@register_loss("focal")
def focal(
    class_counts: Tensor, *, gamma: Gamma = 2.0, label_smoothing: Fraction = 0.0, class_weights: Weighting = "none"
) -> ClassLoss:
    """Focal loss (Lin et al. 2017): clips that are predicted well already count less, the more so the larger gamma."""
    return ClassLoss(_weights(class_counts, class_weights), label_smoothing=label_smoothing, gamma=gamma)


@register_loss("class_balanced")
def class_balanced(
    class_counts: Tensor, *, beta: Fraction = 0.999, gamma: Gamma = 0.0, label_smoothing: Fraction = 0.0
) -> ClassLoss:
    """Class-balanced loss (Cui et al. 2019): weights by the effective number of clips; with a gamma, of focal loss."""
    counts = class_counts.double().clamp_min(1)
    weights = (1 - beta) / (1 - beta**counts)
    return ClassLoss(weights / weights.mean(), label_smoothing=label_smoothing, gamma=gamma)


class LogitAdjustedLoss(ClassLoss):
    """Cross-entropy of the logits plus an offset per class."""

    offsets: Tensor

    def __init__(self, offsets: Tensor, *, label_smoothing: float = 0.0) -> None:
        super().__init__(torch.ones(len(offsets)), label_smoothing=label_smoothing)
        self.register_buffer("offsets", offsets.float())

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Losses (n,) of logits (n, classes) with labels (n,)."""
        return super().forward(logits + self.offsets, labels)


@register_loss("logit_adjusted")
def logit_adjusted(class_counts: Tensor, *, tau: Gamma = 1.0, label_smoothing: Fraction = 0.0) -> LogitAdjustedLoss:
    """Logit-adjusted loss (Menon et al. 2021): rare classes need a larger margin; aims at the mean recall (UAR)."""
    counts = class_counts.double().clamp_min(1)
    return LogitAdjustedLoss(tau * (counts / counts.sum()).log(), label_smoothing=label_smoothing)


def _weights(class_counts: Tensor, kind: Weighting) -> Tensor:
    """Weight of each class: all ones, or inverse to its number of clips, with a mean of 1 over the clips."""
    if kind == "none":
        return torch.ones(len(class_counts))
    return class_counts.sum() / ((class_counts > 0).sum() * class_counts.clamp_min(1))
