"""Stretches of a video that was read before: the very frames, numbers and times that decoding from the start gives."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import encode

from fer_zoo.video.decode import Decoding
from fer_zoo.video.reader import Video, VideoFrame, open_video
from fer_zoo.video.seek import Marks
from fer_zoo.video.upright import Screen

COUNT = 90
B_FRAMES = {"g": "12", "bf": "3", "sc_threshold": "0"}


def moving(count: int = COUNT) -> list[np.ndarray]:
    ground = np.random.default_rng(0).integers(60, 200, (64, 96, 3), dtype=np.uint8)
    return [np.roll(ground, 3 * number, axis=1) for number in range(count)]


def uneven() -> list[float]:
    steps = np.random.default_rng(1).uniform(0.01, 0.12, COUNT)
    return [float(time) for time in 3.0 + np.cumsum(steps)]


FILES = {
    "b-frames.mp4": {"options": B_FRAMES},
    "open-gop.mkv": {"options": {**B_FRAMES, "x264-params": "open-gop=1"}},
    "refresh.mp4": {"options": {"g": "20", "bf": "0", "x264-params": "intra-refresh=1"}},
    "uneven.mp4": {"options": B_FRAMES, "times": uneven()},
    "stream.ts": {"options": B_FRAMES, "rate": 24},
    "packed.avi": {"codec": "mpeg4", "options": {"g": "10", "bf": "2"}, "rate": 13},
    "pictures.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "rate": 23},
    "web.webm": {"codec": "libvpx-vp9", "options": {"g": "15", "cpu-used": "8", "deadline": "realtime"}},
    "one-key.mp4": {"options": {"g": "500"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, how in FILES.items():
        encode(folder / name, moving(), **how)  # type: ignore[arg-type]
    return folder


def stretch(video: Video, start: int, end: int, marks: Marks | None) -> list[VideoFrame]:
    frames = video.frames(start, marks)
    found = []
    for frame in frames:
        found.append(frame)
        if frame.index + 1 >= end:
            break
    frames.close()
    return found


def assert_same(found: list[VideoFrame], whole: list[VideoFrame], start: int, end: int) -> None:
    assert [(frame.index, frame.time_s) for frame in found] == [(f.index, f.time_s) for f in whole[start:end]]
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, whole[start:end], strict=True))


@pytest.mark.parametrize("name", FILES)
def test_stretches_are_those_of_the_plain_walk(folder: Path, name: str) -> None:
    video = open_video(folder / name)
    whole = list(video.frames())
    assert len(whole) == COUNT
    with av.open(str(folder / name)) as container:
        plain = [raw.to_ndarray(format="rgb24") for raw in container.decode(video=0)]
    assert np.abs(whole[50].image.astype(int) - plain[50]).max() < 16, "numbers are those of decoding"
    drawn = random.Random(0)
    marks = Marks()
    for start in [*range(0, COUNT, 10), *(drawn.randrange(COUNT) for _ in range(10))]:
        assert_same(stretch(video, start, start + 10, marks), whole, start, start + 10)
    assert video.damage is None
    assert stretch(video, COUNT + 5, COUNT + 9, marks) == []


@pytest.mark.parametrize("name", ["b-frames.mp4", "open-gop.mkv", "uneven.mp4", "pictures.avi", "web.webm"])
def test_what_lies_before_is_not_decoded_again(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    plain = Decoding._decoded

    def counted(self: Decoding) -> object:
        nonlocal decoded
        for raw in plain(self):
            decoded += 1
            yield raw

    video, marks = open_video(folder / name), Marks()
    monkeypatch.setattr(Decoding, "_decoded", counted)
    stretch(video, 70, 80, marks)
    assert decoded == 80, "the first time there is no other way"
    decoded = 0
    stretch(video, 72, 82, marks)
    assert decoded <= 10 + 15


def test_earlier_frames_are_not_converted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = []
    plain = Screen._scaled
    monkeypatch.setattr(Screen, "_scaled", lambda self, *given: converted.append(1) or plain(self, *given))
    assert len(stretch(open_video(folder / "b-frames.mp4"), 60, 64, None)) == 4
    assert len(converted) == 4


@pytest.mark.parametrize("wrong", ["checksum", "stamp", "place"])
def test_marks_that_do_not_fit_the_file_are_not_believed(folder: Path, wrong: str) -> None:
    video = open_video(folder / "b-frames.mp4")
    whole, marks = list(video.frames()), Marks()
    list(video.frames(0, marks))
    for number, mark in enumerate(marks.frames):
        if wrong == "checksum" and mark.checksum is not None:
            marks.frames[number] = mark._replace(checksum=mark.checksum ^ 1)
        elif wrong == "stamp" and number % 12 == 5:
            marks.frames[number] = mark._replace(stamp=mark.stamp + 1)
        elif wrong == "place" and mark.checksum is not None:
            marks.frames[number] = mark._replace(stamp=10**9 + number)
    assert_same(stretch(video, 40, 60, marks), whole, 40, 60)


def test_damage_before_a_segment_is_reported_on_every_read(tmp_path: Path) -> None:
    file = encode(tmp_path / "a.mkv", moving(), codec="ffv1", pix_fmt="bgr0", options={"g": "1"})
    content = bytearray(file.read_bytes())
    content[len(content) // 2 - 9000 : len(content) // 2 + 9000] = bytes(18000)
    file.write_bytes(content)
    video, marks = open_video(file), Marks()
    for _ in range(2):
        assert stretch(video, 5, 15, marks)[0].index == 5
        assert video.damage is None
        stretch(video, 70, 75, marks)
        assert "could not be decoded" in str(video.damage)
        video.damage = None
