"""A recipe's training runs joined: how often each clip was recognised, and how much that depends on the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_zoo.errors import InputError
from fer_zoo.training.predictions import Predictions

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


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
