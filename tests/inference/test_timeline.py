"""The timeline and its CSV file."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fer_zoo.errors import VideoError
from fer_zoo.inference import Row, Span, Timeline
from fer_zoo.landmarks.base import Box

LABELS = ("calm", "angry, loud")


def timeline() -> Timeline:
    points = np.zeros((68, 2), np.float32)
    box = Box(1.25, 2.0, 30.04, 41.5)
    rows = (
        Row(0, 0.0, "tracked", box, points, "calm", (0.75, 0.25)),
        Row(1, 0.04, "interpolated", box, points, "calm", (0.5, 0.5)),
        Row(2, 0.08, "none", None, None, None, None),
        Row(3, 0.12345, "tracked", box, points, None, None),
        Row(4, 0.16, "tracked", box, points, "angry, loud", (0.1, 0.9)),
    )
    return Timeline(Path("a.mp4"), 64, 48, Fraction(25), LABELS, rows, "toy", "squares 1")


def test_csv(tmp_path: Path) -> None:
    timeline().to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()[0] == (
        'frame,time_s,face,x0,y0,x1,y1,label,p_calm,"p_angry, loud"'
    )
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["face"] for row in rows] == ["tracked", "interpolated", "none", "tracked", "tracked"]
    assert [row["label"] for row in rows] == ["calm", "calm", "", "", "angry, loud"]
    assert rows[0] == {
        "frame": "0", "time_s": "0.0000", "face": "tracked", "x0": "1.2", "y0": "2.0", "x1": "30.0", "y1": "41.5",
        "label": "calm", "p_calm": "0.7500", "p_angry, loud": "0.2500",
    }  # fmt: skip
    assert set(rows[2].values()) == {"2", "0.0800", "none", ""}
    assert rows[3]["x0"] == "1.2"
    assert rows[3]["p_calm"] == ""


def test_csv_is_written_atomically(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be written"):
        timeline().to_csv(tmp_path / "nowhere" / "t.csv")
    broken = Row(0, 0.0, "tracked", None, None, None, probabilities=("x", "y"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="format"):
        Timeline(Path("a"), 1, 1, Fraction(25), LABELS, (broken,), "m", "l").to_csv(tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_spans_and_arrays() -> None:
    assert list(timeline().spans()) == [
        Span("calm", 0, 1, 0.0, 0.04),
        Span(None, 2, 3, 0.08, 0.12345),
        Span("angry, loud", 4, 4, 0.16, 0.16),
    ]
    shares = timeline().probabilities
    assert shares.shape == (5, 2)
    assert np.isnan(shares[2:4]).all()
    np.testing.assert_allclose(shares[4], [0.1, 0.9])
    np.testing.assert_allclose(timeline().times, [0, 0.04, 0.08, 0.12345, 0.16])
