"""Splits as files: made once, sent with a store, and checked against it before anything is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fer_zoo.data.splits import PARTS, LabelledClip, Split
from fer_zoo.documents import read_json
from fer_zoo.errors import InputError
from fer_zoo.files import write_text

FORMAT = 1


def fingerprint_of(stores: Collection[str]) -> str:
    """What a split file says of the stores it was made for, by their fingerprints: of one its own, else all joined."""
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
    """Read splits and make sure that they hold: for this store, with its clips, and no subject on two sides.

    Args:
        path: a file of `fer-zoo data split`, or the split.json that a training leaves.
        store: fingerprint of the store at hand; of several, what `fingerprint_of` makes of theirs.
        subjects: whose each clip is, by its key: its subject, or its video where that is unknown.
        database: of a file of several databases take the clips of this one, whose name stands before their keys.

    Raises:
        InputError: they do not.
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
            "a file of `fer-zoo data split`, or a training's split.json",
            "check the path",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged: {error!r}.", f"splits of format {FORMAT}", "make the splits again"
        ) from error
    if found != (FORMAT, store):
        raise InputError(
            f"{path} has format {found[0]} and was made for the store {found[1][:12]}....",
            f"format {FORMAT} and the store {store[:12]}...",
            "make the splits of this store anew: `fer-zoo data split`",
        )
    for split in splits:
        _check(split, subjects, path)
    return splits


def read_split(path: Path, name: str | None, *, store: str, clips: Sequence[LabelledClip]) -> Split:
    """One split of a file, by its name, or the only one; its clips are of `clips`, all those of the store.

    Raises:
        InputError: as `read_splits`; or the file has no such split, or several and none is named.
    """
    splits = read_splits(path, store=store, subjects={clip.key: clip.whose for clip in clips})
    found = [split for split in splits if name in (None, split.name)]
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"{path} has {len(found)} splits" + (f" named {name!r}." if name is not None else "; none of them is named."),
        ", ".join(repr(split.name) for split in splits) or "a file that holds a split",
        "name one of these: --set 'split.name=...'",
    )


def _split(record: Mapping[str, Any], before: str) -> Split:
    """A split of the clips whose keys begin so, without that beginning."""
    train, validation, test = (
        tuple(str(key).removeprefix(before) for key in record[part] if str(key).startswith(before)) for part in PARTS
    )
    return Split(str(record["name"]), train, validation, test, note=str(record.get("note", "")))


def _check(split: Split, subjects: Mapping[str, str | None], path: Path) -> None:
    owner: dict[str, str] = {}
    for part in PARTS:
        for key in getattr(split, part):
            if key not in subjects:
                raise InputError(
                    f"{path}, {split.name}: the store has no clip {key!r}.", "its own keys", "make it anew"
                )
            who = subjects[key] or key
            if owner.setdefault(who, part) != part:
                raise InputError(
                    f"{path}, {split.name}: subject {who!r} is in {owner[who]} and in {part}.",
                    "each subject on one side, and each video where the subject is unknown",
                    "make the splits anew; one that was published with subjects on both sides is trained on as "
                    "split {published: NAME}",
                )
