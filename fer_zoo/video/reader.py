"""Video in, frame by frame, through PyAV: upright RGB images with their time, whatever the file's format."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fer_zoo.errors import VideoError
from fer_zoo.landmarks.base import UInt8
from fer_zoo.paths import ffmpeg_url, find_path, missing
from fer_zoo.video.seek import Marks
from fer_zoo.video.upright import orientation

# Frames larger than this are shrunk while decoding; a face that matters is still hundreds of pixels wide.
MAX_SIDE = 1920
_DO = "check the file with a video player"


@dataclass(frozen=True)
class VideoFrame:
    """One frame: its number, its time in seconds since the first frame, and its image uint8 (H, W, 3), RGB."""

    index: int
    time_s: float
    image: UInt8


@dataclass
class Video:
    """An opened video: what is known of it before decoding, and `frames()` to decode it, as often as wanted.

    Attributes:
        width, height: size in pixels as shown, after rotation and pixel aspect; all results are in these pixels.
        scale: side of a decoded image / side as shown; below 1 for frames larger than `max_side`.
        rate: average frames a second, as the file states it.
        frame_count: as the file states it; None when it does not say.
        duration_s: seconds of the picture (sound may be longer) as the file states it; None when it does not say.
        damage: what was wrong with the file, so far as `frames()` has read it; None when all went well.
    """

    path: Path
    width: int
    height: int
    scale: float
    rate: Fraction
    frame_count: int | None
    duration_s: float | None
    damage: str | None = field(default=None)

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
        number, damages = 0, list[str]()
        if marks and marks.frames and start:
            with _open_container(self.path) as container:
                number, raws = marks.leap(start, container, *_decoding(container, self.path, damages))
                if number and not damages:
                    again = yield from self._walk(raws, number, start, marks, damages)
                    if again is None:
                        return
                    start = again
        with _open_container(self.path) as container:
            yield from self._walk(_decoding(container, self.path, damages := [])[1], 0, start, marks, damages)

    def _walk(
        self, raws: Iterator[Any], number: int, start: int, marks: Marks | None, damages: list[str]
    ) -> Generator[VideoFrame, None, int | None]:
        """Yield frames from `start` on, the first of `raws` being frame `number`.

        Returns:
            None at the end; a frame's number where frames are not those that the marks tell, from which to go on.
        """
        known = marks.frames if marks else []
        first, last = (known[0].time_s, known[number - 1].time_s) if number else (0.0, -math.inf)
        step, leapt = float(1 / self.rate), number > 0
        for raw in raws:
            if leapt and marks and marks.contradict(number, raw):
                return max(number, start)
            time = float(raw.time) if raw.time is not None else (last + step if number else 0.0)
            if not number:
                first = time
            # Broken files repeat time stamps or run backwards; a frame is never earlier than the one before.
            time = time if time > last else last + step
            last = time
            if damages:  # told at once: who stops early would never hear of it
                self.damage = self._damage(damages, number, last - first)
            elif marks:
                marks.add(number, raw, time)
            if number >= start:
                yield VideoFrame(number, time - first, self._image(raw))
            number += 1
        self.damage = self._damage(damages, number, last - first)
        if not number:
            raise VideoError(f"No frame of {self.path} can be decoded.", "a video that plays", _DO)
        return None

    def _image(self, raw: Any) -> UInt8:
        width, height = self.image_size
        # Shrink before turning: the file may be stored on its side.
        stored = (height, width) if orientation(raw).transposed else (width, height)
        return orientation(raw).apply(_rgb(raw, stored))

    def _damage(self, problems: list[str], count: int, seconds: float) -> str | None:
        if problems:
            return f"{len(problems)} part(s) could not be decoded ({problems[0]}); {count} frames could."
        # A few frames less than announced are common: edit lists, a wrong header, the last frame's own duration.
        if self.frame_count:
            early = count < self.frame_count * 0.95 - 2
            return f"The file ends early: {count} of {self.frame_count} frames." if early else None
        if self.duration_s and seconds < self.duration_s * 0.95 - 0.5:
            return f"The file ends early: {seconds:.1f} of {self.duration_s:.1f} s."
        return None


def open_video(path: str | Path, max_side: int = MAX_SIDE) -> Video:
    """Open a video and make sure that a first frame can be decoded.

    Args:
        max_side: frames with a longer side are shrunk to it while decoding.

    Raises:
        VideoError: no such file, empty, not a video, no picture in it, or not one frame that can be decoded.
    """
    path = find_path(path)
    _check_file(path)
    with _open_container(path) as container:
        stream, raws = _decoding(container, path, [])
        raw = next(raws, None)
        if raw is None:
            raise VideoError(f"No frame of {path} can be decoded.", "a video that plays", _DO)
        width, height = _shown_size(raw, stream)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        return Video(
            path=path,
            width=width,
            height=height,
            scale=min(1.0, max_side / max(width, height)),
            rate=Fraction(rate) if 0 < rate < 1000 else Fraction(25),
            frame_count=stream.frames or None,
            duration_s=_duration(container, stream),
        )


def _picture(container: Any, path: Path) -> Any:
    """The first stream of moving pictures; the cover of a song is a video stream too, of one frame, and no video."""
    from av.stream import Disposition

    moving = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not moving:
        cover = " (only a cover)" if container.streams.video else ""
        raise VideoError(
            f"{path} has sound but no picture{cover}.", "a file with a video stream", "choose another file"
        )
    return moving[0]


def _duration(container: Any, stream: Any) -> float | None:
    """Seconds from the first frame to the end of the picture, as the file states them; None when it does not say."""
    # Matroska states only the whole file's length; its usual writers add a tag with each stream's end.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        start = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
        seconds = int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - start
    elif stream.duration:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration and len(container.streams) == 1:  # else the sound may be what is longer
        seconds = container.duration / 1e6
    else:
        return None
    return seconds if seconds > 0 else None


def _shown_size(raw: Any, stream: Any) -> tuple[int, int]:
    aspect = stream.sample_aspect_ratio
    # Only the width is stretched, and only where the file really says so (0 means unknown).
    stretch = float(aspect) if aspect and 0.2 < aspect < 5 else 1.0
    width, height = max(1, round(raw.width * stretch)), raw.height
    return (height, width) if orientation(raw).transposed else (width, height)


def _rgb(raw: Any, size: tuple[int, int]) -> UInt8:
    shrinks = size[0] < raw.width or size[1] < raw.height
    how = "AREA" if shrinks else "BICUBIC"
    converted = raw.reformat(width=size[0], height=size[1], format="rgb24", interpolation=how)
    return np.asarray(converted.to_ndarray(), np.uint8)


def _decoding(container: Any, path: Path, damages: list[str]) -> tuple[Any, Iterator[Any]]:
    """The stream of moving pictures and its frames, none of them read yet."""
    stream = _picture(container, path)
    stream.thread_type = "AUTO"
    return stream, _decoded(container, stream, damages)


def _decoded(container: Any, stream: Any, damages: list[str]) -> Iterator[Any]:
    """Frames of a stream in order of showing; what cannot be decoded is left out and noted in `damages`."""
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError as error:
            damages.append(_reason(error))
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except FFmpegError as error:
            damages.append(_reason(error))
            continue
        yield from frames


def _check_file(path: Path) -> None:
    try:
        exists, size = path.exists(), path.stat().st_size if path.is_file() else 0
    except OSError as error:  # a name that is too long, a folder one may not look into
        raise VideoError(
            f"{path} cannot be read: {error.strerror}.", "the path of a video file", "check the path and its rights"
        ) from error
    if not exists:
        raise VideoError(missing(path), "the path of a video file", "check the spelling")
    if path.is_dir():
        raise VideoError(f"{path} is a folder, not a file.", "the path of a video file", "name a file in that folder")
    if not path.is_file():
        raise VideoError(f"{path} is not a file.", "the path of a video file", "save it as a file first")
    if size == 0:
        raise VideoError(f"{path} is empty (0 bytes).", "a video file", "copy or download it again")


def _open_container(path: Path) -> Any:
    try:
        import av
    except ImportError as error:  # pragma: no cover  (av is a core dependency)
        raise VideoError("The package 'av' cannot be imported.", "PyAV", "pip install av") from error
    try:
        # Without the option a name such as a%d.jpg would stand for a row of pictures.
        return av.open(ffmpeg_url(path), options={"pattern_type": "none"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path} cannot be read as video: {_reason(error)}.",
            "any format FFmpeg reads (mp4, mov, mkv, webm, avi, ...)",
            f"{_DO}; an mp4 cut off while copying or recording has lost its index at the end: copy it again",
        ) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
