"""Files of splits, checked against the store they are for, and of groups of videos that splits must not separate."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from fer_zoo.data.datasets._table import read_table
from fer_zoo.data.splits import PARTS, LabelledClip, Split, k_fold, published
from fer_zoo.data.subjects import is_empty, subject_key
from fer_zoo.documents import read_json
from fer_zoo.errors import InputError, RecipeError
from fer_zoo.files import write_text
from fer_zoo.specs import DisjointSplit

FORMAT = 1
_GROUP_COLUMNS = ("video", "group")
_GROUPS = "a CSV table with the columns video and group, and optionally part (train, validation or test)"
_AGAIN = "make the splits again: `fer-zoo data split`"


class _SplitFile(BaseModel):
    format: int
    store: str
    stores: tuple[str, ...] = ()
    splits: tuple[Split, ...]


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
        file = _SplitFile.model_validate(read_json(path))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.",
            "a file of `fer-zoo data split`, or the split.json of a training run",
            "check the path",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error!r}.", f"splits of format {FORMAT}", _AGAIN) from error
    several = bool(database) and store in file.stores
    if file.format != FORMAT or not (several or file.store == store):
        raise InputError(
            f"{path} has format {file.format} and was made for the store {file.store[:12]}....",
            f"format {FORMAT} and the store {store[:12]}...",
            "make splits of this store: `fer-zoo data split`",
        )
    splits = [_of_database(split, f"{database}:") if several else split for split in file.splits]
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


def _of_database(split: Split, before: str) -> Split:
    """The split of the clips whose keys start with `before`, without it."""
    parts: dict[str, Any] = {}
    for part in PARTS:
        parts[part] = tuple(key.removeprefix(before) for key in getattr(split, part) if key.startswith(before))
    return replace(split, **parts)


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


class Groups(NamedTuple):
    """Group of each video, and its part if the file has parts."""

    groups: dict[str, str]
    parts: dict[str, str]


def read_groups(path: Path) -> Groups:
    """Read a file of groups.

    Raises:
        InputError: the file cannot be read, a column is missing, a cell is empty or a part unknown, or two rows of a
            video differ.
    """
    table = read_table(path, _GROUPS)
    if missing := [name for name in _GROUP_COLUMNS if name not in table.columns]:
        raise InputError(
            f"{path} has the columns {', '.join(table.columns) or '(none)'}, and no {' and no '.join(missing)}.",
            _GROUPS,
            "name the columns in the first line",
        )
    found, lines = Groups({}, {}), dict[str, int]()
    for line, row in table.rows:
        video, group, part = row["video"], subject_key(row["group"]), row.get("part", "").lower()
        if not video or is_empty(group) or ("part" in table.columns and part not in PARTS):
            raise InputError(
                f"{path}, line {line}: video {video!r}, group {row['group']!r}"
                + (f", part {part!r}." if "part" in table.columns else "."),
                f"a video and a group in each row, and a part ({', '.join(PARTS)}) if there is that column",
                "correct this line, or remove it",
            )
        if (found.groups.setdefault(video, group), found.parts.get(video, part)) != (group, part):
            raise InputError(
                f"{path}, lines {lines[video]} and {line}: two groups or parts for the video {video!r}.",
                "each video in one group and one part",
                "give videos that belong together the same group, and remove the other line",
            )
        lines.setdefault(video, line)
        if part:
            found.parts[video] = part
    return found


def disjoint(clips: Sequence[LabelledClip], split: DisjointSplit, *, others: Iterable[str] = ()) -> Split:
    """Return the split that a recipe describes by a file of groups: its fold, or the parts of the file.

    Args:
        others: further names of videos that the file may have, such as those without a usable clip.

    Raises:
        InputError: the file cannot be used, names unknown videos, lacks some, or leaves a group or a subject on both
            sides of the split.
        RecipeError: the recipe names no fold and the file has no parts, or both do.
    """
    path = Path(split.identity_disjoint)
    found = read_groups(path)
    if (split.fold is None) != bool(found.parts):
        raise RecipeError(
            f"split.fold is {split.fold}, and {path} has {'a' if found.parts else 'no'} column part.",
            "the test fold, from 1, if the file has no parts; no fold if it has",
            "leave out split.fold" if found.parts else "name the fold, e.g. --set split.fold=1",
        )
    _check_videos(path, found, clips, others)
    owner: dict[str, str] = {}
    for clip in clips:
        group = found.groups[_video(clip)]
        if clip.subject is not None and owner.setdefault(clip.subject, group) != group:
            raise _both_sides(path, f"subject {clip.subject!r}", f"groups {owner[clip.subject]!r} and {group!r}")
    sides: dict[str, str] = {}
    for video, part in found.parts.items():
        group = found.groups[video]
        if sides.setdefault(group, part) != part:
            raise _both_sides(path, f"group {group!r}", f"{sides[group]} and {part}")
    mine = [
        replace(clip, subject=found.groups[_video(clip)], split={path.stem: found.parts.get(_video(clip), "")})
        for clip in clips
    ]
    if found.parts:
        return published(mine, path.stem, split.seed, validation_folds=split.folds)
    return k_fold(mine, split.folds, split.seed)[(split.fold or 1) - 1]


def _check_videos(path: Path, found: Groups, clips: Sequence[LabelledClip], others: Iterable[str]) -> None:
    videos = dict.fromkeys(map(_video, clips))
    if unknown := sorted(found.groups.keys() - videos.keys() - set(others)):
        raise InputError(
            f"{path} names {len(unknown)} videos that the store does not have, e.g. {unknown[0]!r}.",
            f"names of its videos, e.g. {next(iter(videos), '')!r}",
            "correct the column video, or prepare the store again if it is of other files",
        )
    if missing := [video for video in videos if video not in found.groups]:
        raise InputError(
            f"{path} has no row for {len(missing)} of the {len(videos)} videos of the store, e.g. {missing[0]!r}.",
            "a group for every video with a label of the network",
            "add these rows",
        )


def _video(clip: LabelledClip) -> str:
    return clip.video or clip.key


def _both_sides(path: Path, who: str, where: str) -> InputError:
    return InputError(
        f"{path}: {who} is in {where}, which leaves it on both sides of the split.",
        "all videos of a subject in one group, and all of a group in one part",
        "correct the file",
    )
