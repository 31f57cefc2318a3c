"""Only the newest frame counts: frames are dropped, times go on, and a source that stalls or breaks off is reported."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_files import draw, encode

from fer_zoo.errors import OptionError, VideoError
from fer_zoo.video import live
from fer_zoo.video.live import open_live
from fer_zoo.video.reader import VideoFrame

IMAGES = [draw([("red", 50 + i, 60, 40)]) for i in range(60)]
# Each frame is in the stream at once, without waiting for others.
PROMPT = {"g": "5", "bf": "0", "tune": "zerolatency"}


class Sender:
    """Sends bytes to each connection over plain TCP, as a camera would, and then stalls, closes or refuses."""

    def __init__(self, parts: list[bytes], *, stall: bool = False) -> None:
        self.connections, self._parts, self._stall = 0, parts, stall
        self._server = socket.create_server(("127.0.0.1", 0))
        self._stopped, self._open = threading.Event(), list[socket.socket]()
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for part in self._parts:
            try:
                connection, _ = self._server.accept()
            except OSError:  # closed
                return
            self.connections += 1
            connection.sendall(part)
            if self._stall:
                self._open.append(connection)
                self._stopped.wait()
            connection.close()
        self._server.close()

    def close(self) -> None:
        self._stopped.set()
        for each in (*self._open, self._server):
            each.close()
        self._thread.join(1)


@contextmanager
def sending(parts: list[bytes], *, stall: bool = False) -> Iterator[Sender]:
    sender = Sender(parts, stall=stall)
    try:
        yield sender
    finally:
        sender.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STALL_S", 0.2)
    monkeypatch.setattr(live, "_FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(live, "_LONGEST_WAIT_S", 0.2)


def stream(tmp_path: Path, images: list[np.ndarray] | None = None) -> bytes:
    return encode(tmp_path / "a.ts", images or IMAGES, options=PROMPT).read_bytes()


def test_a_video_is_played_by_its_own_clock_and_a_slow_reader_misses_frames(tmp_path: Path) -> None:
    video = open_live(encode(tmp_path / "a.mp4", IMAGES[:30]))
    begun, numbers, lags = time.monotonic(), [], []
    for frame in video.frames():
        numbers.append(frame.index)
        assert frame.time_s == pytest.approx(frame.index / 25, abs=2e-3)
        assert frame.captured_s is not None
        lags.append(time.monotonic() - frame.captured_s)
        time.sleep(0.2)
    assert time.monotonic() - begun >= 29 / 25  # never ahead of its clock
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 29, "the newest frame is given"
    assert video.received == 30
    assert video.dropped == 30 - len(numbers) >= 15
    assert np.median(lags) < 0.1, "what is given has just been captured"


def test_a_reader_that_is_fast_enough_gets_every_frame() -> None:
    video = open_live(np.stack(IMAGES[:8]), fps=5)
    frames = list(video.frames())
    assert [frame.index for frame in frames] == list(range(8))
    assert video.dropped == 0
    for frame, image in zip(frames, IMAGES, strict=False):
        np.testing.assert_array_equal(frame.image, image)
    with pytest.raises(VideoError, match="read once"):
        next(video.frames())


def test_it_ends_after_the_seconds_that_were_asked_for() -> None:
    begun = time.monotonic()
    frames = list(open_live(np.stack(IMAGES), fps=25, seconds=0.4).frames())
    assert 0.4 <= time.monotonic() - begun < 1.5
    assert frames[-1].time_s <= 0.4


def test_a_change_of_size_is_not_lost_with_a_dropped_frame() -> None:
    wide = draw([("red", 60, 40, 30)], 200, 100)
    video = open_live([IMAGES[0], wide, wide, wide], fps=25)
    frames = video.frames()
    assert not next(frames).reshaped
    time.sleep(0.4)
    frame = next(frames)
    assert (frame.index, frame.reshaped, frame.image.shape) == (3, True, (120, 160, 3))
    assert "changes at frame 1" in video.notes[0]
    assert list(frames) == []


@pytest.mark.usefixtures("quick")
def test_a_stream_that_stalls_is_reported_and_given_up(tmp_path: Path) -> None:
    reports: list[str] = []
    with sending([stream(tmp_path)], stall=True) as sender:
        video = open_live(sender.url, report=reports.append, reconnect_s=0.8)
        assert video.live
        seen: list[int] = []
        with pytest.raises(VideoError, match=r"no frame for 0.8 s[\s\S]*Accepted: [\s\S]*What to do: "):
            seen.extend(frame.index for frame in video.frames())
    assert seen[-1] >= 50
    assert any("has given no frame" in report for report in reports)
    assert sender.connections == 1


@pytest.mark.usefixtures("quick")
def test_a_stream_that_stalls_ends_in_time(tmp_path: Path) -> None:
    with sending([stream(tmp_path)], stall=True) as sender:
        reports: list[str] = []
        video, begun = open_live(sender.url, seconds=0.5, report=reports.append), time.monotonic()
        assert list(video.frames())
        assert time.monotonic() - begun < 3
    assert not any("broke off" in report for report in reports)


@pytest.mark.usefixtures("quick")
def test_a_stream_that_breaks_off_is_connected_again(tmp_path: Path) -> None:
    reports: list[str] = []
    small = [np.ascontiguousarray(image[::2, ::2]) for image in IMAGES]
    with sending([stream(tmp_path), stream(tmp_path, small)]) as sender:
        video = open_live(sender.url, report=reports.append, reconnect_s=1.0)
        frames: list[VideoFrame] = []
        with pytest.raises(VideoError, match="is lost"):
            frames.extend(video.frames())
    assert sender.connections == 2
    assert video.received >= 110
    assert {frame.image.shape for frame in frames} == {(120, 160, 3)}
    assert np.all(np.diff([frame.time_s for frame in frames]) > 0)
    texts = "\n".join(reports)
    assert texts.count("broke off") == 2
    assert texts.count("connected again") == 1
    assert "Trying again in 0.1 s" in texts
    assert "Trying again in 0.2 s" in texts


def broadcast(url: str, until: threading.Event) -> None:
    """Send frames in real time with PyAV, in a format that can be joined at any time."""
    import av

    with av.open(url, "w", format="mpegts") as out:
        channel: Any = out.add_stream("libx264", rate=25, options=PROMPT)
        channel.height, channel.width, channel.pix_fmt = 120, 160, "yuv420p"
        for image in itertools.cycle(IMAGES):
            out.mux(channel.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            if until.wait(0.04):
                return


@pytest.mark.slow
def test_a_broadcast_over_udp_that_pauses() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        url = f"udp://127.0.0.1:{free.getsockname()[1]}"
    reports, times = list[str](), list[float]()

    def send_and_pause() -> None:
        for seconds in (6, 6):
            silent = threading.Event()
            threading.Timer(seconds, silent.set).start()
            broadcast(url, silent)
            time.sleep(3)

    sender = threading.Thread(target=send_and_pause, daemon=True)
    sender.start()
    video = open_live(url, seconds=14, report=reports.append)
    begun = time.monotonic()
    for frame in video.frames():
        assert frame.captured_s is not None
        assert time.monotonic() - frame.captured_s < 1
        times.append(time.monotonic() - begun)
    sender.join(20)
    pause = int(np.argmax(np.diff(times)))
    assert 2 < times[pause + 1] - times[pause] < 8
    assert min(pause, len(times) - pause) > 20, "frames came before and after the pause"
    assert "has given no frame for 2 s" in reports[0]
    assert "gives frames again" in reports[-1]


def test_without_connecting_again_the_stream_just_ends(tmp_path: Path) -> None:
    with sending([stream(tmp_path)]) as sender:
        video = open_live(sender.url, reconnect_s=0)
        assert len(list(video.frames())) + video.dropped == video.received
        assert video.received >= 50
    assert sender.connections == 1


def test_what_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    for source in (97, "tcp://127.0.0.1:1", tmp_path / "missing.mp4"):
        with pytest.raises(VideoError, match=r"Accepted: [\s\S]*What to do: "):
            open_live(source)
    for wrong in ({"seconds": 0}, {"seconds": -1.0}, {"reconnect_s": float("inf")}, {"fps": 0}):
        with pytest.raises(OptionError, match="Accepted"):
            open_live(np.stack(IMAGES[:2]), **wrong)  # type: ignore[arg-type]
    video = open_live(np.stack(IMAGES[:2]))
    assert open_live(video) is video
    with pytest.raises(VideoError, match="is read live"):
        open_live(np.stack(IMAGES[:2])).recorded()


def test_an_error_of_the_source_is_raised_where_its_frames_are_read() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield IMAGES[0]
        raise ZeroDivisionError("a fault of the source")

    with pytest.raises(ZeroDivisionError, match="a fault of the source"):
        list(open_live(broken(), fps=25).frames())
