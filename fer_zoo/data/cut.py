"""From a labelled stretch of video to clips: decode, find and follow the face, sample in time, crop.

The pictures are decoded twice, once to follow the face and once to cut it out: what a long video holds would not fit
into the memory, and finding faces costs far more than decoding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_zoo.data.landmark_cache import tracks_of
from fer_zoo.data.pictures import pictures
from fer_zoo.data.sources import Source
from fer_zoo.errors import NoFaceError, VideoError
from fer_zoo.landmarks.base import Box, Floats, Landmarker, UInt8
from fer_zoo.specs import ComponentSpec, CropSpec
from fer_zoo.specs.base import AboveZero, Positive, Share, Spec
from fer_zoo.stopwatch import stage, staged
from fer_zoo.video.crop import Placement, crop_clip, place_crop
from fer_zoo.video.sample import sample_frames, spread_frames
from fer_zoo.video.smooth import smooth_points
from fer_zoo.video.track import FaceTrack

N = TypeVar("N", bound=np.generic)


class CutSpec(Spec):
    """How clips are made of a video; all of it is written into the store."""

    frames: Positive = 10
    """Frames of a clip."""
    sampling: Literal["dense", "uniform"] = "dense"
    """Clips one after another at `fps`, or one clip of a whole stretch, its frames spread evenly over it."""
    fps: AboveZero = 25.0
    """Frames per second that clips are sampled at."""
    sequence_fps: AboveZero | None = None
    """Frames per second of image sequences whose rate the reader does not know; default: `fps`."""
    canvas: Positive = 128
    """Side in pixels of the stored frames."""
    crop: CropSpec = CropSpec()
    """How the face is cut out."""
    margin: Annotated[float, Field(ge=1, le=3, strict=True)] = 1.3
    """The stored frames show this many times the crop's side, so that training can turn, shift and scale the crop."""
    detector: ComponentSpec = ComponentSpec(name="fz68")
    """The landmarker, a registered component."""
    face: Literal["largest", "central", "all"] = "largest"
    """Which face is the one, where there are several; or clips of every face that is seen for the length of a clip."""
    faces: Share = 0.5
    """Least share of a clip's frames in which its face must be found; clips with less are left out and counted."""
    short: Literal["refuse", "repeat", "pad"] = "refuse"
    """A stretch with fewer frames than a clip: an error, its last frame is repeated, or black ones without a face."""
    smooth: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.0
    """Landmarks are smoothed over time by a bell with this standard deviation in seconds; 0 leaves them as detected."""

    @property
    def unknown_fps(self) -> float:
        """The rate of a sequence that has none: by default every frame is taken."""
        return self.sequence_fps or self.fps

    @property
    def stored_crop(self) -> CropSpec:
        """What the stored frames show: the crop and the margin round it, about the same centre."""
        wider = {"scale": self.crop.scale * self.margin, "shift_up": self.crop.shift_up / self.margin}
        return self.crop.model_copy(update=wider)


@dataclass(frozen=True)
class Cut:
    """One clip of a source.

    frames: uint8 (T, S, S, 3), RGB. landmarks: float32 (T, 68, 2) in pixels of the frames, NaN without a face. scores:
    float32 (T,), the landmarker's. box: what the frames show, in pixels of the (upright) picture; None where they were
    turned upright one by one. numbers: of the source's frames, T or fewer: the rest is filled. face, number: the
    face, and the clip's number among those of the face. fps: frames per second, the mean where they are spread.
    """

    frames: UInt8
    landmarks: Floats
    scores: Floats
    box: Box | None
    numbers: tuple[int, ...]
    face: int
    number: int
    fps: float


class Window(NamedTuple):
    """A clip to be cut: the face, the clip's number among those of the face, its frames in the stretch, and where."""

    face: int
    number: int
    frames: list[int]
    where: Placement


@dataclass(frozen=True)
class Found:
    """Which faces are where in a source.

    tracks: a face each, by number. windows: the clips of each face, in order. brief: faces seen for less than a
    clip. faceless: clips left out because a face is in too few of their frames. damage: what was wrong with the file
    although there are clips, or that the stretch ends early.
    """

    tracks: list[FaceTrack]
    windows: list[list[Window]]
    brief: int
    faceless: int
    damage: str | None


def find_windows(source: Source, root: Path, spec: CutSpec, landmarker: Landmarker, cache: Path | None = None) -> Found:
    """Follow the faces of a source and choose its clips, each face's without overlap; what is left over is not used.

    Args:
        cache: folder of landmarks that were found before, and are kept for other stores.

    Raises:
        VideoError: a file cannot be read, or the stretch is too short and `spec.short` refuses that.
        NoFaceError: there is no clip with a face in enough frames.
    """
    with stage("detect"):
        tracks, damage = tracks_of(
            source, root, landmarker, detector=spec.detector, face=spec.face, fps=spec.unknown_fps, folder=cache
        )
    with stage("points"):
        tracks = [
            replace(track, landmarks=smooth_points(track.landmarks, track.times, spec.smooth)) for track in tracks
        ]
    if not any(track.found.any() for track in tracks):
        raise _faceless(source, "in any frame")
    chosen = _chosen(tracks[0].times, spec, source)
    seen = [_seen(track, chosen) for track in tracks] if spec.face == "all" else [chosen]
    windows = [
        _windows(face, frames, tracks[face], spec) if len(frames) >= min(spec.frames, len(chosen)) else []
        for face, frames in enumerate(seen)
    ]
    if not any(windows):
        raise _faceless(source, "for the length of a clip" if spec.face == "all" else "in any clip")
    brief = sum(not clips for clips in windows)
    enough = [[clip for clip in clips if _share(clip, tracks) >= spec.faces] for clips in windows]
    if not any(enough):
        best = max(_share(clip, tracks) for clips in windows for clip in clips)
        raise _faceless(source, f"in {spec.faces:.0%} of the frames of any clip, in {best:.0%} at most")
    return Found(tracks, enough, brief, sum(map(len, windows)) - sum(map(len, enough)), next(iter(damage), None))


def cut_windows(source: Source, root: Path, spec: CutSpec, found: Found) -> Iterator[Cut]:
    """Cut out what was found; clips come in the order in which they end."""
    first = source.frames[0] if source.frames else 0
    waiting = [deque(clips) for clips in found.windows if clips]
    wanted = {number for clips in found.windows for window in clips for number in window.frames}
    held: dict[int, UInt8] = {}  # the pictures of unfinished clips: those of a whole video would not fit
    for frame in staged("decode", pictures(source, root, spec.unknown_fps)):
        if frame.index in wanted:
            held[frame.index] = frame.image
        for clips in waiting:
            while clips and clips[0].frames[-1] == frame.index:
                window = clips.popleft()
                yield _cut(window, held, found.tracks[window.face], spec, first)
        waiting = [clips for clips in waiting if clips]
        if not waiting:
            return
        needed = min(clips[0].frames[0] for clips in waiting)
        held = {number: image for number, image in held.items() if number >= needed}


def _cut(window: Window, held: dict[int, UInt8], track: FaceTrack, spec: CutSpec, first: int) -> Cut:
    with stage("crop"):
        numbers = window.frames
        frames, points = crop_clip([held[n] for n in numbers], track.landmarks[numbers], window.where, spec.canvas)
        whole = _filled(frames, spec), _filled(points, spec), _filled(track.scores[numbers], spec)
    seconds = float(np.ptp(track.times[numbers]))
    fps = spec.fps if spec.sampling == "dense" or not seconds else round((len(numbers) - 1) / seconds, 3)
    return Cut(*whole, window.where.box, tuple(first + n for n in numbers), window.face, window.number, fps)


def _filled(array: NDArray[N], spec: CutSpec) -> NDArray[N]:
    """The array with as many rows as a clip has frames."""
    rows = [(0, spec.frames - len(array)), *[(0, 0)] * (array.ndim - 1)]
    if spec.short == "repeat":
        return np.pad(array, rows, mode="edge")
    return np.pad(array, rows, constant_values=0 if array.dtype == np.uint8 else np.nan)


def _chosen(times: NDArray[np.float64], spec: CutSpec, source: Source) -> list[int]:
    """Frames nearest to ticks of `spec.fps`, of the source's part; all frames where clips are spread over them."""
    if spec.sampling == "uniform":
        return list(range(len(times)))
    chosen = [int(number) for number in sample_frames(times, spec.fps)]
    if len(chosen) < spec.frames and spec.short == "refuse":
        raise VideoError(
            f"{source.key}: {len(chosen)} frames at {spec.fps:g} a second, a clip has {spec.frames}.",
            f"{spec.frames} frames or more, or `short`: repeat or pad",
            "repeat the last frame (--set short=repeat), or make clips shorter",
        )
    if source.part == "all":
        return chosen
    rest = max(0, len(chosen) - spec.frames)
    first = rest if source.part == "last" else rest // 2
    return chosen[first : first + spec.frames]


def _seen(track: FaceTrack, chosen: list[int]) -> list[int]:
    """Of the frames `chosen`, those from a face's first to its last."""
    first, last = np.flatnonzero(track.found)[[0, -1]]
    return [number for number in chosen if first <= number <= last]


def _windows(face: int, frames: list[int], track: FaceTrack, spec: CutSpec) -> list[Window]:
    whole = max(len(frames) // spec.frames, 1) * spec.frames
    parts = [frames[at : at + spec.frames] for at in range(0, min(whole, len(frames)), spec.frames)]
    if spec.sampling == "uniform":
        parts = [[frames[place] for place in spread_frames(len(frames), spec.frames)]]
    placed = [place_crop(track.landmarks[part], spec.stored_crop) for part in parts]
    return [Window(face, at, part, where) for at, (part, where) in enumerate(zip(parts, placed, strict=True)) if where]


def _share(window: Window, tracks: list[FaceTrack]) -> float:
    """Share of a clip's frames in which its face was found."""
    return float(tracks[window.face].found[window.frames].mean())


def _faceless(source: Source, where: str) -> NoFaceError:
    return NoFaceError(
        f"{source.key}: no face was found {where}.",
        "a face in at least the share `faces` of a clip's frames",
        "look at the file; another detector or its threshold may find it, or take clips with less: --set faces=0",
    )
