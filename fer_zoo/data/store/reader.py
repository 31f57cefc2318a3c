"""Reading a store: its JSON files and the lengths of its tars are checked, then any clip comes through a memory map."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import mmap
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_zoo.csv_cells import from_cell
from fer_zoo.data.clips import NO_SUBJECT, ClipSet, Frames, Index
from fer_zoo.data.store.fits import EXACT
from fer_zoo.data.store.members import FRAMES, POINTS, SCORES, array_forms, from_jpeg, jpeg_suffixes
from fer_zoo.data.store.records import (
    FAILURES,
    FORMAT,
    HEADER,
    ClipFacts,
    ClipRecord,
    Failure,
    ShardEntry,
    ShardIndex,
    StoredClip,
    StoreHeader,
    index_path,
    tar_path,
)
from fer_zoo.documents import LARGEST_JSON, DocumentError, read_bytes
from fer_zoo.errors import InputError
from fer_zoo.files import sha256
from fer_zoo.paths import find_path

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
        self._clips = [(shard, clip) for shard in shards for clip in shard.clips]
        self.facts: tuple[ClipFacts, ...] = tuple(clip.facts for _, clip in self._clips)
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
        kept = [row for row in every if self._find(row)[1].facts.label in labels]
        number = {name: place for place, name in enumerate(self.subjects())}
        facts = [self.facts[row] for row in kept]
        strengths = [clip.intensity for clip in facts if clip.intensity is not None]
        all_known = len(strengths) == len(facts)
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
            intensities=np.array(strengths, np.float32).reshape(-1, self.header.frames) if all_known else None,
        )

    def verify(self) -> None:
        """Read every shard and compare its sha256; compare the lines of failures.csv with store.json.

        Raises:
            InputError: a shard is damaged or missing, or failures.csv does not match.
        """
        if (failures := len(self.failures())) != self.header.failures:
            reason = f"it states {self.header.failures} failures, failures.csv has {failures}"
            raise damaged(self.folder / HEADER, reason)
        for shard in self._shards:
            check_length(self.folder, shard)
            path = tar_path(self.folder, shard.number)
            if sha256(path) != shard.tar_sha256:
                raise damaged(path, "its sha256 is not the one in its index")

    def _find(self, number: int) -> tuple[ShardIndex, ClipRecord]:
        if not 0 <= number < len(self):
            raise InputError(f"Clip {number} of a store of {len(self)}.", f"0 to {len(self) - 1}")
        return self._clips[number]

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
        shard, clip = self._find(number)
        block, form = self._map(shard.number), array_forms(shard.frames, shard.size)[suffix]
        try:
            if suffix in clip.members:
                return form.view(block, clip.members[suffix][0])
            frames = np.empty(form.shape, np.uint8)
            for picture, out in zip(self.jpegs(number), frames, strict=True):
                from_jpeg(picture, out)
            return frames
        except ValueError as error:
            raise damaged(tar_path(self.folder, shard.number), f"clip {clip.facts.key}: {error}") from error

    def jpegs(self, number: int) -> list[memoryview]:
        """JPEG files of the frames of a clip; of a store in which frames are JPEG.

        Raises:
            InputError: no such clip, or its shard is damaged.
        """
        shard, clip = self._find(number)
        block = self._map(shard.number)
        spans = [clip.members[name] for name in jpeg_suffixes(shard.frames)]
        return [block[offset : offset + size] for offset, size in spans]

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


def is_begun(folder: Path) -> bool:
    """Whether there is a store, or shards of one that was not finished."""
    return os.path.exists(folder / HEADER) or (os.path.isdir(folder / "shards") and any((folder / "shards").glob("*")))


def read_header(folder: Path) -> StoreHeader:
    """The content of store.json; `check_header` compares it with the shards.

    Raises:
        InputError: there is no store, it is unfinished, of another format version, or store.json is damaged.
    """
    path = folder / HEADER
    try:
        text = read_bytes(path, LARGEST_JSON)
    except DocumentError as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        if is_begun(folder):
            raise InputError(
                f"The clip store {folder} is unfinished: it has shards, but no {path.name} that can be read.",
                "a store whose preparation has finished",
                "prepare it again with the same settings; finished shards are kept",
            ) from error
        raise InputError(
            f"There is no clip store in {folder}: {error.strerror or error}.",
            f"a folder with {path.name} and shards/, as `fer-zoo prepare` makes it",
            "check the path, or prepare the dataset into it",
        ) from error
    try:
        version = json.loads(text)["format"]  # labels may have characters that `parse_json` refuses
        if version == FORMAT:
            return StoreHeader.model_validate_json(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path, str(error)) from error
    raise InputError(
        f"The clip store {folder} has format version {version}.",
        f"format version {FORMAT}",
        "read it with the version of fer_zoo that wrote it, or prepare it again into another folder",
    )


def counted(shards: Sequence[tuple[ShardIndex, str]]) -> dict[str, Any]:
    """What store.json states of its shards, computed from their indexes and the sha256 of each index."""
    clips = [clip.facts for index, _ in shards for clip in index.clips]
    return {
        "clips": len(clips),
        "labels": dict(sorted(Counter(clip.label for clip in clips).items())),
        "subjects": len({clip.subject for clip in clips} - {None}),
        "shards": tuple(ShardEntry(number=i.number, clips=len(i.clips), index_sha256=sha) for i, sha in shards),
        "fingerprint": hashlib.sha256("".join(sha for _, sha in shards).encode()).hexdigest(),
    }


def check_header(folder: Path, header: StoreHeader, shards: Sequence[tuple[ShardIndex, str]]) -> None:
    """Raise InputError unless store.json states of its shards what their indexes say."""
    path = folder / HEADER
    for name, found in counted(shards).items():
        if (stated := getattr(header, name)) != found:
            detail = f" ({stated}, not {found})" if isinstance(found, int) else ""
            raise damaged(path, f"its {name} are not those of the shards that it names{detail}")
    kind = (header.encoding, header.frames, header.size)
    for index, _ in shards:
        if index.clips and (found := (index.encoding, index.frames, index.size)) != kind:
            raise damaged(path, f"it states clips of (encoding, frames, size) {kind}, the shards hold {found}")


def damaged(path: Path, reason: str, state: str = "damaged") -> InputError:
    """The error for a file of a store that is not as it was written, or is missing."""
    return InputError(
        f"{path} is {state}: {reason}.",
        "the files of a store as `fer-zoo prepare` wrote them, a .tar and a .json for each shard",
        f"copy the store again, or delete {path.with_suffix('.json').name} and prepare again; other shards are kept",
    )


def read_index(folder: Path, number: int, digest: str | None = None) -> tuple[ShardIndex, str]:
    """The index of a shard, whose tar file exists with the stated length, and the index's sha256.

    Raises:
        InputError: the index is missing, damaged, not the one with this `digest`, or does not match its tar file.
    """
    path = index_path(folder, number)
    try:
        text = read_bytes(path, LARGEST_JSON)
    except DocumentError as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise damaged(path, error.strerror or str(error), "missing") from error
    found = hashlib.sha256(text).hexdigest()
    if digest not in (None, found):
        raise damaged(path, f"its sha256 is {found[:12]}, the store's header says {str(digest)[:12]}")
    try:
        index = ShardIndex.model_validate_json(text)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if index.number != number:
        raise damaged(path, f"it is the index of shard {index.number}")
    check_length(folder, index)
    return index, found


def read_failures(folder: Path) -> list[Failure]:
    """Sources that gave no clip, and other problems; none if there is no failures.csv.

    Raises:
        InputError: failures.csv cannot be read, or has a line that is not a source, a reason and a number of clips.
    """
    path = folder / FAILURES
    if not os.path.exists(path):
        return []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        return [Failure(from_cell(source), from_cell(reason), int(clips)) for source, reason, clips in rows[1:]]
    except (ValueError, OSError, csv.Error) as error:
        raise InputError(
            f"{path} is damaged: {error}.", f"lines of {', '.join(Failure._fields)}", "delete it and prepare again"
        ) from error


def check_length(folder: Path, index: ShardIndex) -> None:
    """Raise InputError unless the shard's tar file exists with the length that its index states."""
    tar = tar_path(folder, index.number)
    try:
        length = tar.stat().st_size
    except OSError as error:
        raise damaged(tar, error.strerror or str(error), "missing") from error
    if length != index.tar_bytes:
        raise damaged(tar, f"it has {length} bytes, its index says {index.tar_bytes}")
