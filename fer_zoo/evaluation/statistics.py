"""Intervals for WAR and UAR, and tests of whether two recipes differ, over subjects and seeds.

A recipe's `runs` are the predictions of its trained networks, one `Predictions` each: runs of the same clips are seeds
of one fold, runs of other clips are other folds.

Clips of a subject are alike, so the unit is the subject and not the clip. docs/statistics.md has the model, its
sources, and the simulations by which the method was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from fer_zoo.errors import InputError, OptionError
from fer_zoo.evaluation.variance import (
    Floats,
    Outcomes,
    Uncertainty,
    by_fold,
    check_same,
    clip_weights,
    join_runs,
    subject_numbers,
    uncertainties,
)
from fer_zoo.specs.base import Spec
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions

LEVEL = 0.95

# The simulations in docs/statistics.md go down to this many.
FEW_SUBJECTS = 10


class Estimate(Spec):
    """A metric as a share of 1 with its interval."""

    value: float
    interval: tuple[float, float] | None
    """None if all clips are of one subject."""
    training_error: float | None
    """Standard error from the differences between seeds, a part of what the interval covers; None with one seed."""


class Difference(Estimate):
    """The difference between two recipes' metrics, with the p-value of no difference."""

    p: float | None
    """Two-sided, never 0; below 1 - level exactly where the interval excludes 0. None without an interval."""


class Basis(Spec):
    """The data behind the metrics."""

    clips: int
    subjects: int
    """Known subjects."""
    lone_clips: int
    """Clips without a subject, each of which counts as a subject."""
    trainings: tuple[int, ...]
    """Number of training runs of each recipe."""
    level: float
    notes: tuple[str, ...]
    """What a reader must know about the intervals, in sentences."""
    method: Literal["bootstrap", "t"] = "bootstrap"
    """How intervals and p-values were made; reports without this field were made by the bootstrap and sign flips."""


class Estimates(Spec):
    """A recipe's metrics."""

    war: Estimate
    uar: Estimate
    basis: Basis


class Comparison(Spec):
    """The differences between two recipes' metrics."""

    war: Difference
    uar: Difference
    basis: Basis


class Spread(Spec):
    """Mean and standard deviation of some values."""

    mean: float
    deviation: float | None
    """Of a sample (n - 1); None for a single value."""
    count: int


class FoldSpread(Spec):
    """WAR and UAR over folds."""

    war: Spread
    uar: Spread


def estimate(runs: Sequence[Predictions], *, level: float = LEVEL) -> Estimates:
    """WAR and UAR of a recipe, each with a score interval on its effective sample size (Wilson 1927).

    With several seeds per fold a metric is the mean over the seeds, and its interval holds for other subjects and other
    seeds; with one seed it holds for other subjects and these networks. A clip without a subject counts as a subject.

    Args:
        runs: predictions of the recipe's trained networks.
        level: probability that the interval contains the true value.

    Raises:
        InputError: no runs, different labels, or runs whose clips overlap without being the same.
        OptionError: the level is not between 0 and 1.
    """
    recipe = join_runs(runs)
    metrics, basis = _metrics([recipe], recipe.right, level)
    war, uar = (
        Estimate(value=value, interval=found and found.around_share(value, level), training_error=error)
        for value, found, error in metrics
    )
    return Estimates(war=war, uar=uar, basis=basis)


def compare(one: Sequence[Predictions], other: Sequence[Predictions], *, level: float = LEVEL) -> Comparison:
    """Differences of WAR and UAR, `one` less `other`, on the same clips: t intervals and p-values, paired by subject.

    With several seeds per fold both hold for other subjects and other seeds, see `estimate`. For several comparisons
    adjust the p-values with `holm`.

    Args:
        one: predictions of one recipe's trained networks.
        other: predictions of the other recipe's.
        level: probability that the interval contains the true difference.

    Raises:
        InputError: the two sides differ in clips, truth, subjects or labels; or as `estimate`.
        OptionError: as `estimate`.
    """
    sides = [join_runs(one), join_runs(other)]
    check_same(sides[0].clips, sides[1].clips, "the two recipes")
    metrics, basis = _metrics(sides, sides[0].right - sides[1].right, level)
    war, uar = (
        Difference(
            value=value,
            interval=found and found.around_difference(value, level),
            training_error=error,
            p=found and found.p_value(value),
        )
        for value, found, error in metrics
    )
    return Comparison(war=war, uar=uar, basis=basis)


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjust the p-values of a family of comparisons (Holm 1979): those below 0.05 are significant in the family.

    None, a comparison that could not be made, stays None and does not count.
    """
    made = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (p, place) in enumerate(made):
        reached = max(reached, min(1.0, p * (len(made) - rank)))
        adjusted[place] = reached
    return tuple(adjusted)


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of some values; raises InputError if there are none."""
    if not values:
        raise InputError("No values to take the mean of.", "at least one value", "check which runs were found")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(mean=float(np.mean(values)), deviation=deviation, count=len(values))


def over_folds(runs: Sequence[Predictions]) -> FoldSpread:
    """Mean and standard deviation over the folds, as the paper reports; a fold's value is the mean over its seeds.

    It shows how much folds differ, not how far the mean may be off; for that use `estimate`.

    Raises:
        InputError: as `estimate`.
    """
    folds = [[figures(run) for run in fold] for fold in by_fold(runs)]
    names: tuple[Literal["war", "uar"], ...] = ("war", "uar")
    war, uar = (spread([float(np.mean([getattr(run, name) for run in fold])) for fold in folds]) for name in names)
    return FoldSpread(war=war, uar=uar)


def _metrics(
    sides: Sequence[Outcomes], right: Floats, level: float
) -> tuple[list[tuple[float, Uncertainty | None, float | None]], Basis]:
    """Value, uncertainty and standard error between seeds, of WAR and of UAR; and the data behind them."""
    if not 0 < level < 1:
        raise OptionError(f"level={level}.", "a level above 0 and below 1", f"leave it out for {LEVEL}")
    clips, seeds = sides[0].clips, all(side.noise.freedom for side in sides)
    found = uncertainties(subject_numbers(clips), clips.truth, right, [side.noise for side in sides])
    errors = np.sqrt(sum(side.noise.run for side in sides)).tolist() if seeds else [None, None]
    subjects, lone = len(set(clips.subjects.tolist()) - {""}), int((clips.subjects == "").sum())
    of_one_subject = [
        label
        for number, label in enumerate(clips.labels)
        if len(whose := clips.subjects[clips.truth == number]) > 1 and set(whose.tolist()) == {whose[0]} - {""}
    ]
    notes = []
    if found is None:
        notes.append("All clips are of one subject: no interval for other subjects.")
    elif subjects + lone < FEW_SUBJECTS:
        notes.append(f"Fewer than {FEW_SUBJECTS} subjects: intervals and p-values are rough.")
    if found and of_one_subject:
        notes.append(f"All clips of {', '.join(of_one_subject)} are of one subject: the interval of UAR is too narrow.")
    if lone:
        notes.append(
            f"{lone} clips have no subject and count as one subject each: too narrow if a subject has several."
        )
    if not seeds:
        notes.append("One seed per fold: intervals and p-values do not cover other seeds.")
    if found and not all(each.varies for each in found):
        notes.append(
            "All subjects have the same result, so how much subjects differ cannot be estimated: the interval may be "
            "too narrow."
        )
    basis = Basis(
        clips=len(clips),
        subjects=subjects,
        lone_clips=lone,
        trainings=tuple(side.runs for side in sides),
        level=level,
        notes=tuple(notes),
        method="t",
    )
    values = (clip_weights(clips.truth) @ right).tolist()
    of_each: Sequence[Uncertainty | None] = found or [None, None]
    return list(zip(values, of_each, errors, strict=True)), basis
