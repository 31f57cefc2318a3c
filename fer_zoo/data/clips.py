"""Labelled clips of faces, held in memory or read from files as they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fer_zoo.errors import InputError

Frames = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


# Subject number of a clip whose subject is unknown.
NO_SUBJECT = -1
# The grouping of clips of several databases; no reader may have one of this name.
DATABASE = "database"
# The grouping of rendered subjects that have the skin of one photograph: splits keep each of its groups in one part.
PHOTO = "photo"


class FrameStore(Protocol):
    """What gives the frames of clips by number; a plain (N, T, S, S, 3) array does."""

    def __getitem__(self, rows: Index, /) -> Frames:
        """Frames of the clips `rows` (n,) as a new (n, T, S, S, 3) array."""
        ...


@dataclass(frozen=True)
class ClipSet:
    """Clips with landmarks, label numbers and subjects; a subset shares the frames.

    frames: store of (N', T, S, S, 3) uint8 RGB; `rows` (N,) says which of its clips are in the set.
    landmarks: (N, T, 68, 2) float32, pixels of the stored frames. labels, subjects, takes: (N,) int64.
    names: label names in the order of the label numbers. fingerprint: changes when the content may have.
    keys: (N,) what each clip is called in its store; none for clips that were made on demand. videos: (N,) the labelled
    video that it was cut of. subject_names: of subjects by number, where they have names. exact: whether landmarks
    are a renderer's truth rather than what a detector found; training makes exact ones as inexact as a detector's.
    stores: fingerprints of the stores that the clips are of. groups: for each grouping, e.g. "age", the group of each
    clip (N,), "" where unknown. intensities: (N, T) true strength of a rendered expression, 0..1; None where unknown.
    """

    frames: FrameStore
    rows: Index
    landmarks: Points
    labels: Index
    subjects: Index
    takes: Index
    names: tuple[str, ...]
    fingerprint: str = ""
    keys: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    subject_names: Mapping[int, str] = field(default_factory=dict)
    exact: bool = False
    stores: frozenset[str] = frozenset()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    intensities: Points | None = None

    def __post_init__(self) -> None:
        sizes = {len(a) for a in (self.rows, self.landmarks, self.labels, self.subjects, self.takes)}
        sizes |= {len(names) for names in (self.keys, self.videos) if names}
        sizes |= {len(names) for names in self.groups.values()}
        sizes |= set() if self.intensities is None else {len(self.intensities)}
        if len(sizes) != 1:
            raise InputError(f"A clip set with columns of {sorted(sizes)} clips.", "columns of one length")

    @classmethod
    def joined(cls, parts: Sequence[ClipSet]) -> ClipSet:
        """The clips of several sets one after the other; subjects of two sets are different subjects.

        Raises:
            InputError: clips of other sizes, other labels, or exact landmarks beside a detector's.
        """
        kinds = {(part.landmarks.shape[1:], part.names, part.exact) for part in parts}
        if len(kinds) != 1:
            raise InputError(
                f"Sets of clips that differ in their frames, labels or kind of landmarks: {sorted(map(str, kinds))}.",
                "clips of one length, labels in one order, all landmarks a detector's or none",
                "prepare the databases with the same settings",
            )
        subjects, first = [], 0
        intensities = [part.intensities for part in parts if part.intensities is not None]
        subject_names: dict[int, str] = {}
        for part in parts:
            subject_names |= {number + first: name for number, name in part.subject_names.items()}
            subjects.append(np.where(part.subjects == NO_SUBJECT, NO_SUBJECT, part.subjects + first))
            first += int(part.subjects.max(initial=-1)) + 1
        return cls(
            frames=JoinedFrames(tuple(parts)),
            rows=np.arange(sum(map(len, parts))),
            landmarks=np.concatenate([part.landmarks for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
            subjects=np.concatenate(subjects),
            takes=np.concatenate([part.takes for part in parts]),
            names=parts[0].names,
            fingerprint=" ".join(part.fingerprint for part in parts),
            keys=tuple(key for part in parts for key in part.keys),
            videos=tuple(video for part in parts for video in part.videos),
            subject_names=subject_names,
            exact=parts[0].exact,
            stores=frozenset().union(*(part.stores for part in parts)),
            groups={
                name: tuple(group for part in parts for group in part.groups.get(name, ("",) * len(part)))
                for name in sorted({name for part in parts for name in part.groups})
            },
            intensities=np.concatenate(intensities) if len(intensities) == len(parts) else None,
        )

    @classmethod
    def from_arrays(
        cls,
        frames: Frames,
        landmarks: Points,
        labels: Sequence[int] | Index,
        subjects: Sequence[int] | Index,
        names: Sequence[str],
        takes: Sequence[int] | Index | None = None,
        *,
        exact: bool = False,
    ) -> ClipSet:
        """Make a set of clips that are in memory; shapes as in the class, raises InputError if they disagree."""
        count = len(frames)
        shown = [np.asarray(c, np.int64) for c in (labels, subjects, np.zeros(count) if takes is None else takes)]
        points = np.asarray(landmarks, np.float32)
        rows = np.arange(count)
        return cls(frames, rows, points, shown[0], shown[1], shown[2], names=tuple(names), exact=exact)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, clips: Index) -> Frames:
        """Frames (n, T, S, S, 3) of the clips with these numbers (n,) in the set."""
        return self.frames[self.rows[clips]]

    def take(self, clips: Index) -> ClipSet:
        """The set of just these clips, in this order."""
        columns = {key: getattr(self, key)[clips] for key in ("rows", "landmarks", "labels", "subjects", "takes")}
        keys, videos = (tuple(names[int(n)] for n in clips) if names else () for names in (self.keys, self.videos))
        groups = {name: tuple(of[int(n)] for n in clips) for name, of in self.groups.items()}
        intensities = None if self.intensities is None else self.intensities[clips]
        return replace(self, **columns, keys=keys, videos=videos, groups=groups, intensities=intensities)

    def of_subjects(self, first: int, end: int) -> ClipSet:
        """The clips of subjects first <= subject < end."""
        return self.take(np.flatnonzero((self.subjects >= first) & (self.subjects < end)))

    def subject_of(self, clip: int) -> str:
        """Name of a clip's subject, its number where it has none, "" where it is unknown."""
        number = int(self.subjects[clip])
        return "" if number == NO_SUBJECT else self.subject_names.get(number, f"{number:06d}")

    def key(self, clip: int) -> str:
        """What a clip is called in tables: in its store, or as a store of these clips would call it."""
        made = f"{self.subject_of(clip)}/{self.names[self.labels[clip]]}/{self.takes[clip]:03d}"
        return self.keys[clip] if self.keys else made


@dataclass(frozen=True)
class JoinedFrames:
    """Frames of several sets as if they were one's; all frames are of one size."""

    parts: tuple[ClipSet, ...]

    def __getitem__(self, rows: Index, /) -> Frames:
        ends = np.cumsum([len(part) for part in self.parts])
        owners = np.searchsorted(ends, rows, side="right")
        starts = ends - [len(part) for part in self.parts]
        clips = [
            self.parts[part].read(np.array([row - starts[part]]))[0] for part, row in zip(owners, rows, strict=True)
        ]
        return np.stack(clips)


@dataclass(frozen=True)
class ClipRequest:
    """The clips that training or `prepare` wants; the first parameter of every factory of a dataset that makes clips.

    subjects: half-open range. frames, fps, canvas (side in pixels): of the stored clips. cache: folder where clips may
    be kept for later; None: make them in memory. workers: processes that may make them.
    """

    labels: tuple[str, ...]
    subjects: tuple[int, int]
    takes: int
    frames: int
    fps: float
    canvas: int
    cache: Path | None = None
    workers: int = 1
