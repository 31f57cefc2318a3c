"""WAR, UAR, confusion: against figures worked out by hand, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_zoo.errors import InputError
from fer_zoo.training.metrics import score

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def test_by_hand() -> None:
    true = [0, 0, 0, 0, 1, 1, 2, 2]
    predicted = [0, 0, 0, 1, 1, 0, 2, 0]
    figures = score(predicted, true, [1, 1, 2, 2, 1, 2, 1, 7], classes=3)
    assert figures.confusion == ((3, 1, 0), (1, 1, 0), (1, 0, 1))
    assert figures.war == 5 / 8
    assert figures.uar == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    assert (figures.clips, figures.subjects) == (8, 3)


def test_a_class_without_clips_has_no_recall() -> None:
    figures = score([0, 1], [0, 0], [1, 2], classes=3)
    assert figures.uar == 0.5


@given(PAIRS)
def test_laws(pairs: list[tuple[int, int]]) -> None:
    predicted, true = np.array(pairs).T
    figures = score(predicted, true, np.arange(len(true)), classes=4)
    assert np.sum(figures.confusion) == len(true)
    assert figures.war == np.mean(predicted == true)
    # Renaming the classes changes neither figure; doubling every clip of one class changes no recall.
    renamed = score(3 - predicted, 3 - true, np.arange(len(true)), classes=4)
    assert renamed.uar == pytest.approx(figures.uar)
    extra = true == true[0]
    doubled = score(
        np.append(predicted, predicted[extra]), np.append(true, true[extra]), np.zeros(len(true) + extra.sum()), 4
    )
    assert doubled.uar == pytest.approx(figures.uar)


@pytest.mark.parametrize(
    ("predicted", "true"), [([], []), ([0], [0, 1]), ([3], [0]), ([-1], [0])], ids=["none", "unequal", "high", "low"]
)
def test_what_cannot_be_judged(predicted: list[int], true: list[int]) -> None:
    with pytest.raises(InputError):
        score(predicted, true, [0] * len(true), classes=3)
