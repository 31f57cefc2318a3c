"""Writing a store, one run at a time: shards, each complete or absent, and store.json at the end."""

from __future__ import annotations

import csv
import json
import os
import socket
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fer_zoo import errors
from fer_zoo._version import __version__
from fer_zoo.csv_cells import to_cell
from fer_zoo.data.store.members import FACTS, FRAMES, LANDMARKS, POINTS, SCORES, array_forms, jpeg_suffixes, to_jpeg
from fer_zoo.data.store.reader import counted, read_failures, read_index
from fer_zoo.data.store.records import (
    FAILURES,
    HEADER,
    ClipRecord,
    Encoding,
    Failure,
    ScoreSummary,
    ShardIndex,
    StoredClip,
    StoreFacts,
    StoreHeader,
    index_path,
    tar_path,
    to_json,
)
from fer_zoo.errors import InputError
from fer_zoo.files import clear_leftovers, locked, sha256, write_atomically, write_text

LOCK = "prepare.lock"


def write_shard(
    folder: str | Path,
    number: int,
    clips: Iterable[StoredClip],
    *,
    encoding: Encoding = "raw",
    to_jpegs: Callable[[StoredClip], Iterable[bytes]] = lambda clip: map(to_jpeg, clip.frames),
) -> ShardIndex:
    """Write one shard of a store; clips are taken one by one, and the same clips in the same order give the same bytes.

    The index comes last: killed at any moment, the shard is complete or does not count. An existing shard of that
    number is replaced.

    Args:
        to_jpegs: gives the JPEG files of a clip's frames, where they exist already.

    Raises:
        InputError: clips of different shapes, a duplicate key, or the folder is not writable.
    """
    folder = Path(folder)
    index = index_path(folder, number)
    records: list[ClipRecord] = []
    keys: set[str] = set()
    shape = [0, 0]

    def write(stream: BinaryIO) -> None:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for clip in clips:
                _check_clip(clip, shape, keys)
                records.append(_add(tar, clip, encoding, to_jpegs))

    with writing(folder):
        # An index must never be beside another tar than its own.
        index.unlink(missing_ok=True)
        tar = tar_path(folder, number)
        write_atomically(tar, write)
        length = tar.stat().st_size
        digest = sha256(tar)
    shard = ShardIndex(
        number=number,
        encoding=encoding,
        frames=shape[0],
        size=shape[1],
        tar_bytes=length,
        tar_sha256=digest,
        clips=tuple(records),
    )
    with writing(folder):
        write_text(index, to_json(shard))
    return shard


def finished_shards(folder: str | Path) -> list[ShardIndex]:
    """Return the complete shards, sorted by number; one whose writer was killed is not among them.

    Raises:
        InputError: an index is damaged, or its tar is missing or has the wrong length.
    """
    return [shard for shard, _ in _shards(Path(folder))]


def finish_store(folder: str | Path, facts: StoreFacts) -> StoreHeader:
    """Write store.json over all shards; only then is the folder a store. Call it again after adding shards.

    Raises:
        InputError: a number is missing, shards do not match the facts, two shards have the same key, or one is damaged.
    """
    folder = Path(folder)
    shards = _shards(folder)
    numbers = {shard.number for shard, _ in shards}
    tars = {int(path.stem) for path in folder.glob("shards/*.tar") if path.stem.isdigit()}
    if missing := sorted(set(range(max(numbers | tars, default=-1) + 1)) - numbers):
        raise InputError(
            f"Shards {', '.join(map(str, missing))} of {folder} are not finished.",
            "every shard from 0 on",
            "prepare again; finished shards are kept",
        )
    for shard, _ in shards:
        found, stated = (shard.encoding, shard.frames, shard.size), (facts.encoding, facts.frames, facts.size)
        if shard.clips and found != stated:
            raise InputError(
                f"Shard {shard.number} holds clips of (encoding, frames, size) {found}, the store's are {stated}.",
                "clips of one kind",
                "prepare into an empty folder",
            )
    every = [clip.facts for shard, _ in shards for clip in shard.clips]
    if duplicates := [key for key, count in Counter(clip.key for clip in every).items() if count > 1]:
        raise InputError(
            f"{len(duplicates)} clips are in two shards, such as {duplicates[0]}.",
            "unique keys",
            "prepare into an empty folder",
        )
    header = StoreHeader(
        **facts.model_dump(),
        fer_zoo=__version__,
        failures=len(read_failures(folder)),
        **counted(shards),
    )
    with writing(folder):
        write_text(folder / HEADER, to_json(header, indent=1))
        for place in (folder, folder / "shards"):
            clear_leftovers(place)
    return header


def write_failures(folder: str | Path, failures: Iterable[Failure]) -> None:
    """Write failures.csv, sorted; an existing one is replaced.

    Raises:
        InputError: the folder is not writable.
    """
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Failure._fields)
    table.writerows((to_cell(source), to_cell(reason), clips) for source, reason, clips in sorted(failures))
    with writing(Path(folder)):
        content = text.getvalue().encode("utf-8", "backslashreplace")
        write_atomically(Path(folder) / FAILURES, lambda stream: stream.write(content))


def _shards(folder: Path) -> list[tuple[ShardIndex, str]]:
    numbers = (int(path.stem) for path in folder.glob("shards/*.json") if path.stem.isdigit())
    return [read_index(folder, number) for number in sorted(numbers)]


def _check_clip(clip: StoredClip, shape: list[int], keys: set[str]) -> None:
    """Raise InputError for a clip that is incomplete, has another `shape` than the first, or one of the `keys`."""
    if clip.facts.key in keys:
        raise InputError(
            f"Two clips of a shard have the key {clip.facts.key}.", "unique keys", "number the clips of each source"
        )
    keys.add(clip.facts.key)
    frames, points, scores = clip.frames, clip.landmarks, clip.scores
    if not any(shape) and frames.ndim == 4 and frames.size:
        shape[:] = frames.shape[:2]
    length, size = shape
    fits = length > 0 and frames.shape == (length, size, size, 3) and frames.dtype == np.uint8
    fits = fits and points.shape == (length, LANDMARKS, 2) and scores.shape == (length,)
    if not fits or np.isinf(points).any():
        raise InputError(
            f"Clip {clip.facts.key} has frames {frames.dtype} {frames.shape}, points {points.shape} and scores "
            f"{scores.shape}.",
            f"uint8 ({length}, {size}, {size}, 3), finite or NaN ({length}, {LANDMARKS}, 2), ({length},)",
            "give every clip of a store the same number of square frames",
        )


def _add(
    tar: tarfile.TarFile, clip: StoredClip, encoding: Encoding, to_jpegs: Callable[[StoredClip], Iterable[bytes]]
) -> ClipRecord:
    length, size = clip.frames.shape[:2]
    arrays: dict[str, npt.NDArray[Any]] = {POINTS: clip.landmarks, SCORES: clip.scores}
    if encoding == "raw":
        arrays[FRAMES] = clip.frames
    forms = array_forms(length, size)
    content = {suffix: forms[suffix].to_npy(array) for suffix, array in arrays.items()}
    if encoding == "jpeg":
        content |= zip(jpeg_suffixes(length), to_jpegs(clip), strict=True)
    content[FACTS] = to_json(clip.facts).encode()
    # WebDataset reads what follows the first dot of a name as the kind of member.
    stem = clip.facts.key.replace(".", "%2E")
    members = {}
    for suffix, data in sorted(content.items()):
        # TarInfo's own defaults are mtime 0, uid 0, gid 0, no user, mode 0644.
        info = tarfile.TarInfo(f"{stem}.{suffix}")
        info.size = len(data)
        tar.addfile(info, BytesIO(data))
        blocks = -(-len(data) // tarfile.BLOCKSIZE)
        members[suffix] = (tar.offset - blocks * tarfile.BLOCKSIZE, len(data))
    known = clip.scores[np.isfinite(clip.scores)].astype(np.float64)
    summary = ScoreSummary(
        faces=int(np.isfinite(clip.landmarks).all(axis=(1, 2)).sum()),
        lowest=float(known.min()) if len(known) else None,
        mean=float(known.mean()) if len(known) else None,
    )
    return ClipRecord(facts=clip.facts, scores=summary, members=members)


def writing(folder: Path) -> AbstractContextManager[None]:
    """Raise InputError where a file of the store cannot be written."""
    do = "free some space or choose another folder (FER_ZOO_CACHE for rendered clips); finished shards are kept"
    return errors.writing(folder, do=do)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep every other run out of an existing `folder` while the block runs.

    The lock of a process on this machine ends with it, however it ends. Nothing can be known of another machine's.

    Raises:
        InputError: another run is working there, or was on another machine.
        OSError: the folder is not writable.
    """
    path, here, holder = folder / LOCK, socket.gethostname(), {"process": "unknown", "host": ""}
    with locked(path) as file:
        with suppress(ValueError, OSError, TypeError):  # its process was killed before it was complete
            holder |= json.loads(path.read_bytes())
        elsewhere = holder["host"] not in ("", here)
        if file is None or elsewhere:
            raise InputError(
                f"Another run is preparing {folder}: process {holder['process']} on {holder['host'] or here}.",
                "one run at a time in a folder",
                "wait until it has ended, or choose another folder"
                + (f"; if that run was killed, delete {path}" if elsewhere else ""),
            )
        path.write_text(json.dumps({"process": os.getpid(), "host": here}))
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
