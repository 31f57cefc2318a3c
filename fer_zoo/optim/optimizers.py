"""Optimizers: which parameters decay, and torch's own update rules.

A factory takes the trained parameters and the highest learning rate, and returns a `torch.optim.Optimizer`. Training
sets the learning rate of every parameter group before each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn

from fer_zoo.registry import register_optimizer
from fer_zoo.specs import Fraction

Decay = Annotated[float, Field(ge=0)]


@register_optimizer("sgd")
def sgd(
    parameters: Sequence[nn.Parameter],
    lr: float,
    *,
    momentum: Fraction = 0.9,
    weight_decay: Decay = 1e-4,
    nesterov: bool = False,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum; decays all parameters, as the paper does (section 4)."""
    return torch.optim.SGD(parameters, lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)


@register_optimizer("adam")
def adam(
    parameters: Sequence[nn.Parameter],
    lr: float,
    *,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    weight_decay: Decay = 1e-4,
) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015); the weight decay is added to the gradient, except for biases and norms."""
    return torch.optim.Adam(_without_decay_of_vectors(parameters, weight_decay), lr, betas=(beta1, beta2))


@register_optimizer("adamw")
def adamw(
    parameters: Sequence[nn.Parameter],
    lr: float,
    *,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    weight_decay: Decay = 1e-4,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), except for biases and norms."""
    return torch.optim.AdamW(_without_decay_of_vectors(parameters, weight_decay), lr, betas=(beta1, beta2))


def _without_decay_of_vectors(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Two parameter groups: kernels and matrices, which decay, and biases and norms, which do not."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
