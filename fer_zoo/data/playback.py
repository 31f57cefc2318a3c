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
from fer_zoo.specs import AugmentSpec


def random_frames(
    columns: Sequence[npt.NDArray[Any]],
    length: int,
    augment: AugmentSpec,
    rng: np.random.Generator | Sequence[np.random.Generator],
) -> list[npt.NDArray[Any]]:
    """Cut the same random window of `length` frames from each column of clips (B, F, ...): frames, landmarks, ...

    By default the frames follow one another as they are stored. Nothing is drawn that leaves no choice: neither a start
    where clips are as long as the window, nor for options that are off. `rng` is one that all clips draw from, or one
    for each clip, which then gives the same window of it beside any others.

    Raises:
        InputError: the stored clips are shorter than the window, or than the largest stride needs.
    """
    clips, stored = columns[0].shape[:2]
    if isinstance(rng, np.random.Generator):
        numbers = _frame_numbers(clips, stored, length, augment, rng)
    else:
        numbers = np.concatenate([_frame_numbers(1, stored, length, augment, own) for own in rng])
    if np.array_equal(numbers, np.broadcast_to(np.arange(stored), (clips, stored))):
        return list(columns)
    return [column[np.arange(clips)[:, None], numbers] for column in columns]


def _frame_numbers(clips: int, stored: int, length: int, augment: AugmentSpec, rng: np.random.Generator) -> Index:
    """Numbers of the frames (clips, length) that each clip shows, in the order in which it shows them."""
    numbers = _window(clips, stored, length, augment, rng)
    if augment.frame_jitter:
        moved = rng.random(numbers.shape) < augment.frame_jitter
        step = rng.choice((-1, 1), numbers.shape)
        numbers = np.sort(np.clip(numbers + moved * step, 0, stored - 1), axis=1)
    if augment.reverse:
        backwards = rng.random(clips) < augment.reverse
        numbers[backwards] = numbers[backwards, ::-1]
    return numbers


def central_frames(clips: ClipSet, length: int) -> ClipSet:
    """Return the clips cut to their `length` middle frames; the same set if they have no more."""
    spare = clips.landmarks.shape[1] - length
    if spare <= 0:
        return clips
    kept = slice(spare // 2, spare // 2 + length)
    frames = np.concatenate([clips.read(np.array([clip]))[:, kept] for clip in range(len(clips))])
    intensities = None if clips.intensities is None else clips.intensities[:, kept]
    own = {"frames": frames, "rows": np.arange(len(clips)), "landmarks": clips.landmarks[:, kept]}
    return replace(clips, **own, intensities=intensities)


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
