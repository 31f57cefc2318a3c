"""Clips cut while the face is followed: one decoding where it can be, and the same results in any case."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from toy_model import BrightnessNet, brightness_model
from video_files import Squares, draw

from fer_zoo.inference import early, network, predict_faces, predict_video
from fer_zoo.inference.predict import Timeline
from fer_zoo.video.reader import VideoFrame
from fer_zoo.video.sources import Images, open_source
from fer_zoo.video.track import Tracker


@dataclass
class Counted(Images):
    """Images that know how many of them were read."""

    read: int = 0

    def frames(self, *given: Any) -> Generator[VideoFrame, None, None]:
        for frame in super().frames(*given):
            self.read += 1
            yield frame


def source(images: list[np.ndarray], rate: float) -> Counted:
    opened = cast(Images, open_source(np.stack(images), fps=rate))
    fields = {name: getattr(opened, name) for name in opened.__dataclass_fields__}
    return Counted(**fields)


def faces(count: int, *, first: int = 0, second: int = 10**6) -> list[np.ndarray]:
    """A red face from frame `first` on and a larger green one from frame `second` on, both moving and brightening."""
    images = []
    for i in range(count):
        image = draw(
            [("red", 40 + 3 * np.sin(i / 5), 60, 30)] * (i >= first) + [("green", 110, 60, 50)] * (i >= second)
        )
        image[image == 230] = 160 + 70 * i // count
        images.append(image)
    return images


def two_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be cut early, so that all clips come from a second pass over the video."""
    monkeypatch.setattr(early.EarlyClips, "add", lambda self, frame: iter(()))
    monkeypatch.setattr(network.NetworkRun, "_frames", lambda self, table: self.video.frames(int(table.min())))


def assert_same(found: list[Timeline], expected: list[Timeline]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert [row.box for row in one] == [row.box for row in other]
        assert one.notes == other.notes


@pytest.mark.parametrize("rate", [7.3, 24, 25, 29.97, 60])
@pytest.mark.parametrize("hop", [1, 2, 4])
def test_a_face_that_stays_is_decoded_once(rate: float, hop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    video, model = source(faces(70), rate), brightness_model()
    once = predict_video(model, video, landmarker=Squares(), hop=hop, batch_size=4)
    assert video.read == 70
    computed = sum(cast(BrightnessNet, model).batches)
    two_passes(monkeypatch)
    again = brightness_model()
    assert_same([once], [predict_video(again, video, landmarker=Squares(), hop=hop, batch_size=4)])
    assert computed == sum(cast(BrightnessNet, again).batches)  # no clip for nothing
    assert video.read > 100


@pytest.mark.parametrize(
    "images",
    [
        faces(60, first=20), faces(60, second=30), faces(20) + faces(12, first=12) + faces(30),
        faces(20) + faces(3, first=3) + faces(30), faces(20) + faces(30, first=30), faces(2), faces(5),
    ],
    ids=["appears", "larger one appears", "leaves", "gap", "gone", "short", "one window"],
)  # fmt: skip
@pytest.mark.parametrize("every", [False, True])
def test_faces_that_come_and_go_give_the_same_rows_as_two_passes(
    images: list[np.ndarray], every: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predicted() -> list[Timeline]:
        model, video = brightness_model(), source(images, 25)
        if every:
            return predict_faces(model, video, landmarker=Squares())
        return [predict_video(model, video, landmarker=Squares())]

    found = predicted()
    two_passes(monkeypatch)
    assert_same(found, predicted())


def test_all_faces_are_decoded_once() -> None:
    video = source(faces(60, second=0), 25)
    assert len(predict_faces(brightness_model(), video, landmarker=Squares())) == 2
    assert video.read == 60


def test_few_frames_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    most = []
    add = early.EarlyClips.add

    def watched(self: early.EarlyClips, frame: VideoFrame) -> Any:
        yield from add(self, frame)
        most.append(len(self.held))

    monkeypatch.setattr(early.EarlyClips, "add", watched)
    images = faces(60) + faces(60, first=60) + faces(60)
    predict_video(brightness_model(), source(images, 25), landmarker=Squares())
    assert max(most[:60]) <= 6
    assert max(most) <= 16  # a face may be followed back, and a gap be bridged
    for limit in (3 * images[0].nbytes, 1):
        monkeypatch.setattr(early, "_MOST_BYTES", limit)
        most.clear()
        video = source(images, 25)
        predict_video(brightness_model(), video, landmarker=Squares())
        assert max(most) <= 3
        assert video.read > 200  # the windows are too long for that: decoded again


def test_the_work_of_a_frame_does_not_grow_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    track = Tracker.track

    def watched(self: Tracker, *given: Any) -> Any:
        lengths.append(len(found := track(self, *given)))
        return found

    monkeypatch.setattr(Tracker, "track", watched)
    predict_video(brightness_model(), source(faces(300), 25), landmarker=Squares())
    assert max(lengths[:-1]) < 40
    assert lengths[-1] == 300  # the whole video, once


def test_an_error_while_following_is_raised_at_once(tmp_path: Path) -> None:
    class Broken(Squares):
        def follow(self, image: np.ndarray, last: Any) -> Any:
            raise RuntimeError("no more memory")

    with pytest.raises(RuntimeError, match="no more memory"):
        predict_video(brightness_model(), source(faces(60), 25), landmarker=Broken())


def test_an_interruption_ends_the_threads() -> None:
    import threading

    def stop(stage: str, done: int, total: int | None) -> None:
        if done == 20:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        predict_video(brightness_model(), source(faces(60), 25), landmarker=Squares(), progress=stop)
    assert threading.active_count() == before
