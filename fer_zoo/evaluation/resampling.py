"""What might have come out for other subjects and other trainings: the numbers behind `statistics`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_zoo.errors import InputError
from fer_zoo.training.predictions import Predictions

# Numbers that are drawn at once: 16 MB.
_DRAWN = 2**21

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """How often a recipe's networks were right about each clip, in the order of the keys.

    right: (N,) mean over the seeds. weights: (2, N); WAR and UAR are `weights @ right`. variance: (2,) of these figures
    by the trainings' noise. freedom: its degrees of freedom; 0 where no fold has two seeds. trainings: number of runs.
    """

    clips: Predictions
    right: Floats
    weights: Floats
    variance: Floats
    freedom: int
    trainings: int


def answers(runs: Sequence[Predictions]) -> Answers:
    """Join a recipe's runs: over the seeds by the mean, over the folds one after the other.

    Raises:
        InputError: no runs, other labels, or runs whose clips overlap without being the same.
    """
    folds = by_fold(runs)
    joined = Predictions.concat([fold[0] for fold in folds])
    weights = _weights(joined)
    hits = [np.array([run.predicted == run.truth for run in fold], np.float64) for fold in folds]
    parts = np.split(weights, np.cumsum([fold.shape[1] for fold in hits])[:-1], axis=1)
    # What each training adds to the figures. A recipe's folds are trained alike, so all of them share one variance: the
    # two or three seeds of one fold would say little.
    shares = [part @ fold.T for part, fold in zip(parts, hits, strict=True)]
    freedom = len(runs) - len(folds)
    squares = sum((((share.T - share.mean(axis=1)) ** 2).sum(axis=0) for share in shares), np.zeros(2))
    variance = squares / max(freedom, 1) * sum(1 / len(fold) for fold in hits)
    right = np.concatenate([fold.sum(axis=0) / len(fold) for fold in hits])
    order = np.argsort(joined.keys)
    return Answers(joined.take(order), right[order], weights[:, order], variance, freedom, len(runs))


def by_fold(runs: Sequence[Predictions]) -> list[list[Predictions]]:
    """Runs of the same clips together, each with its clips in the order of their keys.

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
    """Raise InputError unless both are of the same clips, in the same order, with the same truth and subjects."""
    apart = sorted(set(one.keys.tolist()) ^ set(other.keys.tolist()))
    if apart:
        raise InputError(
            f"{who.capitalize()} were judged on {len(one)} and {len(other)} clips; {len(apart)} are on one side only, "
            f"e.g. {apart[0]!r}.",
            "the same clips on both sides",
            "evaluate both on the same folds of the same stores; a fold may be missing",
        )
    for what in ("labels", "truth", "subjects"):
        if not np.array_equal(getattr(one, what), getattr(other, what)):
            raise InputError(
                f"{who.capitalize()} disagree in the {what} of their clips.",
                "predictions of the same clips, with the same labels in the same order",
                "evaluate both on the same stores with the same labels",
            )


def people(clips: Predictions) -> Index:
    """A number for each clip's subject (N,), from 0; every clip of an unknown one is a subject of its own."""
    names, number = np.unique(clips.subjects, return_inverse=True)
    alone = len(names) + np.arange(len(clips))
    return np.unique(np.where(clips.subjects == "", alone, number), return_inverse=True)[1]


def bootstrapped(clips: Predictions, right: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """WAR and UAR (resamples, 2) of as many subjects, drawn with replacement with all their clips.

    right: (N,) how often a clip was answered right, or the excess of one recipe's over another's.
    """
    who, classes = people(clips), len(clips.labels)
    sums = np.zeros((who.max() + 1, 2, classes))
    np.add.at(sums[:, 0], (who, clips.truth), right)
    np.add.at(sums[:, 1], (who, clips.truth), 1)
    # Subjects with the same counts are drawn together: lone clips, of which there are many, are of few kinds. Sorted
    # so, the draws do not depend on the order of the clips either.
    kinds, counts = np.unique(sums.reshape(len(sums), -1), axis=0, return_counts=True)
    drawn = []
    for size in _chunks(resamples, len(kinds)):
        times = rng.multinomial(len(sums), counts / len(sums), size).astype(np.float64)
        hits, occurs = (times @ kinds).reshape(size, 2, classes).swapaxes(0, 1)
        recall = np.divide(hits, occurs, out=np.zeros_like(hits), where=occurs > 0)
        uar = recall.sum(axis=1) / (occurs > 0).sum(axis=1)
        drawn.append(np.stack([hits.sum(axis=1) / occurs.sum(axis=1), uar], axis=1))
    return np.concatenate(drawn)


def sign_flipped(clips: Predictions, share: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Differences (resamples,) that come out when each subject's two answers are exchanged at random.

    share: (N,) what each clip adds to the difference.
    """
    # Rounded so that what is equal but for the order of sums counts as equal; where nothing differs nothing is drawn.
    sizes, counts = np.unique(np.round(abs(np.bincount(people(clips), share)), 15), return_counts=True)
    sizes, counts = sizes[sizes > 0], counts[sizes > 0]
    drawn = [
        (2 * rng.binomial(counts, 0.5, (size, len(counts))) - counts) @ sizes
        for size in _chunks(resamples, len(counts))
    ]
    return np.concatenate(drawn)


def training_noise(sides: Sequence[Answers], resamples: int, rng: np.random.Generator) -> Floats:
    """Errors (resamples, 2) of WAR and UAR by the trainings; 0 for a recipe whose noise is not known.

    Two recipes make the Behrens-Fisher distribution, which holds a level with few seeds too.
    """
    noise = np.zeros((resamples, 2))
    for side in sides:
        if side.freedom:
            noise += rng.standard_t(side.freedom, (resamples, 1)) * np.sqrt(side.variance)
    return noise


def _weights(clips: Predictions) -> Floats:
    occurs = np.bincount(clips.truth, minlength=len(clips.labels))
    per_class = 1 / np.maximum(occurs, 1) / (occurs > 0).sum()
    return np.stack([np.full(len(clips), 1 / len(clips)), per_class[clips.truth]])


def _chunks(rows: int, width: int) -> Iterator[int]:
    most = max(1, _DRAWN // max(1, width))
    while rows > 0:
        yield min(rows, most)
        rows -= most
