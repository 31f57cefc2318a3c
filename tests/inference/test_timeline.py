"""The timeline: spans, numbers, indexing, text and its CSV file; the other formats are in test_formats.py."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest

from fer_zoo.errors import OptionError, VideoError
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
    assert timeline().spans() == [
        Span("calm", 0, 1, 0.0, 0.08),
        Span(None, 2, 3, 0.08, 0.16),
        Span("angry, loud", 4, 4, 0.16, 0.2),
    ]
    shares = timeline().probabilities
    assert shares.shape == (5, 2)
    assert np.isnan(shares[2:4]).all()
    np.testing.assert_allclose(shares[4], [0.1, 0.9])
    np.testing.assert_allclose(timeline().times, [0, 0.04, 0.08, 0.12345, 0.16])


def labelled(labels: str, rate: int = 10) -> Timeline:
    """One row per letter: a and b are labels, - is no face."""
    shares = {"a": (0.8, 0.2), "b": (0.3, 0.7), "-": None}
    points = np.zeros((68, 2), np.float32)
    rows = tuple(
        Row(i, i / rate, "none" if c == "-" else "tracked", None if c == "-" else Box(0, 0, 9, 9),
            None if c == "-" else points, None if c == "-" else c, shares[c])
        for i, c in enumerate(labels)
    )  # fmt: skip
    return Timeline(Path("a.mp4"), 64, 48, Fraction(rate), ("a", "b"), rows, "toy", "squares 1", faces=2)


def letters(timeline: Timeline) -> str:
    return "".join(row.label[0] if row.label else "-" for row in timeline)


@pytest.mark.parametrize(
    ("given", "min_s", "expected"),
    [
        ("aaabaaa", 0.2, "aaaaaaa"),
        ("aaabaaa", 0.1, "aaabaaa"),
        ("aaabb--a-bbb", 0.3, "aaaaa--a-bbb"),  # a short run among frames without a face has nothing to join
        ("---", 9.0, "---"),
        ("ab", 9.0, "bb"),
        ("", 1.0, ""),
    ],
)
def test_short_spans_join_their_longer_neighbour_and_spans_meet(given: str, min_s: float, expected: str) -> None:
    whole = labelled(given)
    refined = whole.refined(min_span_s=min_s) if given else whole
    assert letters(refined) == expected
    spans = whole.spans(min_s)
    runs = ["".join(run) for _, run in groupby(expected)]
    assert [(span.label or "-") * (span.last - span.first + 1) for span in spans] == runs
    assert all(one.end_s == other.start_s for one, other in pairwise(spans))
    if spans:
        assert (spans[0].start_s, spans[-1].end_s) == (0, pytest.approx(whole.duration_s))


def test_summary() -> None:
    summary = labelled("aaab--bb--").summary()
    assert (summary.frames, summary.frames_with_face, summary.faces_seen) == (10, 6, 2)
    assert summary.duration_s == pytest.approx(1.0)
    assert summary.share_of_time == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}
    assert (summary.longest["b"].first, summary.longest["b"].last) == (6, 7)
    assert summary.mean_probability == {"a": pytest.approx(0.55), "b": pytest.approx(0.45)}
    assert labelled("--").summary().share_of_time == {}


def test_indexing_by_frame_and_by_second() -> None:
    whole = labelled("aaabbb----")
    assert [whole[3].frame, whole[-1].frame, whole[np.int64(2)].frame] == [3, 9, 2]
    assert [whole[0.3].frame, whole[0.39].frame, whole.at(0).frame, whole[0.95].frame] == [3, 3, 0, 9]
    assert letters(whole[2:5]) == letters(whole[0.2:0.5]) == "abb"
    assert [row.frame for row in whole] == list(range(10))
    for outside in (1.0, -0.1, 10):
        with pytest.raises(IndexError):
            whole[outside]
    part = whole[0.4:0.8]
    assert (part.start_s, part.duration_s, part.at(0.4).frame) == (0.4, pytest.approx(0.4), 4)
    assert [(span.label, span.first, span.last) for span in part.spans()] == [("b", 4, 5), (None, 6, 7)]
    assert part.summary().duration_s == pytest.approx(0.4)
    with pytest.raises(IndexError, match=r"outside the timeline, 0\.40 to 0\.80 s"):
        part.at(0.2)
    half = whole[::2]
    assert (half.end_s, half.duration_s, half.spans()[0].end_s) == (1.0, 1.0, pytest.approx(0.4))
    assert len(whole[0:0].refined(min_span_s=1.0)) == 0
    with pytest.raises(IndexError, match="runs forwards"):
        whole[::-1]
    with pytest.raises(TypeError):
        whole["a"]  # type: ignore[call-overload]


def test_smoothing_threshold_and_seconds() -> None:
    whole = labelled("aaaabaaaa---bbbb----")
    smooth = whole.refined(smooth_s=0.1)
    assert letters(smooth) == "aaaaaaaaa---bbbb----"
    np.testing.assert_allclose(np.nansum(smooth.probabilities, axis=1)[:9], 1)
    assert letters(whole.refined(threshold=0.75)) == "aaaauaaaa---uuuu----"
    seconds = whole.per_second()
    assert [(row.frame, row.time_s, row.label) for row in seconds] == [(0, 0.0, "a"), (10, 1.0, "b")]
    assert seconds[0].probabilities == (pytest.approx(6.7 / 9), pytest.approx(2.3 / 9))
    assert seconds.duration_s == 2
    for wrong in ({"threshold": 1.1}, {"smooth_s": -1.0}, {"min_span_s": float("nan")}):
        with pytest.raises(OptionError, match="Accepted"):
            whole.refined(**wrong)
    for seconds_each in (0.0, float("inf"), float("nan")):
        with pytest.raises(OptionError, match="Accepted"):
            whole.per_second(seconds_each)


def test_the_text_of_a_long_timeline_fits_on_one_screen() -> None:
    text = repr(replace(labelled("ab" * 3000), notes=("a note",)))
    assert len(text.splitlines()) <= 20
    assert max(map(len, text.splitlines())) < 100
    assert text.startswith("Timeline of a.mp4: 6000 frames, 600.00 s")
    assert text.endswith("note: a note")
    assert labelled("ab")._repr_html_().startswith("<pre>Timeline of a.mp4")  # the file is gone
