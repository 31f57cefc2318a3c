"""Rows of a stream as they become known: the labels of `predict_video`, early, and in constant memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_model import brightness_model
from video_files import Squares, draw, encode

from fer_zoo.errors import InputError, OptionError
from fer_zoo.inference import predict_faces, predict_stream, predict_video
from fer_zoo.inference.baseline import RunningBaseline
from fer_zoo.landmarks.base import Box
from fer_zoo.video.live import open_live


def world(count: int) -> list[np.ndarray]:
    """One face throughout, a second one that is away for a second, and a second without any face."""
    images = []
    for i in range(count):
        squares = [] if 75 <= i < 100 else [("red", 40 + i % 20, 60, 44)]
        squares += [("green", 120, 60, 30)] if not 50 <= i < 100 else []
        images.append(draw(squares))
    return images


def test_a_stream_gives_the_labels_of_the_video(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", world(150), options={"crf": "8"}, pix_fmt="yuv444p")
    whole = predict_video(brightness_model(), path, landmarker=Squares(), hop=1)
    rows = list(predict_stream(brightness_model(), path, landmarker=Squares(), hop=1, latency_s=0.5))
    assert [row.frame for row in rows] == list(range(150))
    assert [(row.face, row.time_s, row.label) for row in rows] == [(row.face, row.time_s, row.label) for row in whole]
    for row, expected in zip(rows, whole, strict=True):
        if row.probabilities is not None:
            np.testing.assert_allclose(row.probabilities, expected.probabilities, atol=0.05)
            assert row.box == pytest.approx(expected.box)


def test_all_faces_of_a_stream(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", world(150), options={"crf": "8"}, pix_fmt="yuv444p")
    rows = list(predict_stream(brightness_model(), path, faces="all", landmarker=Squares(), hop=1))
    expected = predict_faces(brightness_model(), path, landmarker=Squares(), hop=1)
    for timeline in expected:
        mine = [row for row in rows if row.track == timeline.track and row.face != "none"]
        assert [row.frame for row in mine] == [row.frame for row in timeline if row.face != "none"]
    assert sum(row.face == "none" for row in rows) == sum(
        all(row.face == "none" for row in at) for at in zip(*expected, strict=True)
    )


def test_rows_come_while_the_source_runs() -> None:
    given = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal given
        while True:
            given += 1
            yield draw([("red", 60, 60, 40)])

    rows = list(islice(predict_stream(brightness_model(), endless(), landmarker=Squares(), fps=25), 100))
    assert [row.frame for row in rows] == list(range(100))
    assert given < 100 + 25 * 3


@pytest.mark.slow
def test_memory_is_constant() -> None:
    image = draw([("red", 60, 60, 40)])
    model = brightness_model(needs_landmarks=False)  # the toy keeps landmarks
    rows = predict_stream(model, (image for _ in range(1500)), landmarker=Squares(), fps=25, hop=4)
    sizes = []
    tracemalloc.start()
    try:
        for index, _ in enumerate(rows):
            if index % 100 == 99:
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # 1500 frames of landmarks alone are 800 kB.
    assert max(sizes[10:]) - max(sizes[2:10]) < 50_000


def test_what_is_refused_at_once(tmp_path: Path) -> None:
    image = [draw([("red", 60, 60, 40)])]
    for wrong in (
        {"faces": "both"},
        {"faces": 0},
        {"latency_s": -1},
        {"hop": 9},
        {"batch_size": 0},
        {"device": "nonsense"},
    ):
        with pytest.raises(OptionError, match="Accepted"):
            predict_stream(brightness_model(), image, landmarker=Squares(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be read as video"):
        predict_stream(brightness_model(), 1.5, landmarker=Squares())


def test_each_moment_has_the_label_of_the_window_that_ends_with_it() -> None:
    model, images = brightness_model(), world(60)
    for hop in (1, 2):
        rows = list(predict_stream(model, images, landmarker=Squares(), hop=hop, latency_s=0, fps=25))
        assert [row.frame for row in rows] == list(range(0, 60, hop))
        assert [row.time_s for row in rows] == [row.frame / 25 for row in rows]
        for row in rows[8::10]:
            window = images[row.frame - 3 : row.frame + 1]
            expected = predict_video(model, window, landmarker=Squares(), hop=1, fps=25)[3]
            assert row.probabilities == pytest.approx(expected.probabilities)
            assert (row.face, row.label, row.box) == ("tracked", expected.label, pytest.approx(expected.box))


def test_the_newest_rows_are_of_the_faces_that_are_there() -> None:
    images = world(85)[40:]  # from frame 50 on one face, from 75 on none
    by_most = {}
    for faces in ("largest", 1, 2, "all"):
        moments = predict_stream(
            brightness_model(), images, faces=faces, landmarker=Squares(), hop=1, latency_s=0, fps=25
        ).moments  # type: ignore[arg-type]
        by_most[faces] = [tuple(row.track for row in m.rows if row.face != "none") for m in moments]
    assert by_most["all"] == by_most[2]
    assert by_most["largest"] == by_most[1]
    assert by_most["all"][5] == (1, 2)
    assert by_most[1][5] == by_most["all"][20] == (1,)
    assert by_most["all"][44] == by_most["largest"][44] == ()


def test_a_face_that_takes_over_is_the_largest_one_there() -> None:
    """Whoever was largest for an hour does not stay the main face after leaving."""
    images = [draw([("red", 40, 60, 44), ("green", 120, 60, 30)])] * 20 + [draw([("green", 120, 60, 30)])] * 10
    rows = list(
        predict_stream(brightness_model(), images, landmarker=Squares(), hop=1, latency_s=0, fps=25)
    )  # fmt: skip
    assert rows[10].box is not None
    assert rows[28].box is not None
    assert rows[10].box.x0 < 80 < rows[28].box.x0
    assert rows[28].label is not None


def test_a_live_source_is_read_newest_frame_first() -> None:
    images = np.stack([draw([("red", 50 + i, 60, 40)]) for i in range(40)])
    video = open_live(images, fps=50)
    frames = []
    for moment in predict_stream(brightness_model(), video, landmarker=Squares(), latency_s=0).moments:
        time.sleep(0.1)  # a slow machine
        frames.append(moment.frame.index)
        assert moment.rows[0].frame == moment.frame.index
        assert moment.rows[0].box is not None
        assert moment.rows[0].box.centre[0] == pytest.approx(50 + moment.frame.index, abs=1.5)
    assert video.dropped > 15
    assert frames[-1] > 39 - 4  # a result every two sampled frames, which are four of this source


def test_labels_of_a_stream_are_relative_to_each_resting_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a video, from when a face has been seen for three seconds; the second face is always just bright."""
    monkeypatch.setattr("toy_model.LABELS", ("dark", "neutral", "bright"))

    def picture(brightness: int) -> np.ndarray:
        image = draw([("red", 40, 60, 40), ("green", 120, 60, 30)])
        image[image[..., 0] == 230] = (brightness, 15, 15)
        image[image[..., 1] == 230] = (15, 215, 15)
        return image

    images = [picture(215 + i % 2) for i in range(90)] + [picture(240)] * 30

    def found(track: int, **options: Any) -> list[str | None]:
        rows = predict_stream(brightness_model(), images, faces="all", landmarker=Squares(), fps=25, hop=1, **options)
        return [row.label for row in rows if row.track == track][-120:]

    for latency_s in (0.5, 0):
        labels = found(1, latency_s=latency_s)
        assert set(labels[10:70]) == {"bright"}, "no three seconds yet"
        assert set(labels[82:88]) == {"neutral"}
        assert set(labels[100:]) == {"bright"}
        assert set(found(1, baseline=None, latency_s=latency_s)[10:]) == {"bright"}
        assert set(found(2, latency_s=latency_s)[82:]) == {"neutral"}, "whatever the first face does"
    with pytest.raises(OptionError, match="baseline=1 for a stream"):
        found(1, baseline=1)


def test_the_baseline_of_a_stream_forgets() -> None:
    def running() -> RunningBaseline:
        known = RunningBaseline(("anger", "neutral"))
        for tick in range(40):
            known.relative(tick / 10, np.array([0.05, 0.95]), box)
        return known

    box, frowning = Box(0, 0, 9, 9), np.array([0.65, 0.35])
    known = running()
    for tick in range(41, 700):
        share = known.relative(tick / 10, frowning + tick % 2 * np.array([0.01, -0.01]), box)
        if not 620 < tick < 645:
            assert (share.argmax() == 0) == (tick < 640), "the calm second is more than a minute ago"
    assert len(known._seen) <= 602
    for time_s, place in ((4.1, Box(20, 0, 29, 9)), (5.5, box)):
        np.testing.assert_array_equal(running().relative(time_s, frowning, place), frowning)
    assert known.is_over(75)
