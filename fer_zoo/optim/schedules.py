"""Learning-rate schedules: the fraction of `train.lr` for each step.

A factory takes the number of steps of the whole training and returns a function of the step, 0 <= step < steps.
`warmup` is the share of the steps in which the rate rises at the start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from fer_zoo.registry import register_schedule
from fer_zoo.specs import Fraction

Schedule = Callable[[int], float]


@register_schedule("constant")
def constant(steps: int, *, warmup: Fraction = 0.0) -> Schedule:
    """The same rate in every step, after a warmup if there is one."""
    rise = round(warmup * steps)
    return lambda step: _risen(step, rise)


@register_schedule("step")
def step_down(
    steps: int,
    *,
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    decay_every: Annotated[float, Field(gt=0, le=1)] = 0.3,
    warmup: Fraction = 0.0,
) -> Schedule:
    """Multiply the rate by `decay` after every `decay_every` of the steps."""
    rise = round(warmup * steps)
    # Rounded first, or 0.3 * 10 steps would end at 3.0000000000000004.
    every = round(decay_every * steps, 6)
    return lambda step: decay ** int(step // every) * _risen(step, rise)


@register_schedule("cosine")
def cosine(steps: int, *, warmup: Fraction = 0.2) -> Schedule:
    """Rise in a line from 0, then fall by half a cosine to 0 (Loshchilov & Hutter 2017)."""
    rise = round(warmup * steps)
    return lambda step: _line_and_cosine(step, rise, steps, first=1 / (rise + 1), last=0.0)


@register_schedule("onecycle")
def onecycle(steps: int, *, warmup: Fraction = 0.2) -> Schedule:
    """Rise in a line from 1/25, then fall by half a cosine to 1/1000 (Smith & Topin 2019)."""
    rise = max(1, round(warmup * steps))
    return lambda step: _line_and_cosine(step, rise, steps, first=1 / 25, last=1e-3)


def _risen(step: int, rise: int) -> float:
    """A line from 0, which no step has, to 1 at step `rise`."""
    return min(1.0, (step + 1) / (rise + 1))


def _line_and_cosine(step: int, rise: int, steps: int, *, first: float, last: float) -> float:
    """A line from `first` at step 0 to 1 at step `rise`, then half a cosine to `last` at step `steps`."""
    if step < rise:
        return first + (1 - first) * step / rise
    share = (step - rise) / max(1, steps - rise)
    return last + (1 - last) * (1 + math.cos(math.pi * share)) / 2
