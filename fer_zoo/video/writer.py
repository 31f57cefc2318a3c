"""Video out: RGB images to an H.264 file that every player shows, complete or not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fer_zoo.errors import FerZooError, InputError, VideoError
from fer_zoo.files import atomic_file
from fer_zoo.landmarks.base import UInt8
from fer_zoo.paths import ffmpeg_url
from fer_zoo.video.sound import Sound, open_sound

# H.264 first; builds of FFmpeg without it still have its own MPEG-4 encoder.
_CODECS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"crf": "20", "preset": "veryfast"}),
    ("libopenh264", {}),
    ("mpeg4", {"qmin": "2", "qmax": "6"}),
)
_LOSSLESS: tuple[str, dict[str, str]] = ("ffv1", {})
# Ticks a second: a multiple of the usual rates (also 30000/1001), and under MPEG-4's limit of 65535.
_CLOCK = 60_000


@contextmanager
def output_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary file that becomes `path` when the block ends well, as `files.atomic_file` does.

    Raises:
        VideoError: the folder does not exist or cannot be written to, or the disk is full.
    """
    try:
        with atomic_file(path) as temporary:
            yield temporary
    except FerZooError:  # says already what is wrong, and may be an OSError too
        raise
    except OSError as error:
        raise VideoError(
            f"{path} cannot be written: {error.strerror or error}.",
            "a writable folder with free disk space",
            "make room, or choose another folder",
        ) from error


class VideoWriter:
    """Encoder of one file; got from `write_video`."""

    def __init__(self, container: Any, rate: Fraction, *, lossless: bool = False, sound: Sound | None = None) -> None:
        self._sound = sound
        self._container, self._rate, self._lossless = container, rate, lossless
        self._stream: Any = None
        self._size = (0, 0)
        self._last_tick = -1
        self.frames = 0

    def add(self, image: UInt8, time_s: float | None = None) -> None:
        """Append an RGB image uint8 (H, W, 3), shown at `time_s` seconds; without a time, at the constant rate.

        An odd width or height loses its last column or row: H.264 with shared colour samples needs even sizes.

        Raises:
            InputError: the image is of another size than the first, smaller than 2 x 2, or no RGB image.
        """
        import av

        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 2:
            raise InputError(
                f"An image of type {image.dtype} and shape {image.shape}.", "uint8 (H, W, 3)", "convert it to RGB"
            )
        height, width = image.shape[:2] if self._lossless else (side // 2 * 2 for side in image.shape[:2])
        if self._stream is None:
            self._stream = _add_stream(self._container, self._rate, width, height, self._lossless)
            self._size = (width, height)
        if (width, height) != self._size:
            raise InputError(
                f"An image of {width} x {height} in a video of {self._size[0]} x {self._size[1]}.",
                "images of one size",
                "resize it first",
            )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
        seconds = self.frames / self._rate if time_s is None else time_s
        self._last_tick = max(round(seconds * _CLOCK), self._last_tick + 1)
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _CLOCK)
        if self._sound is not None:
            self._sound.write(float(seconds + 1 / self._rate))
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def finish(self) -> None:
        """Write what the encoder still holds.

        Raises:
            InputError: no frame was added.
        """
        if self._stream is None:
            raise InputError("A video without frames.", "one frame or more", "add images before the block ends")
        self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.finish()

    def close(self) -> None:
        """Let go of the encoder, whose threads end with the last reference to it; see `Decoding`."""
        self._container = self._stream = self._sound = None


@contextmanager
def write_video(
    path: str | Path, rate: Fraction | float, *, lossless: bool = False, sound: tuple[Path, int] | None = None
) -> Iterator[VideoWriter]:
    """Open a video file to add images to; it appears under its name only when the block ends without an error.

    Args:
        path: the suffix chooses the container (.mp4, .mkv, .mov).
        rate: frames per second; images added with their own time keep that time.
        lossless: the pixels read back are those written, to the bit; the file is large and needs the suffix .mkv.
        sound: a video whose sound is copied, up to the time of the last image, and the index of its video stream.

    Raises:
        VideoError: the file cannot be written, or no encoder is there.
    """
    import av

    rate = Fraction(rate).limit_denominator(1001 * 60)
    with output_file(path) as temporary:
        try:
            # faststart: the index stands in front, so that a browser can begin before it has everything.
            options = {"movflags": "+faststart"} if temporary.suffix.lower() in (".mp4", ".mov") else {}
            with (
                _container(temporary, options) as container,
                open_sound(container, *(sound or (None, 0))) as audio,
            ):
                writer = VideoWriter(container, rate, lossless=lossless, sound=audio)
                try:
                    yield writer
                    writer.finish()
                finally:
                    writer.close()
        except av.error.FFmpegError as error:
            raise VideoError(
                f"{path} cannot be written: {error.strerror or error}.",
                "a name that ends in .mp4, .mkv or .mov, in a folder with room on its disk",
                "make room, or choose another name or folder",
            ) from error


def _container(path: Path, options: dict[str, str]) -> Any:
    import av

    try:
        return av.open(ffmpeg_url(path), "w", options=options)
    except ValueError as error:
        given = "The ending of the video's name says no format that FFmpeg can write."
        raise VideoError(given, "a name that ends in .mp4, .mkv or .mov", "choose another name") from error


def _add_stream(container: Any, rate: Fraction, width: int, height: int, lossless: bool) -> Any:
    import av

    codecs = (_LOSSLESS,) if lossless else _CODECS
    known = [(name, options) for name, options in codecs if name in av.codecs_available]
    if not known:
        raise VideoError(
            "This build of PyAV has no video encoder.",
            "one of " + ", ".join(name for name, _ in codecs),
            "reinstall PyAV from its wheel: pip install --force-reinstall av",
        )
    name, options = known[0]
    stream = container.add_stream(name, rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "bgr0" if lossless else "yuv420p"
    stream.codec_context.time_base = Fraction(1, _CLOCK)
    return stream
