"""A recipe's training runs joined, the variance of WAR and UAR over subjects and seeds, and the t test that follows.

docs/statistics.md derives the estimator, names its sources and shows how it was chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_zoo.errors import InputError
from fer_zoo.training.predictions import Predictions

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class SeedNoise:
    """Variance of WAR and UAR between the seeds of a recipe.

    run: (2,) variance of the mean over seeds, from the differences between run means. shared: (2,) the part of it that
    comes from single subjects, which the variance over subjects contains too. freedom: degrees of freedom; 0 where no
    fold has two seeds, and the variances are 0 then.
    """

    run: Floats
    shared: Floats
    freedom: int


@dataclass(frozen=True)
class Outcomes:
    """A recipe's results on N clips, in the order of their keys.

    right: (N,) share of the seeds that predicted the clip right. noise: variance between seeds. runs: number of
    training runs.
    """

    clips: Predictions
    right: Floats
    noise: SeedNoise
    runs: int


def join_runs(runs: Sequence[Predictions]) -> Outcomes:
    """Join a recipe's runs: average over the seeds of a fold, concatenate the folds.

    Raises:
        InputError: no runs, different labels, or runs whose clips overlap without being the same.
    """
    folds = by_fold(runs)
    joined = Predictions.concat([fold[0] for fold in folds])
    hits = [np.array([run.predicted == run.truth for run in fold], np.float64) for fold in folds]
    right = np.concatenate([fold.mean(axis=0) for fold in hits])
    order = np.argsort(joined.keys)
    noise = seed_noise(subject_numbers(joined), clip_weights(joined.truth), hits)
    return Outcomes(joined.take(order), right[order], noise, len(runs))


def by_fold(runs: Sequence[Predictions]) -> list[list[Predictions]]:
    """Group runs of the same clips, each with its clips in the order of their keys.

    Raises:
        InputError: runs of the same clips that differ in truth, subjects or labels.
    """
    folds: dict[tuple[str, ...], list[Predictions]] = {}
    for run in runs:
        ordered = run.take(np.argsort(run.keys))
        fold = folds.setdefault(tuple(ordered.keys.tolist()), [])
        if fold:
            check_same(fold[0], ordered, "two runs of the same clips")
        fold.append(ordered)
    return list(folds.values())


def check_same(one: Predictions, other: Predictions, who: str) -> None:
    """Raise InputError unless both have the same clips, in the same order, with the same truth and subjects."""
    apart = sorted(set(one.keys.tolist()) ^ set(other.keys.tolist()))
    if apart:
        raise InputError(
            f"{who.capitalize()} were evaluated on {len(one)} and {len(other)} clips; {len(apart)} are on one side "
            f"only, e.g. {apart[0]!r}.",
            "the same clips on both sides",
            "evaluate both on the same folds of the same stores; a fold may be missing",
        )
    for what in ("labels", "truth", "subjects"):
        if not np.array_equal(getattr(one, what), getattr(other, what)):
            raise InputError(
                f"{who.capitalize()} differ in the {what} of their clips.",
                "predictions of the same clips, with the same labels in the same order",
                "evaluate both on the same stores with the same labels",
            )


def subject_numbers(clips: Predictions) -> Index:
    """Number each clip's subject (N,), from 0; a clip of an unknown subject is a subject of its own."""
    names, number = np.unique(clips.subjects, return_inverse=True)
    alone = len(names) + np.arange(len(clips))
    return np.unique(np.where(clips.subjects == "", alone, number), return_inverse=True)[1]


def clip_weights(truth: Index) -> Floats:
    """Weights (2, N) of the clips: WAR and UAR are the weighted sums of what is right; truth: label numbers (N,)."""
    occurs = np.bincount(truth)
    per_class = 1 / np.maximum(occurs, 1) / (occurs > 0).sum()
    return np.stack([np.full(len(truth), 1 / len(truth)), per_class[truth]])


def seed_noise(subjects: Index, weights: Floats, hits: Sequence[Floats]) -> SeedNoise:
    """Estimate the variance between seeds, by the moments of a two-way layout: subjects crossed with seeds in a fold.

    subjects: (N,) number of each clip's subject, fold after fold. weights: (2, N) of the clips. hits: for each fold
    (seeds, clips), 1 where a run is right.
    """
    freedom = sum(len(fold) - 1 for fold in hits)
    run, shared = np.zeros(2), np.zeros(2)
    ends = np.cumsum([fold.shape[1] for fold in hits])[:-1]
    for part, who, fold in zip(np.split(weights, ends, axis=1), np.split(subjects, ends), hits, strict=True):
        order = np.argsort(who, kind="stable")
        starts = np.unique(who[order], return_index=True)[1]
        by_subject = np.add.reduceat(((fold - fold.mean(axis=0))[:, None] * part)[..., order], starts, axis=-1)
        by_run = by_subject.sum(axis=2)
        run += (by_run**2).sum(axis=0)
        count = len(starts)
        if len(hits) == 1 and count > 1:
            # The seed's own effect is left out of what single subjects contribute. Over several folds the variance
            # over subjects contains it too, as each fold has seeds of its own.
            share = np.add.reduceat(part[:, order], starts, axis=-1)
            by_subject = by_subject - by_run[..., None] * (share / share.sum(axis=1, keepdims=True))
            by_subject *= np.sqrt(count / (count - 1))
        shared += (by_subject**2).sum(axis=(0, 2))
    # The folds of a recipe are trained alike and share one variance: two seeds of a single fold would say little.
    scale = sum(1 / len(fold) for fold in hits) / max(freedom, 1)
    return SeedNoise(run * scale, shared * scale, freedom)


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
        variance=between + max(0.0, float(run - shared)),
        subject_freedom=_freedom(counts, correction, weight),
        seed_freedom=freedom,
        seed_share=float(run / (run + rest)) if run else 0.0,
        subjects=float(1 / (share**2).sum()),
        varies=varies,
    )


def _freedom(counts: Floats, correction: Floats, weight: Floats) -> float:
    """Degrees of freedom of the variance over subjects (Bell and McCaffrey 2002), for independent clips; 1 at least."""
    raw = (counts * (weight * correction) ** 2).sum(axis=1)
    means = counts * weight * correction / np.sqrt(counts.sum(axis=0))
    of_means = (means**2).sum(axis=1)
    squares = (raw**2).sum() - 2 * (raw * of_means).sum() + ((means.T @ means) ** 2).sum()
    return max(1.0, float((raw - of_means).sum() ** 2 / squares)) if squares > 0 else 1.0
