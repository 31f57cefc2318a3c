"""WAR, UAR and the confusion matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fer_zoo.errors import InputError
from fer_zoo.specs import Metrics


def score(predicted: npt.ArrayLike, true: npt.ArrayLike, subjects: npt.ArrayLike, classes: int) -> Metrics:
    """Figures of predicted and true label numbers (N,) of clips of `subjects` (N,).

    UAR is the mean over the classes that occur in `true`: a class without clips has no recall.

    Raises:
        InputError: no clips, columns of different length, or a label number outside 0..classes - 1.
    """
    guesses, truth = (np.asarray(column, np.int64) for column in (predicted, true))
    if len(truth) == 0 or len(guesses) != len(truth) or np.shape(subjects) != truth.shape:
        raise InputError(
            f"{len(guesses)} predictions for {len(truth)} clips of {np.shape(subjects)} subjects.",
            "one of each for every clip, and at least one clip",
            "check the split: a part of it may be empty",
        )
    both = np.concatenate([guesses, truth])
    if both.min() < 0 or both.max() >= classes:
        raise InputError(
            f"Label numbers {both.min()} to {both.max()}.", f"0 to {classes - 1}", "check the order of the labels"
        )
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, guesses), 1)
    right, per_class = np.diag(confusion), confusion.sum(axis=1)
    present = per_class > 0
    return Metrics(
        clips=len(truth),
        subjects=len(np.unique(np.asarray(subjects))),
        war=float(right.sum() / len(truth)),
        uar=float((right[present] / per_class[present]).mean()),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
    )
