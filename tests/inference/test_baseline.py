"""Labels relative to a resting face, and intensity, on probabilities whose right answer is known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_zoo.errors import OptionError
from fer_zoo.inference import Row, Timeline
from fer_zoo.inference.baseline import REST_NEUTRAL, resting_period
from fer_zoo.landmarks.base import Box

LABELS = ("anger", "neutral", "happiness")
FROWNING = (0.55, 0.4, 0.05)  # at rest
SMILING = (0.15, 0.15, 0.7)


def timeline(shares: list[tuple[float, ...] | None], rate: int = 10, labels: tuple[str, ...] = LABELS) -> Timeline:
    box, points = Box(0, 0, 9, 9), np.zeros((68, 2), np.float32)
    rows = tuple(
        Row(i, i / rate, "none", None, None, None, None) if share is None
        else Row(i, i / rate, "tracked", box, points, labels[int(np.argmax(share))], share, intensity=0.5)
        for i, share in enumerate(shares)
    )  # fmt: skip
    return Timeline(Path("a.mp4"), 64, 48, Fraction(rate), labels, rows, "toy", "squares 1")


def labels_of(found: Timeline) -> list[str | None]:
    return [row.label for row in found]


@pytest.mark.parametrize("baseline", [1, 0.5, "auto"])
def test_a_frown_at_rest_becomes_neutral_and_a_smile_stays(baseline: Any) -> None:
    found = timeline([FROWNING] * 12 + [SMILING] * 20).with_baseline(baseline)
    assert labels_of(found) == ["neutral"] * 12 + ["happiness"] * 20
    shares = found.probabilities
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[0], [(1 - REST_NEUTRAL) / 2, REST_NEUTRAL, (1 - REST_NEUTRAL) / 2])
    # log(p / rest * typical), by hand
    other = (1 - REST_NEUTRAL) / 2
    by_hand = np.array(SMILING) / FROWNING * [other, REST_NEUTRAL, other]
    np.testing.assert_allclose(shares[-1], by_hand / by_hand.sum())
    assert found[0].intensity == pytest.approx(1 - REST_NEUTRAL)
    assert found[-1].intensity == pytest.approx(1 - shares[-1][1])
    assert found.notes[-1].startswith("Labels are relative to the resting face of 0.")


def test_the_median_ignores_a_blink() -> None:
    shares = [FROWNING] * 4 + [SMILING] * 2 + [FROWNING] * 14
    assert labels_of(timeline(list(shares)).with_baseline(1))[:4] == ["neutral"] * 4


def test_auto_takes_the_most_neutral_second() -> None:
    calm = (0.1, 0.8, 0.1)
    found = timeline([SMILING] * 15 + [calm] * 12 + [FROWNING] * 9).with_baseline("auto")
    assert found.notes[-1].startswith("Labels are relative to the resting face of 1.5")


def test_seconds_count_from_the_first_frame_of_the_face() -> None:
    found = timeline([None] * 30 + [FROWNING] * 10 + [None] * 3 + [SMILING] * 10).with_baseline(1)
    assert labels_of(found) == [None] * 30 + ["neutral"] * 10 + [None] * 3 + ["happiness"] * 10
    assert found[0].intensity is None
    assert found.notes[-1] == "Labels are relative to the resting face of 3.00 - 3.90 s."


def test_auto_leaves_a_smile_that_lasts() -> None:
    """A face that is never at rest keeps its labels; where seconds are given, the user says that it rests."""
    broad = (0.03, 0.1, 0.87)
    before = timeline([broad] * 30 + [FROWNING] * 4)
    found = before.with_baseline("auto")
    assert found.rows == before.rows
    assert "shows happiness even where it is most neutral" in found.notes[-1]
    assert set(labels_of(before.with_baseline(1))[:15]) == {"neutral"}


@pytest.mark.parametrize("shares", [[FROWNING] * 8, [None] * 60, [None] * 30 + [SMILING] * 5, []])
@pytest.mark.parametrize("baseline", [2.0, "auto"])
def test_a_face_that_is_seen_too_briefly_is_not_changed(shares: list[Any], baseline: Any) -> None:
    before = timeline(shares)
    found = before.with_baseline(baseline)
    assert found.rows == before.rows
    assert "too briefly" in found.notes[-1]


@pytest.mark.parametrize("baseline", [0, -1, float("nan"), float("inf"), "first", True, None])
def test_baselines_that_are_not_valid(baseline: Any) -> None:
    with pytest.raises(OptionError, match="baseline="):
        timeline([FROWNING] * 20).with_baseline(baseline)


def test_weights_without_a_neutral_label() -> None:
    with pytest.raises(OptionError, match="anger, calm, joy") as caught:
        timeline([FROWNING] * 20, labels=("anger", "calm", "joy")).with_baseline(1)
    assert "'neutral'" in caught.value.accepted
    assert caught.value.do


def test_a_timeline_that_is_already_neutral_keeps_its_labels() -> None:
    other = (1 - REST_NEUTRAL) / 2
    before = timeline([(other, REST_NEUTRAL, other)] * 12 + [SMILING] * 8)
    np.testing.assert_allclose(before.with_baseline(1).probabilities, before.probabilities, atol=1e-9)


@pytest.mark.parametrize("rate", [3, 25, 240])
def test_a_stretch_has_its_length_at_any_rate(rate: int) -> None:
    times = np.arange(5 * rate) / rate
    shares = np.tile(FROWNING, (len(times), 1))
    for baseline in (1.0, "auto"):
        found = resting_period(shares, times, 1, baseline)  # type: ignore[arg-type]
        assert found is not None
        assert len(times[found]) == rate


def test_a_frame_before_a_gap_is_no_resting_period() -> None:
    shares = [FROWNING] * 40 + [(0.02, 0.97, 0.01)] + [None] * 9 + [FROWNING] * 20
    found = timeline(shares).with_baseline("auto")
    assert labels_of(found)[:40] == ["neutral"] * 40
    assert "even" not in found.notes[-1]


@pytest.mark.parametrize(("absent", "moved"), [(0, 20), (15, 0)])
def test_after_a_cut_or_an_absence_there_is_another_resting_face(absent: int, moved: int) -> None:
    """The second of two people frowns at rest; relative to the first one, it would be angrier still."""
    calm, frowning = [(0.02, 0.97, 0.01), (0.03, 0.96, 0.01)] * 20, [FROWNING, (0.56, 0.4, 0.04)] * 20
    shares = [*calm, *[None] * absent, *frowning]
    before = timeline(shares)
    elsewhere = tuple(row if row.box is None else replace(row, box=Box(moved, 0, moved + 9, 9)) for row in before[-40:])
    before = replace(before, rows=(*before.rows[:-40], *elsewhere))
    found = before.with_baseline("auto")
    assert set(labels_of(found)) - {None} == {"neutral"}
    assert found.notes[-1].count(" - ") == 2
    brief = replace(before, rows=before.rows[:-15]).with_baseline("auto")
    assert labels_of(brief)[-20:] == ["anger"] * 20, "seen for too short a time"


def test_a_clearly_neutral_face_stays_so() -> None:
    """A baseline must not make the resting face uncertain or more intense."""
    before = timeline([(0.02, 0.97, 0.01), (0.03, 0.96, 0.01), (0.01, 0.98, 0.01)] * 14)
    found = before.with_baseline("auto")
    assert labels_of(found.refined(threshold=0.9)) == ["neutral"] * 42
    assert found[0].intensity == pytest.approx(0.05, abs=0.03)


def test_one_prediction_for_the_whole_video_has_no_resting_face() -> None:
    before = timeline([FROWNING] * 40)
    for baseline in (1.0, "auto"):
        found = before.with_baseline(baseline)  # type: ignore[arg-type]
        assert found.rows == before.rows
        assert "same prediction" in found.notes[-1]


def test_intensity_follows_probabilities_that_are_smoothed_or_averaged() -> None:
    before = timeline([FROWNING] * 10 + [SMILING] * 10)
    for found in (before.refined(smooth_s=0.2), before.per_second()):
        assert [row.intensity for row in found] == pytest.approx(list(1 - found.probabilities[:, 1]))
    assert replace(before, labels=("a", "b", "c")).per_second()[0].intensity is None


def test_files_have_a_column_of_intensity_only_beside_a_neutral_label(tmp_path: Path) -> None:
    timeline([FROWNING, None]).refined().to_csv(tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].endswith(",label,p_anger,p_neutral,p_happiness,intensity")
    assert lines[1].endswith(",anger,0.5500,0.4000,0.0500,0.6000")
    assert lines[2].endswith(",,,,,")
    timeline([FROWNING], labels=("a", "b", "c")).to_csv(tmp_path / "b.csv")
    assert "intensity" not in (tmp_path / "b.csv").read_text()
