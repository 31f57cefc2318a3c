"""Clip sets: columns stay together, subsets are by subject, frames in files read like frames in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_zoo.data.clips import ClipSet, FrameFiles
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
    assert part.clip_id(1) == "subject 11 b take 0"
    assert len(clips.of_subjects(0, 10)) == 0


def test_frames_in_files_read_like_frames_in_memory(tmp_path: Path) -> None:
    frames = clip_set().read(np.arange(6))
    files = tuple(tmp_path / f"{i}.npy" for i in range(3))
    for file, part in zip(files, np.split(frames, 3), strict=True):
        np.save(file, part)
    rows = np.array([5, 0, 3, 3])
    np.testing.assert_array_equal(FrameFiles(files, 2)[rows], frames[rows])


def test_a_lost_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.npy cannot be read"):
        FrameFiles((tmp_path / "gone.npy",), 1)[np.array([0])]


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
