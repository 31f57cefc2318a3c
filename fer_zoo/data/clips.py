"""Labelled clips of faces, held in memory or read from files as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fer_zoo.errors import InputError

Frames = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


class FrameStore(Protocol):
    """What gives the frames of clips by number; a plain (N, T, S, S, 3) array does."""

    def __getitem__(self, rows: Index, /) -> Frames:
        """Frames of the clips `rows` (n,) as a new (n, T, S, S, 3) array."""
        ...


@dataclass(frozen=True)
class FrameFiles:
    """Frames in many `.npy` files, each (n, T, S, S, 3); read when asked for, so that a set may exceed the memory."""

    files: tuple[Path, ...]
    rows_per_file: int

    def __getitem__(self, rows: Index, /) -> Frames:
        return np.stack([self._read(int(row)) for row in rows])

    def _read(self, row: int) -> Frames:
        file, place = divmod(row, self.rows_per_file)
        try:
            # Opened anew each time (some 50 us): thousands of open maps would run into the limit of file handles.
            return np.asarray(np.load(self.files[file], mmap_mode="r")[place], np.uint8)
        except (OSError, ValueError) as error:
            raise InputError(
                f"The clips in {self.files[file]} cannot be read: {error}.",
                "a file of the clip cache as it was written",
                "delete the file; it is made again at the next start",
            ) from error


@dataclass(frozen=True)
class ClipSet:
    """Clips with landmarks, label numbers and subjects; a subset shares the frames.

    frames: store of (N', T, S, S, 3) uint8 RGB; `rows` (N,) says which of its clips are in the set.
    landmarks: (N, T, 68, 2) float32, pixels of the stored frames. labels, subjects, takes: (N,) int64.
    names: label names in the order of the label numbers. fingerprint: changes when the content may have.
    """

    frames: FrameStore
    rows: Index
    landmarks: Points
    labels: Index
    subjects: Index
    takes: Index
    names: tuple[str, ...]
    fingerprint: str = ""

    def __post_init__(self) -> None:
        sizes = {len(a) for a in (self.rows, self.landmarks, self.labels, self.subjects, self.takes)}
        if len(sizes) != 1:
            raise InputError(f"A clip set with columns of {sorted(sizes)} clips.", "columns of one length")

    @classmethod
    def from_arrays(
        cls, frames: Frames, landmarks: Points, labels: Sequence[int] | Index, subjects: Sequence[int] | Index,
        names: Sequence[str], takes: Sequence[int] | Index | None = None,
    ) -> ClipSet:  # fmt: skip
        """Make a set of clips that are in memory; shapes as in the class, raises InputError if they disagree."""
        count = len(frames)
        shown = [np.asarray(c, np.int64) for c in (labels, subjects, np.zeros(count) if takes is None else takes)]
        points = np.asarray(landmarks, np.float32)
        return cls(frames, np.arange(count), points, shown[0], shown[1], shown[2], names=tuple(names))

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, clips: Index) -> Frames:
        """Frames (n, T, S, S, 3) of the clips with these numbers (n,) in the set."""
        return self.frames[self.rows[clips]]

    def take(self, clips: Index) -> ClipSet:
        """The set of just these clips, in this order."""
        columns = {key: getattr(self, key)[clips] for key in ("rows", "landmarks", "labels", "subjects", "takes")}
        return replace(self, **columns)

    def of_subjects(self, first: int, end: int) -> ClipSet:
        """The clips of subjects first <= subject < end."""
        return self.take(np.flatnonzero((self.subjects >= first) & (self.subjects < end)))

    def clip_id(self, clip: int) -> str:
        """Words that name one clip in a message."""
        return f"subject {self.subjects[clip]} {self.names[self.labels[clip]]} take {self.takes[clip]}"


@dataclass(frozen=True)
class ClipRequest:
    """What a training asks of a dataset; the first parameter of every dataset factory.

    subjects: half-open range. frames, fps, canvas (side in pixels): of the stored clips.
    """

    labels: tuple[str, ...]
    subjects: tuple[int, int]
    takes: int
    frames: int
    fps: float
    canvas: int
    cache: Path
    workers: int = 1
