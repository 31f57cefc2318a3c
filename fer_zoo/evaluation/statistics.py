"""How far WAR and UAR may be off, and whether two recipes differ: intervals and tests over subjects and trainings.

A recipe's `runs` are the predictions of its trained networks, one `Predictions` each: those of the same clips are seeds
of one fold, those of other clips are other folds.

Clips of a person are alike, so people are resampled and not clips: the cluster bootstrap (Davison and Hinkley 1997,
section 3.8; Efron and Tibshirani 1993). Where a fold was trained with several seeds, the answers are averaged over the
seeds first, and the trainings' own noise is added as a t-distributed term. Resampling the seeds as well would give too
little: the variance of a bootstrap of three is a third too small, and their mean never leaves their range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from fer_zoo.errors import InputError, OptionError
from fer_zoo.evaluation.resampling import (
    Answers,
    Floats,
    answers,
    bootstrapped,
    by_fold,
    check_same,
    people,
    sign_flipped,
    training_noise,
)
from fer_zoo.specs.base import Spec
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions

RESAMPLES = 10_000
LEVEL = 0.95

# Below it a percentile bootstrap's 95 % are less: of 400 simulated data sets, with seven clips a person, 94 % with 30
# people, 91 % with 20, 90 % with 10 and 80 % with 4.
FEW_SUBJECTS = 30


class Estimate(Spec):
    """A figure as a share of 1, and how far it may be off; as text in per cent, `78.3 [75.1, 81.2]`."""

    value: float
    interval: tuple[float, float] | None
    """None where it cannot be said; the basis notes why."""
    training_error: float | None
    """Standard error by the trainings' noise, a part of what the interval covers; None without a second seed."""

    def __str__(self) -> str:
        return _percent(self.value, self.interval, "")


class Difference(Estimate):
    """The difference of two recipes' figures, and how likely one as great were if they were alike."""

    p: float | None
    """Two-sided; None where it cannot be said."""

    def __str__(self) -> str:
        return _percent(self.value, self.interval, "+")


class Basis(Spec):
    """What figures rest on."""

    clips: int
    subjects: int
    """Known ones."""
    lone_clips: int
    """Clips of unknown subjects, each of which counts as a subject."""
    trainings: tuple[int, ...]
    """Networks of each recipe."""
    level: float
    notes: tuple[str, ...]
    """What a reader must know of the intervals, in sentences."""


class Estimates(Spec):
    """A recipe's figures."""

    war: Estimate
    uar: Estimate
    basis: Basis


class Comparison(Spec):
    """How much better one recipe is than another."""

    war: Difference
    uar: Difference
    basis: Basis


class Spread(Spec):
    """Mean and standard deviation of a few figures; as text in per cent, `93.2 ± 2.3`."""

    mean: float
    deviation: float | None
    """Of a sample (n - 1); None of a single figure."""
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.1%}".rstrip("%") + ("" if self.deviation is None else f" ± {100 * self.deviation:.1f}")


class FoldSpread(Spec):
    """WAR and UAR over folds."""

    war: Spread
    uar: Spread


def estimate(
    runs: Sequence[Predictions], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Estimates:
    """WAR and UAR of a recipe, each with its percentile bootstrap interval.

    With several seeds a figure is the mean over them, and its interval is for other subjects and other seeds; with one
    it is for other subjects and these networks. Clips of unknown subjects count each for itself.

    Raises:
        InputError: no runs, other labels, or runs whose clips overlap without being the same.
        OptionError: a level outside 0..1, or fewer than 100 resamples.
    """
    rng = _generator(level, resamples, seed)
    recipe = answers(runs)
    intervals = _intervals([recipe], recipe.right, 0.0, level, resamples, rng)
    errors = _training_errors([recipe])
    war, uar = (
        Estimate(value=value, interval=interval, training_error=error)
        for value, interval, error in zip((recipe.weights @ recipe.right).tolist(), intervals, errors, strict=True)
    )
    return Estimates(war=war, uar=uar, basis=_basis([recipe], (war, uar), level))


def compare(
    one: Sequence[Predictions],
    other: Sequence[Predictions],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Differences of WAR and UAR, `one` less `other`, on the same clips: intervals, and p of a paired test.

    The interval is of a bootstrap that draws a subject with both recipes' answers. p is of a sign-flip test: were the
    recipes alike, each subject's two answers could as well be exchanged. With several seeds both hold for other seeds
    too, see `estimate`. Of several comparisons take `holm`.

    Raises:
        InputError: the two sides have other clips, truth, subjects or labels; or as `estimate`.
        OptionError: as `estimate`.
    """
    draw, flip = _generator(level, resamples, seed).spawn(2)
    sides = [answers(one), answers(other)]
    check_same(sides[0].clips, sides[1].clips, "the two recipes")
    excess = sides[0].right - sides[1].right
    intervals = _intervals(sides, excess, -1.0, level, resamples, draw)
    chances = _chances(sides, excess, resamples, flip)
    values, errors = (sides[0].weights @ excess).tolist(), _training_errors(sides)
    war, uar = (
        Difference(value=value, interval=interval, training_error=error, p=p)
        for value, interval, error, p in zip(values, intervals, errors, chances, strict=True)
    )
    return Comparison(war=war, uar=uar, basis=_basis(sides, (war, uar), level))


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """p-values of a family of comparisons, adjusted (Holm 1979): those below 0.05 are significant in the family.

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
    """Mean and standard deviation of figures; raises InputError if there are none."""
    if not values:
        raise InputError("No figures to take the mean of.", "one at least", "check which runs were found")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(mean=float(np.mean(values)), deviation=deviation, count=len(values))


def over_folds(runs: Sequence[Predictions]) -> FoldSpread:
    """Mean and standard deviation over the folds, as the paper reports; a fold's figure is the mean over its seeds.

    It says how much folds differ, not how far the mean may be off: that is `estimate`.

    Raises:
        InputError: as `estimate`.
    """
    folds = [[figures(run) for run in fold] for fold in by_fold(runs)]
    names: tuple[Literal["war", "uar"], ...] = ("war", "uar")
    war, uar = (spread([float(np.mean([getattr(run, name) for run in fold])) for fold in folds]) for name in names)
    return FoldSpread(war=war, uar=uar)


def _generator(level: float, resamples: int, seed: int) -> np.random.Generator:
    if not 0 < level < 1 or resamples < 100:
        raise OptionError(
            f"level={level}, resamples={resamples}.",
            "a level above 0 and below 1, e.g. 0.95, and 100 resamples or more",
            f"leave them out for {LEVEL} and {RESAMPLES}",
        )
    return np.random.default_rng(seed)


def _intervals(
    sides: Sequence[Answers], right: Floats, lowest: float, level: float, resamples: int, rng: np.random.Generator
) -> list[tuple[float, float] | None]:
    clips = sides[0].clips
    if people(clips).max() == 0:
        return [None, None]
    drawn = bootstrapped(clips, right, resamples, rng) + training_noise(sides, resamples, rng)
    limits = np.quantile(np.clip(drawn, lowest, 1.0), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [(float(low), float(high)) for low, high in limits.T]


def _chances(
    sides: Sequence[Answers], excess: Floats, resamples: int, rng: np.random.Generator
) -> list[float | None]:  # fmt: skip
    clips = sides[0].clips
    if people(clips).max() == 0:
        return [None, None]
    noise = training_noise(sides, resamples, rng)
    found: list[float | None] = []
    for weights, error in zip(sides[0].weights, noise.T, strict=True):
        drawn = sign_flipped(clips, weights * excess, resamples, rng) + error
        as_great = (abs(drawn) >= abs(weights @ excess) - 1e-12).sum()
        # What was observed is one of the possible outcomes: p is never 0.
        found.append(float((as_great + 1) / (resamples + 1)))
    return found


def _training_errors(sides: Sequence[Answers]) -> list[float | None]:
    if not all(side.freedom for side in sides):
        return [None, None]
    return [float(error) for error in np.sqrt(sum((side.variance for side in sides), np.zeros(2)))]


def _basis(sides: Sequence[Answers], told: Sequence[Estimate], level: float) -> Basis:
    clips = sides[0].clips
    subjects, lone = len(set(clips.subjects.tolist()) - {""}), int((clips.subjects == "").sum())
    notes = []
    if subjects + lone < 2:
        notes.append("All clips are of one subject: nothing can be said of others.")
    elif subjects + lone < FEW_SUBJECTS:
        notes.append(f"Fewer than {FEW_SUBJECTS} subjects: the intervals come out too narrow.")
    if lone:
        notes.append(f"{lone} clips of unknown subjects count each for itself: too narrow where a person has several.")
    if not all(side.freedom for side in sides):
        notes.append("One training a fold: nothing is said of other seeds.")
    if any(e.interval is not None and e.interval[0] == e.interval[1] for e in told):
        notes.append("An interval without width means that no subject differed here, not that none will.")
    return Basis(
        clips=len(clips), subjects=subjects, lone_clips=lone, trainings=tuple(side.trainings for side in sides),
        level=level, notes=tuple(notes),
    )  # fmt: skip


def _percent(value: float, interval: tuple[float, float] | None, sign: str) -> str:
    # + 0.0 makes no difference of -0.0.
    shown = [f"{round(100 * share, 1) + 0.0:{sign}.1f}" for share in (value, *(interval or ()))]
    return shown[0] + (f" [{shown[1]}, {shown[2]}]" if interval else "")
