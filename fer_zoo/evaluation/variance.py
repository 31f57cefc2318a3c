"""Variance of WAR and UAR over subjects and seeds, and the t interval and test that follow: behind `statistics`.

docs/metrics.md derives the estimator, names its sources and shows how it was chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_zoo.evaluation.outcomes import Floats, Index, SeedNoise

Interval = tuple[float, float]


@dataclass(frozen=True)
class Uncertainty:
    """Variance of one metric.

    variance: over subjects and seeds. subject_freedom, seed_freedom: degrees of freedom of the two parts (the second 0
    with one seed). seed_share: weight of the second, 0..1. subjects: effective number. varies: whether subjects differ.
    """

    variance: float
    subject_freedom: float
    seed_freedom: int
    seed_share: float
    subjects: float
    varies: bool

    def p_value(self, value: float) -> float:
        """Two-sided p of the hypothesis that the metric is 0; never 0."""
        return self._tails(abs(value) / self.variance**0.5)

    def critical(self, level: float) -> float:
        """How many standard errors the interval reaches to either side: where `p_value` is 1 - level."""
        from scipy.optimize import brentq
        from scipy.special import stdtrit

        freedoms = [self.subject_freedom, self.seed_freedom or self.subject_freedom]
        low, high = sorted(float(stdtrit(freedom, (1 + level) / 2)) for freedom in freedoms)
        if not self.seed_share or high - low < 1e-12:
            return float(stdtrit(self.subject_freedom, (1 + level) / 2))
        # The bounds are widened by a little, as rounding may put the root just outside.
        return float(brentq(lambda t: self._tails(t) - (1 - level), low * 0.999, high * 1.001, xtol=1e-12))

    def _tails(self, t: float) -> float:
        from scipy.special import stdtr

        by_subjects = 2 * stdtr(self.subject_freedom, -t)
        by_seeds = 2 * stdtr(self.seed_freedom, -t) if self.seed_freedom else 0.0
        tails = (1 - self.seed_share) * by_subjects + self.seed_share * by_seeds
        return min(1.0, max(float(tails), sys.float_info.min))

    def around_difference(self, value: float, level: float) -> Interval:
        """The interval of a difference of two shares."""
        reach = self.critical(level) * self.variance**0.5
        return max(-1.0, value - reach), min(1.0, value + reach)

    def around_share(self, value: float, level: float) -> Interval:
        """The score interval of a share (Wilson 1927), for as many independent trials as have this variance."""
        value = min(1.0, max(0.0, value))
        spread = value * (1 - value)
        trials = spread / self.variance if spread > 1e-12 else self.subjects
        squared = self.critical(level) ** 2
        centre = (value + squared / trials / 2) / (1 + squared / trials)
        reach = np.sqrt(squared * (spread / trials + squared / trials**2 / 4)) / (1 + squared / trials)
        # At 0 and 1 the limit is the value itself, which rounding may miss.
        return min(value, max(0.0, float(centre - reach))), max(value, min(1.0, float(centre + reach)))


def uncertainties(
    subjects: Index, truth: Index, right: Floats, noises: Sequence[SeedNoise]
) -> list[Uncertainty] | None:
    """How far WAR and UAR may be off; None if all clips are of one subject.

    subjects, truth: (N,) numbers of each clip's subject and label. right: (N,) share of the seeds that predicted it
    right, or the difference of that between two recipes. noises: variance between the seeds of each recipe.
    """
    shape = (int(subjects.max()) + 1, int(truth.max()) + 1)
    if shape[0] < 2:
        return None
    cell = subjects * shape[1] + truth
    counts, sums = (np.bincount(cell, of, shape[0] * shape[1]).reshape(shape) for of in (None, right))
    present = counts.any(axis=0)
    whole = counts.sum(axis=1, keepdims=True), sums.sum(axis=1, keepdims=True)
    tables = (whole, (counts[:, present], sums[:, present]))
    return [
        _uncertainty(*table, [(n.run[m], n.shared[m], n.freedom) for n in noises]) for m, table in enumerate(tables)
    ]


def _uncertainty(counts: Floats, sums: Floats, noises: Sequence[tuple[float, float, int]]) -> Uncertainty:
    """Of the mean over classes of the share that is right; counts, sums: (subjects, classes)."""
    total = counts.sum(axis=0)
    weight = 1 / (total * len(total))
    leverage = counts / total
    # A class of a single subject says nothing about how subjects differ.
    correction = np.divide(1, np.sqrt(1 - leverage), out=np.zeros_like(leverage), where=leverage < 1)
    deviations = sums - counts * (sums.sum(axis=0) / total)
    share = (counts * weight).sum(axis=1)
    influence = (deviations * correction * weight).sum(axis=1)
    found = float((influence**2 / (1 - share)).sum()) * (1 - 1 / len(counts))
    # What one more subject in each class would add. A class with a few subjects often has no deviations by chance.
    one_more = float((1 / ((total**2 / (counts**2).sum(axis=0)) * len(total)) ** 2).sum())
    varies = found > 1e-18
    if varies and len(total) > 1:
        found += one_more * float((deviations**2 / np.maximum(counts, 1)).sum() / total.sum())
    # Without any deviation: half of a subject differs. No interval has zero width.
    between = found if varies else one_more / 4
    run, shared, freedom = (sum(column) for column in zip(*noises, strict=True))
    # A single degree of freedom: the variance between seeds is often small by chance, so their tail has more weight.
    rest = max(0.0, between - float(shared)) if freedom == 1 else between
    return Uncertainty(
        variance=between + max(0.0, float(run - shared)), subject_freedom=_freedom(counts, correction, weight),
        seed_freedom=freedom, seed_share=float(run / (run + rest)) if run else 0.0,
        subjects=float(1 / (share**2).sum()), varies=varies,
    )  # fmt: skip


def _freedom(counts: Floats, correction: Floats, weight: Floats) -> float:
    """Degrees of freedom of the variance over subjects (Bell and McCaffrey 2002), for independent clips; 1 at least."""
    raw = (counts * (weight * correction) ** 2).sum(axis=1)
    means = counts * weight * correction / np.sqrt(counts.sum(axis=0))
    of_means = (means**2).sum(axis=1)
    squares = (raw**2).sum() - 2 * (raw * of_means).sum() + ((means.T @ means) ** 2).sum()
    return max(1.0, float((raw - of_means).sum() ** 2 / squares)) if squares > 0 else 1.0
