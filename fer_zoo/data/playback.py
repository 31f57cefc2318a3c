"""Which frames of longer stored clips the network sees: where its window starts, how fast it runs, which way.

Frames and landmarks are always taken by the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_zoo.data.clips import ClipSet, Index
from fer_zoo.errors import InputError
from fer_zoo.specs import AugmentSpec, InputSpec
from fer_zoo.video.crop import faces_in
from fer_zoo.video.sample import spread_frames


def random_frames(
    columns: Sequence[npt.NDArray[Any]],
    length: int,
    augment: AugmentSpec,
    rng: np.random.Generator | Sequence[np.random.Generator],
    sampling: str = "dense",
) -> list[npt.NDArray[Any]]:
    """Cut the same random window of `length` frames from each column of clips (B, F, ...): frames, landmarks, ...

    By default the frames follow one another as they are stored; with another `sampling` (`InputSpec`) they are spread
    over the whole clip. A window without a face is moved to the nearest frame with one. Nothing is drawn that leaves no
    choice: neither a start where clips are as long as the window, nor for options that are off. `rng` is one that all
    clips draw from, or one for each clip, which then gives the same window of it beside any others.

    Raises:
        InputError: the stored clips are shorter than the window, or than the largest stride needs.
    """
    clips, stored = columns[0].shape[:2]
    if isinstance(rng, np.random.Generator):
        numbers = _frame_numbers(clips, stored, length, augment, rng, sampling)
    else:
        numbers = np.concatenate([_frame_numbers(1, stored, length, augment, own, sampling) for own in rng])
    if np.array_equal(numbers, np.broadcast_to(np.arange(stored), (clips, stored))):
        return list(columns)
    _move_to_faces(numbers, faces_in(columns[1]))
    return [column[np.arange(clips)[:, None], numbers] for column in columns]


def _move_to_faces(numbers: Index, faces: npt.NDArray[np.bool_]) -> None:
    """Move the frames (clips, length) of clips that show no face, in place; `faces` (clips, stored): where one is."""
    for clip in np.flatnonzero(~np.take_along_axis(faces, numbers, axis=1).any(axis=1) & faces.any(axis=1)):
        apart = np.flatnonzero(faces[clip])[:, None] - numbers[clip]
        numbers[clip] = np.clip(numbers[clip] + apart.flat[np.abs(apart).argmin()], 0, faces.shape[1] - 1)


def _frame_numbers(
    clips: int, stored: int, length: int, augment: AugmentSpec, rng: np.random.Generator, sampling: str
) -> Index:
    """Numbers of the frames (clips, length) that each clip shows, in the order in which it shows them."""
    if sampling == "dense":
        numbers = _window(clips, stored, length, augment, rng)
    else:
        random = sampling == "segments" and stored > length
        numbers = spread_frames(stored, length, rng.random((clips, length)) if random else np.full((clips, 1), 0.5))
    if augment.frame_jitter:
        moved = rng.random(numbers.shape) < augment.frame_jitter
        step = rng.choice((-1, 1), numbers.shape)
        numbers = np.sort(np.clip(numbers + moved * step, 0, stored - 1), axis=1)
    if augment.reverse:
        backwards = rng.random(clips) < augment.reverse
        numbers[backwards] = numbers[backwards, ::-1]
    if augment.still:
        repeated = rng.random(clips) < augment.still
        one = rng.integers(0, length, clips)
        numbers[repeated] = numbers[repeated, one[repeated], None]
    return numbers


def central_frames(clips: ClipSet, spec: InputSpec) -> ClipSet:
    """Return the clips cut to the frames of their only view: the middle ones, or the middle one of each part."""
    return with_frames(clips, view_frames(clips.landmarks.shape[1], spec)[0])


def view_frames(stored: int, spec: InputSpec, count: int = 1) -> list[Index]:
    """Frame numbers (frames,) of up to `count` views of stored clips, evenly spaced; views that coincide count once.

    They are windows, or frames of all parts. If there are no more than `spec.frames`, all of them are one view.
    """
    spare = stored - spec.frames
    if spare <= 0:
        return [np.arange(stored)]
    if spec.sampling == "dense":
        starts = [view * spare // (count - 1) for view in range(count)] if count > 1 else [spare // 2]
        views = [start + np.arange(spec.frames) for start in starts]
    else:
        views = [spread_frames(stored, spec.frames, (view + 0.5) / count) for view in range(count)]
    return list({tuple(view): view for view in views}.values())


def with_frames(clips: ClipSet, numbers: Index) -> ClipSet:
    """Return the clips cut to the frames of these numbers, moved to a face where they show none; the same if all."""
    if len(numbers) == clips.landmarks.shape[1]:
        return clips
    rows, shown = np.arange(len(clips)), np.tile(numbers, (len(clips), 1))
    _move_to_faces(shown, faces_in(clips.landmarks))
    frames = np.concatenate([clips.read(rows[clip : clip + 1])[:, shown[clip]] for clip in rows])
    at = rows[:, None], shown
    intensities = None if clips.intensities is None else clips.intensities[at]
    return replace(clips, frames=frames, rows=rows, landmarks=clips.landmarks[at], intensities=intensities)


def _window(clips: int, stored: int, length: int, augment: AugmentSpec, rng: np.random.Generator) -> Index:
    """Frame numbers (clips, length), evenly spaced and rising."""
    # A single frame is taken at no speed.
    stride = augment.stride if length > 1 else 1
    needed = (length - 1) * stride + 1
    if stored < needed:
        raise InputError(
            f"Clips of {stored} frames for a network of {length}" + (f" at stride {stride}." if stride > 1 else "."),
            f"stored clips of {needed} frames or more",
            "store longer clips" + (" or lower augment.stride" if stride > 1 else ""),
        )
    steps = rng.integers(1, stride + 1, clips) if stride > 1 else np.ones(clips, np.int64)
    spare = stored - 1 - (length - 1) * steps
    first = rng.integers(0, spare + 1) if spare.any() else np.zeros(clips, np.int64)
    return first[:, None] + steps[:, None] * np.arange(length)
