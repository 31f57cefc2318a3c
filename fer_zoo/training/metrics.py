"""Metrics of predictions: WAR, UAR, recalls, F1, confusion matrix, calibration error."""

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


class Figures(Spec):
    """Metrics of predictions, between 0 and 1; those of single classes in the order of the labels."""

    labels: tuple[str, ...]
    clips: Positive
    subjects: Annotated[int, Field(ge=0)]
    """Known ones; 0 if no subject is known."""
    war: float
    """Share of clips that are predicted correctly (accuracy)."""
    uar: float
    """Mean recall of the classes that occur."""
    macro_f1: float
    """Mean F1 of the classes that occur."""
    calibration_error: float
    """Expected calibration error: how far confidence and accuracy are apart, mean over the clips."""
    recall: tuple[float | None, ...]
    """None for a class without clips."""
    precision: tuple[float | None, ...]
    """None for a class that was never predicted."""
    f1: tuple[float | None, ...]
    """None for a class without clips."""
    confusion: tuple[tuple[int, ...], ...]
    """Numbers of clips, confusion[true][predicted]."""

    def card(self) -> Metrics:
        """The metrics that a weights card holds."""
        shared = ("clips", "subjects", "war", "uar", "confusion")
        return Metrics(**{name: getattr(self, name) for name in shared})


def figures(predictions: Predictions) -> Figures:
    """All metrics of predictions, by clip; by video: `figures(predictions.by_video())`.

    F1 of a class is 2 correct / (its clips + times it was predicted): 0 for one that occurs and is never predicted.
    """
    confusion = np.zeros((len(predictions.labels),) * 2, np.int64)
    np.add.at(confusion, (predictions.truth, predictions.predicted), 1)
    correct, occurs, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    present = occurs > 0
    recall = np.divide(correct, occurs, out=np.zeros(len(correct)), where=present)
    precision = np.divide(correct, predicted, out=np.zeros(len(correct)), where=predicted > 0)
    f1 = 2 * correct / np.maximum(occurs + predicted, 1)
    return Figures(
        labels=predictions.labels,
        clips=len(predictions),
        subjects=len(set(predictions.subjects.tolist()) - {""}),
        war=float(correct.sum() / len(predictions)),
        uar=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        calibration_error=calibration_error(predictions),
        recall=_where(recall, present),
        precision=_where(precision, predicted > 0),
        f1=_where(f1, present),
        confusion=tuple(map(tuple, confusion.tolist())),
    )


def group_figures(predictions: Predictions) -> dict[str, dict[str, Figures]]:
    """Metrics of each group of each grouping of the data, the groups sorted; "" are clips of unknown group."""
    return {
        grouping: {group: figures(predictions.of_group(grouping, group)) for group in predictions.groups_of(grouping)}
        for grouping in predictions.groups
    }


def calibration_error(predictions: Predictions, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error (Guo et al. 2017): the confidence is the greatest probability.

    Clips are put into `bins` equal ranges of confidence, each with its upper end; the error is the mean over the clips
    of |accuracy - mean confidence| in their range.
    """
    confidence = predictions.probabilities.max(axis=1)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    excess = np.bincount(place, (predictions.predicted == predictions.truth) - confidence, bins)
    return float(abs(excess).sum() / len(predictions))


def _where(values: npt.NDArray[np.float64], defined: npt.NDArray[np.bool_]) -> tuple[float | None, ...]:
    return tuple(value if known else None for value, known in zip(values.tolist(), defined.tolist(), strict=True))
