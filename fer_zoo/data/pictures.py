"""Decoding what a reader found: the pictures of a stretch of video or of a sequence, upright."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from fer_zoo.data.sources import Source
from fer_zoo.errors import FerZooError, VideoError
from fer_zoo.video.picture import read_picture
from fer_zoo.video.reader import VideoFrame, open_video
from fer_zoo.video.seek import Marks


def pictures(source: Source, root: Path, fps: float = 25.0, damage: list[str] | None = None) -> Iterator[VideoFrame]:
    """Decode the pictures of a source, upright, cut to its region and to its frames; numbers and times start at 0.

    Args:
        fps: taken for the rate of a sequence that has none.
        damage: gets a text if a video, or the stretch, ends early.

    Raises:
        VideoError: a file is no picture or video, something of the stretch cannot be decoded, pictures of a sequence
            differ in size, or there is none.
    """
    start, end = source.frames or (0, None)
    first, number = 0.0, -1
    stretch = islice(_decoded(source, root, fps, damage), end and end - start)
    for number, frame in enumerate(stretch):
        first = first if number else frame.time_s
        image = np.rot90(frame.image, -source.rotate)
        x, y, width, height = source.region or (0, 0, 1, 1)
        rows, columns = image.shape[:2]
        image = image[round(y * rows) : round((y + height) * rows), round(x * columns) : round((x + width) * columns)]
        yield VideoFrame(number, frame.time_s - first, np.ascontiguousarray(image), frame.reshaped)
    if number < 0:
        raise VideoError(f"{source.key}: no frame between {source.frames}.", "a stretch with frames", "check the range")
    if end and damage is not None and number + 1 < end - start:
        damage.append(f"it is to end at frame {end}, but there are only {start + number + 1} frames")


def _decoded(source: Source, root: Path, fps: float, damage: list[str] | None) -> Iterator[VideoFrame]:
    """All frames from the stretch's first on; whatever decoders raise for a broken file becomes VideoError."""
    is_video = source.fps is None and len(source.files) == 1
    try:
        yield from _of_video(source, root, damage) if is_video else _of_sequence(source, root, source.fps or fps)
    except FerZooError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise VideoError(f"{source.key} cannot be decoded: {error}", "files that decode", "check them") from error


def _of_video(source: Source, root: Path, damage: list[str] | None) -> Iterator[VideoFrame]:
    path, start = root / source.files[0], source.frames[0] if source.frames else 0
    video = open_video(path)
    for frame in video.frames(start, _marks(path, path.stat().st_mtime_ns) if start else None):
        if video.damage:
            # Without the frames that are lost, what follows would seem to follow at once.
            raise VideoError(
                f"{video.path}: {video.damage}",
                "a video that decodes",
                "repair it, or use the frames before the damage",
            )
        yield frame
    if video.damage and damage is not None:
        damage.append(video.damage)


# Stretches of one file come one after the other. A file that has changed is another.
@functools.lru_cache(maxsize=4)
def _marks(path: Path, changed: int) -> Marks:
    return Marks()


def _of_sequence(source: Source, root: Path, fps: float) -> Iterator[VideoFrame]:
    start, shape = source.frames[0] if source.frames else 0, None
    for number, file in islice(enumerate(source.files), start, None):
        image = read_picture(root / file)
        shape = shape or image.shape
        if image.shape != shape:
            size, before = (f"{width} x {height}" for height, width, _ in (image.shape, shape))
            raise VideoError(
                f"{root / file} has {size} pixels, the pictures before it {before}.",
                "pictures of one size in a sequence",
                "take the one that is none of them out of the folder, or bring all to one size",
            )
        yield VideoFrame(number, number / fps, image)
