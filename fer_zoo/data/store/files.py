"""Reading and checking a store's JSON files and the tars beside them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from fer_zoo.csv_cells import from_cell
from fer_zoo.data.store.records import (
    FORMAT,
    Failure,
    ShardIndex,
    StoreHeader,
    failures_path,
    header_path,
    index_path,
    tar_path,
)
from fer_zoo.documents import parse_json
from fer_zoo.errors import InputError


def is_begun(folder: Path) -> bool:
    """Whether there is a store, or what is left of one that was not finished."""
    return header_path(folder).exists() or any((folder / "shards").glob("*"))


def read_header(folder: Path) -> StoreHeader:
    """The content of store.json.

    Raises:
        InputError: there is no store, it is unfinished, of another format version, or its header is damaged.
    """
    path = header_path(folder)
    try:
        text = path.read_bytes()
    except OSError as error:
        if is_begun(folder):
            raise InputError(
                f"The clip store {folder} is unfinished: it has shards, but no {path.name} that can be read.",
                "a store that was prepared to its end",
                "prepare it again with the same settings; finished shards are kept",
            ) from error
        raise InputError(
            f"There is no clip store in {folder}: {error.strerror or error}.",
            f"a folder with {path.name} and shards/, as `fer-zoo prepare` makes it",
            "check the path, or prepare the dataset into it",
        ) from error
    try:
        version = parse_json(text)["format"]
        if version == FORMAT:
            return StoreHeader.model_validate_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged: {error}", f"{path.name} as it was written", "prepare again; finished shards are kept"
        ) from error
    raise InputError(
        f"The clip store {folder} is of format version {version}.",
        f"format version {FORMAT}",
        "read it with the version of fer_zoo that made it, or prepare it anew into another folder",
    )


def read_index(folder: Path, number: int, sha256: str | None = None) -> tuple[ShardIndex, str]:
    """The index of a shard, whose tar is there and has its length, and the index's sha256.

    Raises:
        InputError: the index is missing, damaged, not the one with this `sha256`, or does not fit its tar.
    """
    path = index_path(folder, number)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise missing_shard(path, error.strerror or str(error)) from error
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
    """Sources that gave no clip, and other problems; none if nothing was written about it.

    Raises:
        InputError: failures.csv has a line that is not a source, a reason and a number of clips.
    """
    path = failures_path(folder)
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        return [Failure(from_cell(source), from_cell(reason), int(clips)) for source, reason, clips in rows[1:]]
    except ValueError as error:
        raise InputError(
            f"{path} is damaged: {error}.", f"lines of {', '.join(Failure._fields)}", "delete it and prepare again"
        ) from error


def check_length(folder: Path, index: ShardIndex) -> None:
    """Raise InputError unless the shard's tar is there with the length that its index says."""
    tar = tar_path(folder, index.number)
    try:
        length = tar.stat().st_size
    except OSError as error:
        raise missing_shard(tar, error.strerror or str(error)) from error
    if length != index.tar_bytes:
        raise damaged(tar, f"it has {length} bytes, its index says {index.tar_bytes}")


def damaged(path: Path, reason: str) -> InputError:
    """The error for a file of a shard that is not as it was written."""
    return InputError(
        f"{path} is damaged: {reason}.",
        "the files of a shard as they were written",
        f"delete {path.with_suffix('.json').name} and prepare again, which makes just this shard anew",
    )


def missing_shard(path: Path, reason: str) -> InputError:
    """The error for a shard of a store that is not there."""
    return InputError(
        f"{path} is missing: {reason}.",
        "every shard that store.json names, a .tar and a .json each",
        f"copy it again, or delete what is left of shard {path.stem} and prepare again, which makes just this one anew",
    )
