"""Optimizer, learning rate by step, and the moving average of weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from fer_zoo.specs import TrainSpec


def make_optimizer(model: nn.Module, spec: TrainSpec) -> torch.optim.Optimizer:
    """SGD decays all parameters, as the paper does; AdamW spares biases and norms, as is usual with it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if spec.optimizer == "sgd":
        return torch.optim.SGD(parameters, spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": spec.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, spec.lr, betas=(spec.momentum, 0.999))


def learning_rate(spec: TrainSpec, step: int, total: int) -> float:
    """Rate of a step, 0 <= step < total.

    onecycle: a line from lr / 25 up to lr, half a cosine down to lr / 1000. The others rise in a line from 0 (which no
    step has). cosine: then half a cosine down to 0. step: lr, times `decay` after every `decay_every` of all steps.
    """
    rise = round(spec.warmup * total)
    risen = min(1.0, (step + 1) / (rise + 1))
    match spec.schedule:
        case "constant":
            return spec.lr * risen
        case "step":
            # Rounded first, or 0.3 * 10 steps would end at 3.0000000000000004.
            return spec.lr * spec.decay ** int(step // round(spec.decay_every * total, 6)) * risen
        case "onecycle":
            return spec.lr * _warm_cosine(step, max(1, rise), total, first=1 / 25, last=1e-3)
        case "cosine":
            return spec.lr * _warm_cosine(step, rise, total, first=1 / (rise + 1), last=0.0)


def _warm_cosine(step: int, rise: int, total: int, *, first: float, last: float) -> float:
    """A line from `first` at step 0 to 1 at step `rise`, then half a cosine to `last` at step `total`."""
    if step < rise:
        return first + (1 - first) * step / rise
    share = (step - rise) / max(1, total - rise)
    return last + (1 - last) * (1 + math.cos(math.pi * share)) / 2


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights and norm statistics towards the model's.

    The first steps count more, or the average would long remember the random start.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    kept, fresh = average.state_dict(), model.state_dict()
    floats = [key for key, value in kept.items() if value.is_floating_point()]
    torch._foreach_lerp_([kept[key] for key in floats], [fresh[key] for key in floats], share)
    for key in kept.keys() - set(floats):
        kept[key].copy_(fresh[key])
