"""Video in, frame by frame, through PyAV: upright RGB images with their time, whatever the file's format."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fer_zoo.errors import OptionError, VideoError
from fer_zoo.landmarks.base import UInt8
from fer_zoo.paths import ffmpeg_url, find_path, missing
from fer_zoo.video.clock import Clock
from fer_zoo.video.decode import Decoding, choose_streams, reason
from fer_zoo.video.ending import missing_bytes
from fer_zoo.video.seek import Marks
from fer_zoo.video.upright import Screen, noted, orientation, shown_size
from fer_zoo.video.writer import write_video

# Frames larger than this are shrunk while decoding; a face that matters is still hundreds of pixels wide.
MAX_SIDE = 1920
_MAX_RATE = 1000
_DO = "check the file with a video player"


@dataclass(frozen=True)
class VideoFrame:
    """One frame: its number, its time in seconds since the first frame, and its image uint8 (H, W, 3), RGB.

    `reshaped`: the picture has another shape than the frame before, so that what it shows is at another place.
    `captured_s`: when a source that is read live gave it, as `time.monotonic()`.
    """

    index: int
    time_s: float
    image: UInt8
    reshaped: bool = False
    captured_s: float | None = None


@dataclass
class Video:
    """An opened video: what is known of it before decoding, and `frames()` to decode it, as often as wanted.

    Attributes:
        width, height: size of the first frame in pixels as shown, after rotation and pixel aspect; all results are in
            these pixels.
        scale: side of a decoded image / side as shown; below 1 for frames larger than `max_side`.
        rate: average frames per second, as the file states it, or as given.
        frame_count: as the file states it, often only nearly; None when it does not say.
        stream: index of the stream that is decoded.
        counted: times are frame numbers / `rate`; the file's time stamps are not used.
        damage: what was wrong with the file, so far as `frames()` has read it; None when all went well.
        notes: what was done to frames that a reader of the results should know, so far as `frames()` has read it.
        live: frames come in real time and may not end; once: `frames()` can be called only once.
        file: what is decoded, if it is not `path`: a recording. held: what is to live as long as this object.
    """

    path: Path
    width: int
    height: int
    scale: float
    rate: Fraction
    frame_count: int | None
    stream: int = 0
    counted: bool = False
    damage: str | None = None
    notes: tuple[str, ...] = ()
    live: bool = False
    once: bool = False
    file: Path | None = None
    held: Any = None

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the decoded images."""
        return max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale))

    def frames(self, start: int = 0, marks: Marks | None = None) -> Generator[VideoFrame, None, None]:
        """Decode from frame `start` on; numbers and times count from the first frame, and times always increase.

        Args:
            start: frames before it are not turned into images.
            marks: of this file; what is read is marked, and what lies before `start` left out as far as it is known.

        Raises:
            VideoError: the file is gone, or no frame of it can be decoded.
        """
        if marks and marks.frames and start:
            with Decoding(_open_container(self.file or self.path), self.stream) as decoding:
                number, raws = marks.leap(start, decoding)
                if number and not decoding.problems:
                    again = yield from self._walk(decoding, raws, number, start, marks)
                    if again is None:
                        return
                    start = again
        with Decoding(_open_container(self.file or self.path), self.stream) as decoding:
            yield from self._walk(decoding, decoding.frames(), 0, start, marks)

    def recorded(self, seconds: float | None = None) -> Video:
        """Return a source that can be read again: this one, or a lossless recording of at most `seconds`.

        Raises:
            VideoError: the recording cannot be written.
        """
        if not self.once:
            return self
        folder = tempfile.TemporaryDirectory(prefix="fer_zoo_")
        file, count = Path(folder.name) / "recording.mkv", 0
        with write_video(file, self.rate, lossless=True) as writer:
            for frame in self.frames():
                if seconds is not None and frame.time_s >= seconds - 1e-3:
                    break
                writer.add(frame.image, frame.time_s)
                count += 1
        notes = (*self.notes, f"The stream broke off or was damaged: {self.damage}") if self.damage else self.notes
        return Video(
            self.path,
            self.width,
            self.height,
            self.scale,
            self.rate,
            count,
            counted=self.counted,
            notes=notes,
            file=file,
            held=folder,
        )

    def _walk(
        self, decoding: Decoding, raws: Iterator[Any], number: int, start: int, marks: Marks | None
    ) -> Generator[VideoFrame, None, int | None]:
        """Yield frames from `start` on, the first of `raws` being frame `number`.

        Returns:
            None at the end; where frames do not match the marks, the number of the frame to continue from.
        """
        leapt = number > 0
        start_s = marks.frames[number].time_s if leapt and marks else 0.0
        clock = Clock(decoding, self.rate, counted=self.counted, start_s=start_s)
        with closing(Screen(self.image_size)) as screen:
            for raw in raws:
                if leapt and marks and marks.contradict(number, raw):
                    return max(number, start)
                time = clock.seconds(number, raw)
                if decoding.problems:  # reported at once: a caller that stops early would miss it
                    self.damage = _damage(decoding.problems, 0, number)
                elif marks:
                    marks.add(number, raw, time)
                if number >= start:
                    image, reshaped = screen.image(raw, decoding.aspect, time)
                    for note in screen.notes:
                        self.notes = noted(self.notes, note)
                    yield VideoFrame(number, time, image, reshaped)
                number += 1
        self.damage = _damage(decoding.problems, 0 if self.once else missing_bytes(self.file or self.path), number)
        if not number:
            raise _no_frame(self.path)
        return None


def open_video(path: str | Path, max_side: int = MAX_SIDE, fps: float | None = None) -> Video:
    """Open a video and make sure that a first frame can be decoded.

    Args:
        max_side: frames with a longer side are shrunk to it while decoding.
        fps: frames per second, for a file whose own times are wrong or missing; they are not used then.

    Raises:
        VideoError: no such file, empty, not a video, no picture in it, or not one frame that can be decoded.
        OptionError: `fps` is not a rate.
    """
    check_rate(fps)
    path = find_path(path)
    _check_file(path)
    with _open_container(path) as container:
        streams = choose_streams(container, path)
    still = None
    for index in streams:
        with Decoding(_open_container(path), index) as decoding:
            raws = decoding.frames()
            raw = next(raws, None)
            if raw is None:
                continue
            width, height = shown_size(raw, decoding.aspect, orientation(raw))
            scale, rate = min(1.0, max_side / max(width, height)), Fraction(fps or stream_rate(decoding))
            count = decoding.stream.frames or None
            video = Video(path, width, height, scale, rate, count, index, counted=fps is not None)
            # A thumbnail of one frame is not always marked as one: of several streams, take one that moves.
            if len(streams) == 1 or next(raws, None) is not None:
                return video
        still = still or video
    if still is None:
        raise _no_frame(path)
    return still


def check_rate(fps: float | None) -> None:
    """Check frames per second that a caller gives.

    Raises:
        OptionError: it is not a rate.
    """
    if fps is not None and not 0 < fps <= _MAX_RATE:
        raise OptionError(f"fps={fps}.", f"a number above 0, at most {_MAX_RATE}", "leave it out to use the file's own")


def stream_rate(decoding: Decoding) -> Fraction:
    """Return the average frames per second that a stream states; 25 if it states none."""
    # The average rate of a format without time stamps is always 25; the guess then takes the stream's own rate.
    stream = decoding.stream
    rates = stream.average_rate, stream.guessed_rate
    found = (Fraction(rate) for rate in (rates[::-1] if decoding.untimed else rates) if rate and 0 < rate < _MAX_RATE)
    return next(found, Fraction(25))


def _damage(problems: Sequence[str], missing: int, count: int) -> str | None:
    texts = [f"{len(problems)} part(s) could not be decoded ({problems[0]})."] if problems else []
    texts += [f"The file ends early: its last {missing} bytes are missing."] if missing else []
    return " ".join([*texts, f"{count} frames could be decoded."]) if texts else None


def _no_frame(path: Path) -> VideoError:
    return VideoError(f"No frame of {path} can be decoded.", "a video that plays", _DO)


def _check_file(path: Path) -> None:
    accepted = "the path of a video file"
    try:
        exists, size = path.exists(), path.stat().st_size if path.is_file() else 0
    except OSError as error:  # a name that is too long, a folder without permission
        given = f"{path} cannot be read: {error.strerror}."
        raise VideoError(given, accepted, "check the path and its permissions") from error
    if not exists:
        raise VideoError(missing(path), accepted, "check the spelling")
    if not path.is_file():
        is_folder = path.is_dir()
        do = "name a file in that folder" if is_folder else "save it as a file first"
        raise VideoError(f"{path} is {'a folder, ' if is_folder else ''}not a file.", accepted, do)
    if size == 0:
        raise VideoError(f"{path} is empty (0 bytes).", "a video file", "copy or download it again")


def _open_container(path: Path) -> Any:
    import av

    try:
        # Without the option a name such as a%d.jpg would stand for a row of pictures.
        return av.open(ffmpeg_url(path), options={"pattern_type": "none"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path} cannot be read as video: {reason(error)}.",
            "any format FFmpeg reads (mp4, mov, mkv, webm, avi, ...)",
            f"{_DO}; an mp4 cut off while copying or recording has lost its index at the end: copy it again",
        ) from error
