"""Clip sets: columns stay together, subsets are by subject, frames in files read like frames in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fer_zoo.data.clips import ClipSet
from fer_zoo.errors import InputError


def clip_set(count: int = 6) -> ClipSet:
    frames = np.random.default_rng(0).integers(0, 256, (count, 2, 4, 4, 3), np.uint8)
    landmarks = np.arange(count * 2 * 68 * 2, dtype=np.float32).reshape(count, 2, 68, 2)
    return ClipSet.from_arrays(frames, landmarks, np.arange(count) % 2, np.arange(count) // 2 + 10, ("a", "b"))


def test_subset_by_subject_keeps_the_columns_together() -> None:
    clips = clip_set()
    part = clips.of_subjects(11, 12)
    assert list(part.subjects) == [11, 11]
    np.testing.assert_array_equal(part.landmarks, clips.landmarks[2:4])
    np.testing.assert_array_equal(part.read(np.array([1, 0])), clips.read(np.array([3, 2])))
    assert part.key(1) == "000011/b/000"
    assert len(clips.of_subjects(0, 10)) == 0


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match="one length"):
        ClipSet.from_arrays(np.zeros((2, 1, 4, 4, 3), np.uint8), np.zeros((2, 1, 68, 2)), [0], [0, 1], ("a", "b"))


def test_groups_stay_with_their_clips() -> None:
    """In a subset, and where sets are joined of which one names nothing."""
    named = replace(clip_set(), groups={"sex": ("f", "f", "m", "m", "", "")})
    assert named.take(np.array([3, 0])).groups == {"sex": ("m", "f")}
    both = ClipSet.joined([clip_set(2), named.of_subjects(11, 13)])
    assert both.groups == {"sex": ("", "", "m", "m", "", "")}
    with pytest.raises(InputError, match="one length"):
        replace(clip_set(), groups={"sex": ("f",)})
