"""Reading and checking a store's JSON files and the tar files beside them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_zoo.csv_cells import from_cell
from fer_zoo.data.store.records import (
    FORMAT,
    Failure,
    ShardEntry,
    ShardIndex,
    StoreHeader,
    failures_path,
    header_path,
    index_path,
    tar_path,
)
from fer_zoo.documents import LARGEST_JSON, DocumentError, read_bytes
from fer_zoo.errors import InputError


def is_begun(folder: Path) -> bool:
    """Whether there is a store, or shards of one that was not finished."""
    return header_path(folder).exists() or any((folder / "shards").glob("*"))


def read_header(folder: Path) -> StoreHeader:
    """The content of store.json; `check_header` compares it with the shards.

    Raises:
        InputError: there is no store, it is unfinished, of another format version, or store.json is damaged.
    """
    path = header_path(folder)
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
    clips = [clip for index, _ in shards for clip in index.facts]
    return {
        "clips": len(clips),
        "labels": dict(sorted(Counter(clip.label for clip in clips).items())),
        "subjects": len({clip.subject for clip in clips} - {None}),
        "shards": tuple(ShardEntry(number=i.number, clips=len(i.clips), index_sha256=sha) for i, sha in shards),
        "fingerprint": hashlib.sha256("".join(sha for _, sha in shards).encode()).hexdigest(),
    }


def check_header(folder: Path, header: StoreHeader, shards: Sequence[tuple[ShardIndex, str]]) -> None:
    """Raise InputError unless store.json states of its shards what their indexes say."""
    path = header_path(folder)
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


def read_index(folder: Path, number: int, sha256: str | None = None) -> tuple[ShardIndex, str]:
    """The index of a shard, whose tar file exists with the stated length, and the index's sha256.

    Raises:
        InputError: the index is missing, damaged, not the one with this `sha256`, or does not match its tar file.
    """
    path = index_path(folder, number)
    try:
        text = read_bytes(path, LARGEST_JSON)
    except DocumentError as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise damaged(path, error.strerror or str(error), "missing") from error
    found = hashlib.sha256(text).hexdigest()
    if sha256 not in (None, found):
        raise damaged(path, f"its sha256 is {found[:12]}, the store's header says {str(sha256)[:12]}")
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
    path = failures_path(folder)
    if not path.exists():
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
