"""Figures of what a network said: WAR, UAR, recalls, F1, confusion matrix, calibration error."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fer_zoo.specs import Metrics
from fer_zoo.specs.base import Positive, Spec
from fer_zoo.training.predictions import Predictions

# Of confidence, equally wide; as in Guo et al. 2017.
CALIBRATION_BINS = 15

Matrix = npt.NDArray[np.int64]


class Figures(Spec):
    """Figures of predictions, as shares of 1; those of a class stand in the order of the labels."""

    labels: tuple[str, ...]
    clips: Positive
    subjects: Annotated[int, Field(ge=0)]
    """Known ones; 0 where nobody says whose the clips are."""
    war: float
    """Share of clips that are right."""
    uar: float
    """Mean recall of the classes that occur."""
    macro_f1: float
    """Mean F1 of the classes that occur."""
    calibration_error: float
    """Expected calibration error: how far confidence and share of right clips are apart, mean over the clips."""
    recall: tuple[float | None, ...]
    """None of a class without clips."""
    precision: tuple[float | None, ...]
    """None of a class that was never said."""
    f1: tuple[float | None, ...]
    """None of a class without clips."""
    confusion: tuple[tuple[int, ...], ...]
    """Numbers of clips, confusion[true][predicted]."""

    def card(self) -> Metrics:
        """The figures that a weights card holds."""
        shared = ("clips", "subjects", "war", "uar", "confusion")
        return Metrics(**{name: getattr(self, name) for name in shared})


def figures(predictions: Predictions) -> Figures:
    """All figures of predictions, by clip; by video: `figures(predictions.by_video())`.

    F1 of a class is 2 right / (its clips + times it was said), so it is 0 for one that occurs and is never said.
    """
    confusion = _confusion(predictions.predicted, predictions.truth, len(predictions.labels))
    right, occurs, said = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    present = occurs > 0
    recall = np.divide(right, occurs, out=np.zeros(len(right)), where=present)
    precision = np.divide(right, said, out=np.zeros(len(right)), where=said > 0)
    f1 = 2 * right / np.maximum(occurs + said, 1)
    return Figures(
        labels=predictions.labels,
        clips=len(predictions),
        subjects=len(set(predictions.subjects.tolist()) - {""}),
        war=float(right.sum() / len(predictions)),
        uar=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        calibration_error=calibration_error(predictions),
        recall=_where(recall, present),
        precision=_where(precision, said > 0),
        f1=_where(f1, present),
        confusion=_rows(confusion),
    )


def group_figures(predictions: Predictions) -> dict[str, dict[str, Figures]]:
    """Figures of each group of each grouping that the data name, the groups sorted; "" are clips of unknown group."""
    return {
        grouping: {group: figures(predictions.of_group(grouping, group)) for group in predictions.groups_of(grouping)}
        for grouping in predictions.groups
    }


def calibration_error(predictions: Predictions, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error (Guo et al. 2017): the confidence is the greatest probability.

    Clips are put into `bins` equal ranges of confidence, each with its upper end; the error is the mean over the clips
    of |share of right clips - mean confidence| in their range.
    """
    confidence = predictions.probabilities.max(axis=1)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    excess = np.bincount(place, (predictions.predicted == predictions.truth) - confidence, bins)
    return float(abs(excess).sum() / len(predictions))


def _confusion(predicted: npt.NDArray[np.int64], true: npt.NDArray[np.int64], classes: int) -> Matrix:
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (true, predicted), 1)
    return confusion


def _rows(matrix: Matrix) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _where(values: npt.NDArray[np.float64], defined: npt.NDArray[np.bool_]) -> tuple[float | None, ...]:
    return tuple(value if fine else None for value, fine in zip(values.tolist(), defined.tolist(), strict=True))
