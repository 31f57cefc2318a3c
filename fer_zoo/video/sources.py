"""Everything that frames can come from, opened alike: files, folders of frames, arrays, iterators, webcams, streams."""

from __future__ import annotations

import glob
import itertools
import os
import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image, ImageOps

from fer_zoo.errors import InputError, VideoError
from fer_zoo.landmarks.base import UInt8
from fer_zoo.paths import find_path, missing, natural
from fer_zoo.video.decode import Decoding, choose_streams, reason
from fer_zoo.video.picture import read_picture
from fer_zoo.video.reader import MAX_SIDE, Video, VideoFrame, check_rate, open_video, stream_rate
from fer_zoo.video.seek import Marks
from fer_zoo.video.upright import noted, orientation, shown_size

VIDEOS = frozenset(
    f".{ending}"
    for ending in (
        "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "m2ts", "wmv", "asf", "flv", "ogv",
        "3gp", "mxf", "gif", "y4m",
    )
)  # fmt: skip
PICTURES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm"))
ACCEPTED = (
    "a video or image file, a folder of frames, a webcam's number, a URL (rtsp, http, https, udp, rtp), an array uint8 "
    "(T, H, W, 3), or an iterable of frames uint8 (H, W, 3)"
)
_SCHEMES = frozenset({"http", "https", "rtsp", "rtsps", "rtmp", "udp", "rtp", "tcp", "srt"})
_ALWAYS_LIVE = _SCHEMES - {"http", "https"}
# Streams that are published as files of some seconds each.
_SEGMENTED = frozenset({"hls", "dash"})
_ASSUMED_RATE = 25
# Seconds to wait for a server, and then for each packet.
_TIMEOUT = (10.0, 10.0)


def open_source(source: Any, *, max_side: int = MAX_SIDE, fps: float | None = None) -> Video:
    """Open a source of frames; `Video.live` says whether it is live, `Video.once` whether it can be read only once.

    Args:
        source: the path of a video, of an image or of a folder of images (in natural order of their names); the number
            of a webcam; a URL; an array uint8 (T, H, W, 3) or one image (H, W, 3), RGB; an iterable of such images; an
            opened `Video`.
        max_side: frames of files and streams with a longer side are shrunk to it.
        fps: frames per second; needed where the source has no times of its own, else 25 is assumed, with a note.

    Raises:
        VideoError: it cannot be opened. InputError: another type of source. OptionError: `fps` is not a rate.
    """
    check_rate(fps)
    if isinstance(source, Video):
        return source
    if isinstance(source, bool) or source is None or isinstance(source, bytes | dict):
        raise _unknown(source)
    if isinstance(source, int) or (
        isinstance(source, str) and re.fullmatch(r"\d{1,3}", source) and not os.path.exists(source)
    ):
        return _connect(int(source), max_side, fps)
    if isinstance(source, str) and is_url(source):
        return _connect(source, max_side, fps)
    if isinstance(source, str | Path):
        path = find_path(source)
        return _open_folder(path, fps) if os.path.isdir(path) else open_video(path, max_side, fps)
    if isinstance(source, np.ndarray):
        images = source[None] if source.ndim == 3 else source
        if images.ndim != 4 or not len(images):
            raise _unknown(source, f"An array of shape {source.shape}")
        return _open_images(Path("array"), lambda: iter(images), len(images), fps)
    if isinstance(source, Iterator):
        return _open_images(Path("frames"), lambda: source, None, fps, once=True)
    if isinstance(source, Iterable):
        return _open_images(Path("frames"), lambda: iter(source), None, fps)
    raise _unknown(source)


def is_url(text: str) -> bool:
    """Return whether a text is the address of a stream."""
    return text.partition("://")[0].lower() in _SCHEMES and "://" in text


def find_sources(given: Iterable[str]) -> list[str | Path]:
    """Return the sources that arguments name: patterns and folders give their videos (recursively, sorted), once each.

    A folder that holds images and no videos is one source; a webcam's number or a URL is returned as it is.

    Raises:
        VideoError: a folder without videos, or a pattern that nothing matches.
    """
    found: list[str | Path] = []
    for text in given:
        path = find_path(text)
        if is_url(text) or (text.isdecimal() and not os.path.exists(path)):
            found.append(text)
        elif os.path.isdir(path):
            found += _in_folder(path)
        elif any(mark in text for mark in "*?[") and not os.path.exists(path):
            names = sorted(glob.glob(text, recursive=True))
            if not names:
                given_text = f"No file matches {text}."
                raise VideoError(given_text, "a pattern such as 'videos/*.mp4'", "check the spelling")
            for name in names:
                found += _in_folder(Path(name)) if os.path.isdir(name) else [Path(name)]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _in_folder(folder: Path) -> list[Path]:
    inside = sorted(path for path in folder.rglob("*") if os.path.isfile(path) and not path.name.startswith("."))
    # Results that an earlier run wrote beside the videos are not videos to predict on.
    videos = [p for p in inside if p.suffix.lower() in VIDEOS and not os.path.exists(p.parent / "timeline.png")]
    if videos:
        return videos
    if any(path.suffix.lower() in PICTURES and path.parent == folder for path in inside):
        return [folder]
    raise _empty(folder)


@dataclass
class Images(Video):
    """Frames that are in memory, in a folder, or given one by one; `assumed_rate`: their rate was not given."""

    images: Callable[[], Iterator[UInt8]] = lambda: iter(())
    assumed_rate: bool = False

    def frames(self, start: int = 0, marks: Marks | None = None) -> Generator[VideoFrame, None, None]:
        """Yield the images from number `start` on; those of another shape are centred on black.

        Raises:
            InputError: an image is not uint8 (H, W, 3).
        """
        shape = (self.height, self.width)
        for number, image in enumerate(self.images()):
            before, shape = shape, _checked(image, number).shape[:2]
            if shape != (self.height, self.width):
                text = f"The shape of the picture changes at frame {number}; it is shown whole, on black."
                self.notes = noted(self.notes, text)
                size, bicubic = (self.width, self.height), Image.Resampling.BICUBIC
                image = np.asarray(ImageOps.pad(Image.fromarray(image), size, bicubic), np.uint8)
            if number >= start:
                yield VideoFrame(number, float(number / self.rate), image, reshaped=shape != before)


@dataclass
class Stream(Video):
    """A webcam or an address, connected to once: its frames can be read once.

    Attributes:
        bursts: a live stream whose frames come many at a time, ahead of their times.
    """

    decoding: Any = None
    first: Any = None
    bursts: bool = False

    def frames(self, start: int = 0, marks: Marks | None = None) -> Generator[VideoFrame, None, None]:
        """Decode until the stream ends; if it breaks off, `damage` says so.

        Raises:
            VideoError: it was read before.
        """
        decoding, self.decoding = self.decoding, None
        if decoding is None:
            raise VideoError(f"{self.path} was read to its end.", "a stream that is read once", "open it again")
        with decoding:
            raws = itertools.chain([self.first], decoding.running)
            self.first = None
            yield from self._walk(decoding, raws, 0, start, None)


def _open_images(
    path: Path, images: Callable[[], Iterator[UInt8]], count: int | None, fps: float | None, *, once: bool = False
) -> Images:
    notes: tuple[str, ...] = ()
    if assumed := fps is None:
        notes = (f"The frames have no times of their own; {_ASSUMED_RATE} frames per second were assumed.",)
    made = images()
    first = next(made, None)
    if first is None:
        raise VideoError(f"{path} has no frames.", "at least one frame", "check where the frames come from")
    height, width = _checked(first, 0).shape[:2]
    again: Callable[[], Iterator[UInt8]] = (lambda: itertools.chain([first], made)) if once else images
    rate = Fraction(fps or _ASSUMED_RATE).limit_denominator(1001)
    return Images(
        path, width, height, 1.0, rate, count, counted=True, notes=notes, once=once, images=again, assumed_rate=assumed
    )


def _open_folder(folder: Path, fps: float | None) -> Images:
    files = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
    if not files:
        raise _empty(folder)
    files.sort(key=lambda path: natural(path.name))

    return _open_images(folder, lambda: map(read_picture, files), len(files), fps)


def _connect(source: int | str, max_side: int, fps: float | None) -> Stream:
    """Connect to the webcam of a number, or to an address."""
    import av

    form, scheme, options = None, "", {}
    if isinstance(source, int):
        name, form = {
            "darwin": (str(source), "avfoundation"),
            "win32": (f"video={source}", "dshow"),
        }.get(sys.platform, (f"/dev/video{source}", "v4l2"))
        there = ", ".join(sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*")))
        path, what = Path(f"camera{source}"), f"Camera {source}"
        accepted = f"the number of a connected camera (here: {there or 'none found'})"
        do = "connect it, close other programs that use it, or name a file"
    else:
        name, scheme, what = source, source.partition("://")[0].lower(), f"The stream {source}"
        accepted = "the address of a running stream or of a video file"
        do = "check the address and that the server runs; a player such as ffplay opens the same addresses"
        try:
            parts = urlsplit(source)
        except ValueError as error:  # such as a bracket that is not closed
            raise VideoError(f"{what} cannot be opened: {error}.", accepted, do) from error
        path = Path(PurePosixPath(parts.path).name or parts.hostname or "stream")
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    if scheme in _ALWAYS_LIVE:
        # Microseconds to find the streams, which delay the first frame. A UDP buffer that overflows loses frames; by
        # default it would end the stream.
        options |= {"analyzeduration": "1000000", "overrun_nonfatal": "1"}
    try:
        container = av.open(name, format=form, options=options, timeout=_TIMEOUT, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{what} cannot be opened: {reason(error)}.", accepted, do) from error
    bursts = container.duration is None and container.format.name in _SEGMENTED
    endless = bursts or (container.duration is None and container.size <= 0)
    live = form is not None or scheme in _ALWAYS_LIVE or endless
    try:
        decoding = Decoding(container, choose_streams(container, path)[0])
        if live:  # decoding several frames at a time would hold back as many
            decoding.stream.thread_type = "SLICE"
        first = next(decoding.frames(), None)
        if first is None:
            why = decoding.problems[0] if decoding.problems else "it sends no picture"
            raise VideoError(f"{what} cannot be opened: {why}.", accepted, do)
    except BaseException:
        container.close()
        raise
    width, height = shown_size(first, decoding.aspect, orientation(first))
    scale, rate = min(1.0, max_side / max(width, height)), Fraction(fps or stream_rate(decoding))
    return Stream(
        path,
        width,
        height,
        scale,
        rate,
        None,
        decoding.stream.index,
        counted=fps is not None,
        live=live,
        once=True,
        decoding=decoding,
        first=first,
        bursts=bursts,
    )


def _checked(image: Any, number: int) -> UInt8:
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        what = f"of type {image.dtype} and shape {image.shape}" if isinstance(image, np.ndarray) else f"a {type(image)}"
        raise InputError(f"Frame {number} is {what}.", "uint8 (H, W, 3), RGB", "convert it to RGB with values 0 to 255")
    return image


def _empty(folder: Path) -> VideoError:
    if not os.path.exists(folder):
        return VideoError(missing(folder), "a folder of videos or of frames", "check the spelling")
    if any(path.suffix.lower() in VIDEOS for path in folder.rglob("*")):
        given = f"{folder} is a folder of videos, not one video."
        return VideoError(given, ACCEPTED, "call it for each file, or use `fer-zoo predict FOLDER`")
    given = f"The folder {folder} holds no videos and no images."
    return VideoError(given, f"videos ({' '.join(sorted(VIDEOS))}) or images", "name another folder")


def _unknown(source: Any, what: str | None = None) -> InputError:
    given = what or f"A source of type {type(source).__name__}"
    return InputError(f"{given} cannot be read as video.", ACCEPTED, "pass one of these")
