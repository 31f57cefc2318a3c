"""Decoding what a reader found: the pictures of a stretch of video or of a sequence, upright."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fer_zoo.data.sources import Source
from fer_zoo.errors import VideoError
from fer_zoo.landmarks.base import UInt8
from fer_zoo.video.reader import VideoFrame, open_video


def pictures(source: Source, root: Path, fps: float = 25.0, damage: list[str] | None = None) -> Iterator[VideoFrame]:
    """Decode the pictures of a source, upright, cut to its region and to its frames; numbers and times start at 0.

    Args:
        fps: taken for the rate of a sequence that has none.
        damage: gets a text if a video ends early.

    Raises:
        VideoError: a file is no picture or video, something of the stretch cannot be decoded, or there is none.
    """
    start, end = source.frames or (0, None)
    first: float | None = None
    for number, frame in enumerate(islice(_all_pictures(source, root, fps, damage), start, end)):
        first = frame.time_s if first is None else first
        image = np.rot90(frame.image, -source.rotate)
        yield VideoFrame(number, frame.time_s - first, np.ascontiguousarray(_region(image, source.region)))
    if first is None:
        raise VideoError(f"{source.key}: no frame between {source.frames}.", "a stretch with frames", "check the range")


def _all_pictures(source: Source, root: Path, fps: float, damage: list[str] | None) -> Iterator[VideoFrame]:
    if source.fps is not None or len(source.files) != 1:
        for number, file in enumerate(source.files):
            yield VideoFrame(number, number / (source.fps or fps), _image(root / file))
        return
    video = open_video(root / source.files[0])
    for frame in video.frames():
        if video.damage:
            # Without the frames that are lost, what follows would seem to follow at once.
            raise VideoError(
                f"{video.path}: {video.damage}", "a video that decodes", "mend it, or use the frames before the damage"
            )
        yield frame
    if video.damage and damage is not None:
        damage.append(video.damage)


def _image(path: Path) -> UInt8:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path} cannot be read: {error}", "a picture", "check the file") from error


def _region(image: UInt8, region: tuple[float, float, float, float] | None) -> UInt8:
    if region is None:
        return image
    height, width = image.shape[:2]
    x, y, w, h = region
    return image[round(y * height) : round((y + h) * height), round(x * width) : round((x + w) * width)]
