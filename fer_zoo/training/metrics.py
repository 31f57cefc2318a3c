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

Shares = tuple[float | None, ...]


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
    recall: Shares
    """None for a class without clips."""
    precision: Shares
    """None for a class that was never predicted."""
    f1: Shares
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
    recall, precision, f1 = class_metrics(confusion)
    return Figures(
        labels=predictions.labels,
        clips=len(predictions),
        subjects=len(set(predictions.subjects.tolist()) - {""}),
        war=float(np.trace(confusion) / len(predictions)),
        uar=float(np.mean([value for value in recall if value is not None])),
        macro_f1=float(np.mean([value for value in f1 if value is not None])),
        calibration_error=calibration_error(predictions),
        recall=recall,
        precision=precision,
        f1=f1,
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


def class_metrics(confusion: npt.NDArray[np.int64]) -> tuple[Shares, Shares, Shares]:
    """Recall, precision and F1 of each class by confusion[true][predicted]; None as in `Figures`."""
    correct, occurs, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2 * correct / np.maximum(occurs + predicted, 1)
    return _shares(correct, occurs), _shares(correct, predicted), _shares(f1, np.minimum(occurs, 1))


def _shares(parts: npt.NDArray[np.number], wholes: npt.NDArray[np.int64]) -> Shares:
    return tuple(float(part / whole) if whole else None for part, whole in zip(parts, wholes, strict=True))
