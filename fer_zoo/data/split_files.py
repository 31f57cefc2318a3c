"""Splits as files: made once, shared with a store, and checked against it before training."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fer_zoo.data.splits import PARTS, LabelledClip, Split
from fer_zoo.data.subjects import subject_key
from fer_zoo.documents import read_json
from fer_zoo.errors import InputError
from fer_zoo.files import write_text

FORMAT = 1
_AGAIN = "make the splits again: `fer-zoo data split`"


def fingerprint_of(stores: Collection[str]) -> str:
    """The fingerprint that a split file holds for its stores: that of a single one, else a hash of all."""
    if len(set(stores)) == 1:
        return next(iter(stores))
    return hashlib.sha256("\n".join(sorted(set(stores))).encode()).hexdigest()


def write_splits(path: Path, splits: Sequence[Split], *, store: str, seed: int, stores: Collection[str] = ()) -> None:
    """Write splits as JSON, whole or not at all.

    Args:
        store: the `fingerprint_of` the stores they were made for.
        stores: fingerprints of each of these, where keys name their database.
    """
    data = {"format": FORMAT, "store": store, "seed": seed, "splits": [asdict(split) for split in splits]}
    if stores:
        data["stores"] = sorted(stores)
    write_text(path, json.dumps(data, indent=1) + "\n")


def read_splits(path: Path, *, store: str, subjects: Mapping[str, str | None], database: str = "") -> list[Split]:
    """Read splits and check them: made for this store, of its clips, each named once, no subject in two parts.

    Args:
        path: a file of `fer-zoo data split`, or the split.json of a training run.
        store: fingerprint of the store; for several stores, `fingerprint_of` theirs.
        subjects: subject of each clip by its key, or its video where the subject is unknown.
        database: in a file of several databases, use the clips of this one, whose keys start with its name.

    Raises:
        InputError: the file cannot be read, or a check failed.
    """
    try:
        data = read_json(path)
        form, own = data["format"], str(data["store"])
        several = database and store in data.get("stores", ())
        found = form, store if several else own
        splits = [_split(record, f"{database}:" if several else "") for record in data["splits"]]
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.",
            "a file of `fer-zoo data split`, or the split.json of a training run",
            "check the path",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error!r}.", f"splits of format {FORMAT}", _AGAIN) from error
    if found != (FORMAT, store):
        raise InputError(
            f"{path} has format {found[0]} and was made for the store {found[1][:12]}....",
            f"format {FORMAT} and the store {store[:12]}...",
            "make splits of this store: `fer-zoo data split`",
        )
    for split in splits:
        _check(split, subjects, path)
    _check_folds(splits, path)
    return splits


def read_split(path: Path, name: str | None, *, store: str, clips: Sequence[LabelledClip]) -> Split:
    """One split of a file, by its name, or the only one; `clips` are all clips of the store.

    Raises:
        InputError: as `read_splits`; or the file has no such split, or several and no name was given.
    """
    splits = read_splits(path, store=store, subjects={clip.key: clip.whose for clip in clips})
    found = [split for split in splits if name in (None, split.name)]
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"{path} has {len(found)} splits" + (f" named {name!r}." if name is not None else "; no name was given."),
        ", ".join(repr(split.name) for split in splits) or "a file that holds a split",
        "name one of these: --set 'split.name=...'",
    )


def _split(record: Mapping[str, Any], before: str) -> Split:
    """A split of the clips whose keys start with `before`, without it."""
    parts = {}
    for part in PARTS:
        keys = record[part]
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise TypeError(f"{part} is not a list of keys")
        parts[part] = tuple(key.removeprefix(before) for key in keys if key.startswith(before))
    return Split(str(record["name"]), **parts, note=str(record.get("note", "")))


def _check(split: Split, subjects: Mapping[str, str | None], path: Path) -> None:
    keys = [key for part in PARTS for key in getattr(split, part)]
    if (unknown := next((key for key in keys if key not in subjects), None)) is not None:
        raise InputError(f"{path}, {split.name}: the store has no clip {unknown!r}.", "keys of its clips", _AGAIN)
    if (twice := _repeated(keys)) is not None:
        parts = [part for part in PARTS for key in getattr(split, part) if key == twice]
        raise InputError(
            f"{path}, {split.name}: clip {twice!r} is named {len(parts)} times ({', '.join(dict.fromkeys(parts))}).",
            "each clip once in a split",
            f"remove the others, or {_AGAIN}",
        )
    owner: dict[str, str] = {}
    for part in PARTS:
        for key in getattr(split, part):
            subject = subjects[key] or key
            if owner.setdefault(subject_key(subject), part) != part:
                raise InputError(
                    f"{path}, {split.name}: subject {subject!r} is in {owner[subject_key(subject)]} and in {part}.",
                    "each subject in one part, and each video where the subject is unknown",
                    f"{_AGAIN}; a published split whose parts share subjects is named in the recipe, "
                    "split {published: NAME}",
                )


def _check_folds(splits: Sequence[Split], path: Path) -> None:
    """Each split has a name of its own; folds of one cross-validation, and one split per subject, test a clip once."""
    if (name := _repeated(split.name for split in splits)) is not None:
        raise InputError(f"{path} has two splits named {name!r}.", "a name of its own for each split", _AGAIN)
    folds = [split for split in splits if re.match(r"(?i)fold\b|without ", split.name)]
    if twice := _repeated(key for split in folds for key in split.test):
        names = " and ".join(repr(split.name) for split in folds if twice in split.test)
        raise InputError(
            f"{path}: clip {twice!r} is in the test sets of {names}.", "folds whose test sets share no clip", _AGAIN
        )


def _repeated(names: Iterable[str]) -> str | None:
    """The first name that occurs more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)
