"""From a labelled stretch of video to clips: decode, find and follow the face, sample in time, crop.

The pictures are decoded twice, once to follow the face and once to cut it out: what a long video holds would not fit
into the memory, and finding faces costs far more than decoding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic import Field

from fer_zoo.data.sources import Source
from fer_zoo.errors import NoFaceError, VideoError
from fer_zoo.landmarks.base import Box, Floats, Landmarker, UInt8
from fer_zoo.specs import ComponentSpec, CropSpec
from fer_zoo.specs.base import AboveZero, Positive, Spec
from fer_zoo.video.crop import clip_box, crop_clip
from fer_zoo.video.reader import VideoFrame, open_video
from fer_zoo.video.sample import sample_frames
from fer_zoo.video.track import FaceTrack, Which, track_face


class CutSpec(Spec):
    """How clips are made of a video; all of it is written into the store."""

    frames: Positive = 10
    """Frames of a clip."""
    fps: AboveZero = 25.0
    """Frames a second that clips are sampled at; of a sequence without a known rate every frame is taken."""
    canvas: Positive = 128
    """Side in pixels of the stored frames."""
    crop: CropSpec = CropSpec()
    """How the face is cut out."""
    margin: Annotated[float, Field(ge=1, le=3, strict=True)] = 1.3
    """The stored frames show this many times the crop's side, so that training can turn, shift and scale the crop."""
    detector: ComponentSpec = ComponentSpec(name="dlib")
    """The landmarker, a registered component."""
    face: Which = "largest"
    """Which face is the one, where there are several."""
    short: Literal["refuse", "repeat"] = "refuse"
    """A stretch with fewer frames than a clip: an error, or its last frame is repeated."""


@dataclass(frozen=True)
class Cut:
    """One clip of a source.

    frames: uint8 (T, S, S, 3), RGB. points: float32 (T, 68, 2) in pixels of the frames, NaN without a face. scores:
    float32 (T,), the landmarker's. box: what the frames show, in pixels of the (upright) picture. numbers: (T,) of the
    source's frames. real: frames that are not repeated.
    """

    frames: UInt8
    points: Floats
    scores: Floats
    box: Box
    numbers: tuple[int, ...]
    real: int


def cut_source(source: Source, root: Path, spec: CutSpec, landmarker: Landmarker) -> list[Cut]:
    """Cut the clips of a source, one after the other without overlap; a rest shorter than a clip is left out.

    Raises:
        VideoError: a file cannot be read, or the stretch is too short and `spec.short` refuses that.
        NoFaceError: there is no face in any clip.
    """
    track = track_face(pictures(source, root, spec.fps), landmarker, which=spec.face)
    windows = sample(track.times, spec, source)
    boxes = [_box(track, window, spec) for window in windows]
    if not any(boxes):
        raise NoFaceError(
            f"{source.key}: no face was found in {len(track)} frames.",
            "a face in at least one frame of a clip",
            "look at the file; another detector or its threshold may find it",
        )
    first = source.frames[0] if source.frames else 0
    waiting = deque((window, box) for window, box in zip(windows, boxes, strict=True) if box)
    held: dict[int, UInt8] = {}  # the pictures of the clip in hand: those of a whole video would not fit
    cuts = []
    for frame in pictures(source, root, spec.fps):
        held[frame.index] = frame.image
        while waiting and frame.index == waiting[0][0][-1]:
            numbers, box = waiting.popleft()
            frames, points = crop_clip([held[n] for n in numbers], track.points[numbers], box, spec.canvas)
            real = len(set(numbers)) if spec.short == "repeat" else len(numbers)
            cuts.append(Cut(frames, points, track.scores[numbers], box, tuple(first + n for n in numbers), real))
        held = {n: image for n, image in held.items() if waiting and n >= waiting[0][0][0]}
    return cuts


def pictures(source: Source, root: Path, fps: float = 25.0) -> Iterator[VideoFrame]:
    """Decode the pictures of a source, upright, cut to its region and to its frames; numbers and times start at 0.

    `fps` is taken for the rate of a sequence that has none.

    Raises:
        VideoError: a file is missing, or is no picture or video.
    """
    start, end = source.frames or (0, None)
    first: float | None = None
    for number, frame in enumerate(islice(_all_pictures(source, root, fps), start, end)):
        first = frame.time_s if first is None else first
        image = np.rot90(frame.image, -source.rotate)
        yield VideoFrame(number, frame.time_s - first, np.ascontiguousarray(_region(image, source.region)))


def sample(times: NDArray[np.float64], spec: CutSpec, source: Source) -> list[list[int]]:
    """Choose the frames of each clip: those nearest to ticks of `spec.fps`, window after window.

    Args:
        times: seconds (N,), increasing from 0.

    Raises:
        VideoError: fewer frames than a clip, and `spec.short` is "refuse".
    """
    if not len(times):
        chosen: list[int] = []
    else:
        chosen = [int(number) for number in sample_frames(times, spec.fps)]
    if not chosen:
        raise VideoError(f"{source.key}: no frame between {source.frames}.", "a stretch with frames", "check the range")
    if len(chosen) < spec.frames:
        if spec.short == "refuse":
            raise VideoError(
                f"{source.key}: {len(chosen)} frames at {spec.fps:g} a second, a clip has {spec.frames}.",
                f"{spec.frames} frames or more, or `short: repeat`",
                "repeat the last frame (--set short=repeat), or make clips shorter",
            )
        chosen += [chosen[-1]] * (spec.frames - len(chosen))
    whole = len(chosen) // spec.frames * spec.frames
    return [chosen[at : at + spec.frames] for at in range(0, whole, spec.frames)]


def _box(track: FaceTrack, window: list[int], spec: CutSpec) -> Box | None:
    box = clip_box(track.points[window], spec.crop)
    if box is None:
        return None
    more = box.width * (spec.margin - 1) / 2
    return Box(box.x0 - more, box.y0 - more, box.x1 + more, box.y1 + more)


def _all_pictures(source: Source, root: Path, fps: float) -> Iterator[VideoFrame]:
    if source.fps is None and len(source.files) == 1:
        yield from open_video(root / source.files[0]).frames()
        return
    for number, file in enumerate(source.files):
        yield VideoFrame(number, number / (source.fps or fps), _image(root / file))


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
