"""Reading a store: any clip through a memory map."""

from __future__ import annotations

import functools
import hashlib
import mmap
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_zoo.data.clips import NO_SUBJECT, ClipSet, Frames, Index
from fer_zoo.data.store.files import (
    check_header,
    check_length,
    damaged,
    read_failures,
    read_header,
    read_index,
)
from fer_zoo.data.store.fits import EXACT, differences
from fer_zoo.data.store.members import FRAMES, POINTS, SCORES, array_forms, from_jpeg, jpeg_suffixes
from fer_zoo.data.store.records import (
    ClipFacts,
    Failure,
    ShardIndex,
    StoredClip,
    StoreHeader,
    header_path,
    tar_path,
)
from fer_zoo.errors import InputError
from fer_zoo.paths import find_path
from fer_zoo.specs import ComponentSpec, InputSpec

# Each open map holds a file handle, of which a process has some thousand.
_OPEN_MAPS = 128


def open_store(folder: str | Path) -> Store:
    """Open a finished clip store; reads its indexes, checks that store.json matches them, and reads no clip.

    Raises:
        InputError: no store, an unfinished or damaged one, one of another format version, or a shard is missing.
    """
    folder = find_path(folder)
    header = read_header(folder)
    shards = [read_index(folder, entry.number, entry.index_sha256) for entry in header.shards]
    check_header(folder, header, shards)
    return Store(folder, header, [index for index, _ in shards])


class Store:
    """Clips of a finished store, numbered from 0 in the order of the shards. May be sent to other processes.

    header: the content of store.json. facts: what is known of each clip, by number.
    """

    def __init__(self, folder: Path, header: StoreHeader, shards: Sequence[ShardIndex]) -> None:
        self.folder, self.header, self._shards = folder, header, tuple(shards)
        self._ends = list(accumulate(len(shard.clips) for shard in shards))
        self.facts: tuple[ClipFacts, ...] = tuple(facts for shard in shards for facts in shard.facts)
        self._map = functools.lru_cache(_OPEN_MAPS)(self._open_map)

    def __reduce__(self) -> tuple[object, ...]:
        return Store, (self.folder, self.header, self._shards)

    def __len__(self) -> int:
        return len(self.facts)

    def __getitem__(self, rows: Index, /) -> Frames:
        """Frames of the clips `rows` (n,), as a clip set reads them."""
        return self.arrays(rows, FRAMES)

    def labels(self) -> tuple[str, ...]:
        """Labels that occur, sorted."""
        return tuple(sorted(self.header.labels))

    def subjects(self) -> tuple[str, ...]:
        """Names of the subjects, sorted: a subject's number in a clip set is its place here."""
        return tuple(sorted({clip.subject for clip in self.facts if clip.subject is not None}))

    def groupings(self) -> tuple[str, ...]:
        """Groupings that the database states, sorted, e.g. ("age", "sex")."""
        return tuple(sorted({name for clip in self.facts for name in clip.groups}))

    def failures(self) -> list[Failure]:
        """The content of failures.csv: sources that gave no clip, and other problems."""
        return read_failures(self.folder)

    def clip(self, number: int) -> StoredClip:
        """One clip. Its arrays are read-only views of the memory map, except JPEG frames: copy before changing them.

        Raises:
            InputError: no such clip, or its shard is damaged.
        """
        frames, landmarks, scores = (self._array(number, suffix) for suffix in (FRAMES, POINTS, SCORES))
        return StoredClip(self.facts[number], frames, landmarks, scores)

    def as_clip_set(self, labels: tuple[str, ...], rows: Index | None = None) -> ClipSet:
        """Clips for training: labels as numbers in the order of `labels`, landmarks in memory, frames read on demand.

        Clips of other labels are left out. A subject's number is its place in `subjects()`, -1 where it is unknown.

        Args:
            rows: numbers (n,) of the clips to use, in this order; None for all.

        Raises:
            InputError: there is no clip of a number.
        """
        every = range(len(self)) if rows is None else [int(row) for row in rows]
        if outside := [row for row in every if not 0 <= row < len(self)]:
            raise InputError(f"Clip {outside[0]} of a store of {len(self)}.", f"0 to {len(self) - 1}")
        kept = [row for row in every if self.facts[row].label in labels]
        number = {name: place for place, name in enumerate(self.subjects())}
        facts = [self.facts[row] for row in kept]
        chosen = f"{self.header.fingerprint} {labels} {kept}"
        return ClipSet(
            frames=self,
            rows=np.array(kept, np.int64),
            landmarks=self.arrays(kept, POINTS),
            labels=np.array([labels.index(clip.label) for clip in facts], np.int64),
            subjects=np.array([number.get(clip.subject or "", NO_SUBJECT) for clip in facts], np.int64),
            takes=np.array([clip.take for clip in facts], np.int64),
            names=tuple(labels),
            fingerprint=hashlib.sha256(chosen.encode()).hexdigest(),
            keys=tuple(clip.key for clip in facts),
            videos=tuple(clip.video or clip.key for clip in facts),
            subject_names={place: name for name, place in number.items()},
            exact=self.header.detector.name == EXACT,
            stores=frozenset([self.header.fingerprint]),
            groups={name: tuple(clip.groups.get(name, "") for clip in facts) for name in self.groupings()},
            intensities=_intensities(facts, self.header.frames),
        )

    def check_fits(self, spec: InputSpec, detector: ComponentSpec) -> list[str]:
        """Return why a network with this input and detector cannot use the store, one text per reason.

        Clips may be longer, sharper or cut wider than the network needs, since training crops them by their landmarks.
        """
        return differences(self.header, spec, detector)

    def verify(self) -> None:
        """Read every shard and compare its sha256; compare the lines of failures.csv with store.json.

        Raises:
            InputError: a shard is damaged or missing, or failures.csv does not match.
        """
        if (failures := len(self.failures())) != self.header.failures:
            reason = f"it states {self.header.failures} failures, failures.csv has {failures}"
            raise damaged(header_path(self.folder), reason)
        for shard in self._shards:
            check_length(self.folder, shard)
            path = tar_path(self.folder, shard.number)
            with path.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != shard.tar_sha256:
                    raise damaged(path, "its sha256 is not the one in its index")

    def _find(self, number: int) -> tuple[ShardIndex, int]:
        if not 0 <= number < len(self):
            raise InputError(f"Clip {number} of a store of {len(self)}.", f"0 to {len(self) - 1}")
        after = bisect_right(self._ends, number)
        shard = self._shards[after]
        return shard, number - self._ends[after] + len(shard.clips)

    def _open_map(self, number: int) -> memoryview:
        path = tar_path(self.folder, number)
        (shard,) = (shard for shard in self._shards if shard.number == number)
        # Reading past the end of a mapped file that was truncated would kill the process.
        check_length(self.folder, shard)
        try:
            with path.open("rb") as stream:
                return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise damaged(path, str(error), "missing") from error

    def _array(self, number: int, suffix: str) -> npt.NDArray[Any]:
        shard, place = self._find(number)
        block, members = self._map(shard.number), shard.clips[place].members
        form = array_forms(shard.frames, shard.size)[suffix]
        try:
            if suffix in members:
                return form.view(block, members[suffix][0])
            frames = np.empty(form.shape, np.uint8)
            for name, out in zip(jpeg_suffixes(shard.frames), frames, strict=True):
                offset, size = members[name]
                from_jpeg(block[offset : offset + size], out)
            return frames
        except ValueError as error:
            path = tar_path(self.folder, shard.number)
            raise damaged(path, f"clip {shard.facts[place].key}: {error}") from error

    def arrays(self, rows: Iterable[int], suffix: str) -> npt.NDArray[Any]:
        """One kind of array of some clips, by the suffix of its member, as a new array with a row for each clip.

        Raises:
            InputError: no such clip, or its shard is damaged.
        """
        numbers, form = list(rows), array_forms(self.header.frames, self.header.size)[suffix]
        out = np.empty((len(numbers), *form.shape), form.dtype)
        for place, number in enumerate(numbers):
            out[place] = self._array(int(number), suffix)
        return out


def _intensities(facts: Sequence[ClipFacts], frames: int) -> npt.NDArray[np.float32] | None:
    known = [clip.intensity for clip in facts if clip.intensity is not None]
    return np.array(known, np.float32).reshape(-1, frames) if len(known) == len(facts) else None
