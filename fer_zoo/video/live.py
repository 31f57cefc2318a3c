"""A source read as it comes: a thread keeps only its newest frame, and connects again when a stream breaks off."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fer_zoo.errors import OptionError, VideoError
from fer_zoo.video.reader import MAX_SIDE, Video, VideoFrame
from fer_zoo.video.seek import Marks
from fer_zoo.video.sources import Stream, open_source

# Seconds without a frame that are reported.
STALL_S = 2.0
# The wait before connecting again doubles with each attempt.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0
# Ctrl-C is noticed after this at the latest, also where a wait cannot be interrupted (Windows).
_TICK_S = 0.1

Report = Callable[[str], None]
T = TypeVar("T")


def open_live(
    source: Any,
    *,
    max_side: int = MAX_SIDE,
    fps: float | None = None,
    seconds: float | None = None,
    reconnect_s: float = 30.0,
    report: Report | None = None,
) -> LiveVideo:
    """Open a source to read its newest frame only; what is not live is played by its own clock, as if it were.

    Args:
        source, max_side, fps: as `open_source`.
        seconds: end after this long.
        reconnect_s: give up after this long without a frame of a webcam or stream; 0: end when it breaks off.
        report: called with a sentence when the source stalls, breaks off, or is connected again; from any thread.

    Raises:
        As `open_source`. OptionError: `seconds` or `reconnect_s` is not valid.
    """
    for name, value in (("seconds", 1.0 if seconds is None else seconds), ("reconnect_s", reconnect_s)):
        if not 0 <= value < float("inf") or (name == "seconds" and value == 0):
            raise OptionError(f"{name}={value}.", "a number of seconds", "leave it out")

    if isinstance(source, LiveVideo):
        return source

    def connect() -> Video:
        return open_source(source, max_side=max_side, fps=fps)

    opened = in_thread(connect)  # while FFmpeg waits for a server, Ctrl-C would not be seen
    while not wait([opened], _TICK_S).done:
        pass
    video = opened.result()
    facts = {each.name: getattr(video, each.name) for each in dataclasses.fields(Video)}
    can_reconnect = video.live and reconnect_s > 0 and not isinstance(source, Video)
    return LiveVideo(
        **{**facts, "live": True, "once": True},
        source=video,
        seconds=seconds,
        reconnect_s=reconnect_s,
        connect=connect if can_reconnect else None,
        report=report or (lambda _: None),
    )


@dataclass
class LiveVideo(Video):
    """A source of which only the newest frame is kept: a reader that is slower than the source misses frames.

    Attributes:
        received: frames of the source so far; a frame's number counts these.
        dropped: how many of them nobody read, as a newer one came first.
    """

    source: Video | None = None
    seconds: float | None = None
    reconnect_s: float = 0.0
    connect: Callable[[], Video] | None = None
    report: Report = print
    received: int = 0
    dropped: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _frame: VideoFrame | None = field(default=None, repr=False)
    _error: Exception | None = None
    _ended: bool = False
    _connecting: bool = False
    _begun_s: float = 0.0  # these are times of time.monotonic()
    _last_s: float = 0.0
    _time_s: float = 0.0  # of the newest frame

    def frames(self, start: int = 0, marks: Marks | None = None) -> Generator[VideoFrame, None, None]:
        """Yield the newest frame, as soon as there is one that was not given before.

        Raises:
            VideoError: it was read before; a webcam or stream broke off and could not be connected again.
        """
        if self.source is None or self._begun_s:
            raise VideoError(f"{self.path} is being read already.", "a source that is read once", "open it again")
        self._begun_s = self._last_s = time.monotonic()
        reader = threading.Thread(target=self._read, args=(self.source,), daemon=True)
        reader.start()
        try:
            while (frame := self._newest()) is not None:
                yield frame
        finally:
            self._stop.set()
            # One that is blocked inside FFmpeg or a driver is left behind: it ends with its time limit.
            reader.join(5 * _TICK_S)

    def recorded(self, seconds: float | None = None) -> Video:
        """Refuse: what is not kept cannot be read again."""
        raise VideoError(f"{self.path} is read live.", "a source for predict_stream", "open it with open_source")

    def _newest(self) -> VideoFrame | None:
        """Wait for a frame; None at the end."""
        longest, stalled_s = max(STALL_S, float(3 / self.rate)), 0.0
        with self._changed:
            while self._frame is None and not self._ended and not self._is_over():
                quiet_s = time.monotonic() - self._last_s
                if self.connect and quiet_s > self.reconnect_s:
                    raise VideoError(
                        f"{self.path} is lost: it gave no frame for {self.reconnect_s:g} s.",
                        "a webcam or stream that keeps running",
                        "check that it still runs; --reconnect (reconnect_s) waits longer for it",
                    )
                if quiet_s > longest and not self._connecting:
                    self.report(f"{self.path} has given no frame for {quiet_s:.0f} s; waiting.")
                    stalled_s, longest = quiet_s, float("inf")
                self._changed.wait(_TICK_S)
            if self._is_over():
                return None
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            if stalled_s and frame is not None:
                self.report(f"{self.path} gives frames again.")
            return frame

    def _is_over(self) -> bool:
        return self.seconds is not None and time.monotonic() >= self._begun_s + self.seconds

    def _read(self, source: Video | None) -> None:
        """Read in a thread until the end; a live source is connected again."""
        try:
            while source is not None:
                try:
                    self._play(source)
                    why = source.damage
                except VideoError as error:
                    if self.connect is None:
                        raise
                    why = error.given
                self.damage = source.damage
                source = self._connected_again(why) if self.connect and not self._stop.is_set() else None
        except Exception as error:  # it is raised where the frames are read
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _play(self, source: Video) -> None:
        paced, begun_s = not source.live or (isinstance(source, Stream) and source.bursts), time.monotonic()
        # After a break the source counts from 0 again; its times continue with the clock, and always increase.
        step_s = float(1 / self.rate)
        offset_s = max(begun_s - self._begun_s, self._time_s + step_s) if self.received else 0.0
        with closing(source.frames()) as frames:
            for frame in frames:
                if paced:
                    due_s = begun_s + frame.time_s
                    self._last_s = max(self._last_s, due_s)  # waiting for it is no stall
                    self._stop.wait(max(0.0, due_s - time.monotonic()))
                if self._stop.is_set():
                    return
                self.notes = source.notes
                with self._changed:
                    reshaped, self._last_s = frame.reshaped, time.monotonic()
                    if self._frame is not None:
                        self.dropped += 1
                        reshaped = reshaped or self._frame.reshaped
                    self._time_s = offset_s + frame.time_s
                    self._frame = VideoFrame(self.received, self._time_s, frame.image, reshaped, self._last_s)
                    self.received += 1
                    self._changed.notify_all()

    def _connected_again(self, why: str | None) -> Video | None:
        assert self.connect is not None
        pause_s, self._connecting = _FIRST_WAIT_S, True
        self.report(f"{self.path} broke off{f' ({why})' if why else ''}; connecting again in {pause_s:g} s.")
        while not self._stop.wait(pause_s):
            try:
                again = self.connect()
            except VideoError as error:
                pause_s = min(2 * pause_s, _LONGEST_WAIT_S)
                self.report(f"{error.given} Trying again in {pause_s:g} s.")
                continue
            self.report(f"{self.path} is connected again.")
            # Pictures of another size are scaled to the first one, in whose pixels results are.
            again.width, again.height, again.scale, self._connecting = self.width, self.height, self.scale, False
            return again
        return None


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Start work in a thread that ends with the process, so that whoever waits for its result can be interrupted."""
    future = Future[T]()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
