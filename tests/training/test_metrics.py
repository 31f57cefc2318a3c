"""Figures of predictions: against those worked out by hand and those of torchmetrics, and their laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_zoo.training.metrics import CALIBRATION_BINS, Figures, calibration_error, figures, group_figures
from fer_zoo.training.predictions import Predictions

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def metrics_by_definition(
    predicted: npt.ArrayLike, true: npt.ArrayLike, classes: int, subjects: list[str] | None = None
) -> Figures:
    """Figures of clips of which one label is message with certainty."""
    return figures(predictions(true, np.eye(classes)[np.asarray(predicted)], subjects))


def test_by_hand() -> None:
    true = [0, 0, 0, 0, 1, 1, 2, 2]
    predicted = [0, 0, 0, 1, 1, 0, 2, 0]
    found = metrics_by_definition(predicted, true, 3, subjects=list("11221217"))
    assert found.confusion == ((3, 1, 0), (1, 1, 0), (1, 0, 1))
    assert found.war == 5 / 8
    assert found.uar == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    assert (found.clips, found.subjects) == (8, 3)


def test_a_class_without_clips_has_no_recall() -> None:
    assert metrics_by_definition([0, 1], [0, 0], 3).uar == 0.5


def test_unknown_subjects_are_not_counted_as_one() -> None:
    assert metrics_by_definition([0, 1, 0], [0, 0, 1], 2, subjects=["4", "", ""]).subjects == 1
    assert metrics_by_definition([0, 1], [0, 0], 2, subjects=["", ""]).subjects == 0


@given(PAIRS)
def test_laws(pairs: list[tuple[int, int]]) -> None:
    predicted, true = np.array(pairs).T
    found = metrics_by_definition(predicted, true, 4)
    assert np.sum(found.confusion) == len(true)
    assert found.war == np.mean(predicted == true)
    # Renaming the classes changes neither figure; doubling every clip of one class changes no recall.
    renamed = metrics_by_definition(3 - predicted, 3 - true, 4)
    assert renamed.uar == pytest.approx(found.uar)
    extra = true == true[0]
    doubled = metrics_by_definition(np.append(predicted, predicted[extra]), np.append(true, true[extra]), 4)
    assert doubled.uar == pytest.approx(found.uar)


def predictions(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike, subjects: list[str] | None = None, **groups: list[str]
) -> Predictions:
    truth, shares = np.asarray(truth), np.asarray(probabilities, np.float64)
    keys = np.array([f"clip {n}" for n in range(len(truth))])
    labels = tuple("abcdefgh"[: shares.shape[1]])
    return Predictions(labels, keys, np.array(subjects or keys), keys, truth, shares, dict(groups))


def message(truth: list[int], predicted: list[int], classes: int, **more: Any) -> Predictions:
    return predictions(truth, np.eye(classes)[predicted], **more)


def random_predictions(seed: int, clips: int, classes: int) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, clips)
    logits = rng.normal(0, 1, (clips, classes)) + 1.5 * np.eye(classes)[truth]
    shares = np.exp(logits)
    return predictions(truth, shares / shares.sum(axis=1, keepdims=True))


def test_all_figures_by_hand() -> None:
    # Class 2 is never message, class 3 never occurs and is message once.
    them = figures(message([0, 0, 0, 0, 1, 1, 2], [0, 0, 1, 3, 1, 0, 0], 4, subjects=["x", "x", "y", "", "", "z", "x"]))
    assert them.confusion == ((2, 1, 0, 1), (1, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 0))
    assert (them.clips, them.subjects) == (7, 3)
    assert them.war == 3 / 7
    assert them.recall == (1 / 2, 1 / 2, 0, None)
    assert them.precision == (1 / 2, 1 / 2, None, 0)
    assert them.f1 == (1 / 2, 1 / 2, 0, None)
    assert them.uar == pytest.approx(1 / 3)
    assert them.macro_f1 == pytest.approx(1 / 3)
    assert them.calibration_error == pytest.approx(4 / 7)  # always sure, right in 3 of 7


def test_calibration_by_hand() -> None:
    # Two ranges: to a half (its end belongs to it), 0.5 sure and one of two right; above it, 0.8 sure and all right.
    them = predictions([0, 1, 0, 0], [[0.5, 0.5], [0.5, 0.5], [0.7, 0.3], [0.9, 0.1]])
    assert calibration_error(them, bins=2) == pytest.approx((2 * 0 + 2 * 0.2) / 4)
    # With one range for all, over- and underconfidence cancel: 3 of 4 right, 0.65 sure.
    assert calibration_error(them, bins=1) == pytest.approx(0.1)


def test_groups() -> None:
    them = message([0, 1, 0, 1, 0], [0, 1, 1, 1, 0], 2, sex=["f", "f", "m", "m", ""], age=["1", "1", "1", "1", "1"])
    by_group = group_figures(them)
    assert {name: {group: f.war for group, f in part.items()} for name, part in by_group.items()} == {
        "sex": {"": 1, "f": 1, "m": 0.5},
        "age": {"1": 0.8},
    }
    assert [f.clips for f in by_group["sex"].values()] == [1, 2, 2]
    assert by_group["sex"]["m"].recall == (0, 1)
    assert by_group["sex"][""].recall == (1, None)


@pytest.mark.parametrize(("seed", "clips", "classes"), [(0, 200, 7), (1, 61, 5), (2, 500, 3)])
def test_torchmetrics_agrees(seed: int, clips: int, classes: int) -> None:
    from torchmetrics.functional import classification as reference

    them = random_predictions(seed, clips, classes)
    mine, shares, truth = figures(them), torch.tensor(them.probabilities), torch.tensor(them.truth)
    calls = {"preds": shares, "target": truth, "num_classes": classes}
    assert mine.war == pytest.approx(reference.multiclass_accuracy(**calls, average="micro").item())
    assert mine.uar == pytest.approx(reference.multiclass_recall(**calls, average="macro").item())
    assert mine.macro_f1 == pytest.approx(reference.multiclass_f1_score(**calls, average="macro").item())
    for name in ("recall", "precision", "f1"):
        function = getattr(reference, f"multiclass_{name}" + ("_score" if name == "f1" else ""))
        assert getattr(mine, name) == pytest.approx(function(**calls, average="none").tolist())
    assert mine.confusion == tuple(map(tuple, reference.multiclass_confusion_matrix(**calls).tolist()))
    theirs = reference.multiclass_calibration_error(**calls, n_bins=CALIBRATION_BINS, norm="l1").item()
    assert mine.calibration_error == pytest.approx(theirs, abs=1e-6)


@given(PAIRS)
def test_laws_of_figures(pairs: list[tuple[int, int]]) -> None:
    predicted, truth = map(list, zip(*pairs, strict=True))
    them = figures(message(truth, predicted, 4))
    assert [sum(row) for row in them.confusion] == np.bincount(truth, minlength=4).tolist()
    assert [sum(column) for column in zip(*them.confusion, strict=True)] == np.bincount(predicted, minlength=4).tolist()
    for recall, precision, f1 in zip(them.recall, them.precision, them.f1, strict=True):
        if recall and precision:
            assert f1 == pytest.approx(2 / (1 / recall + 1 / precision))
        else:
            assert not f1
    again = np.random.default_rng(0).permutation(len(truth))
    assert figures(message(truth, predicted, 4).take(again)) == them
