"""Groups of videos from a CSV file, for splits that must not separate them: identities or films, say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fer_zoo.data.datasets._table import read_table
from fer_zoo.data.splits import PARTS, LabelledClip, Split, k_fold, published
from fer_zoo.data.subjects import is_empty, subject_key
from fer_zoo.errors import InputError, RecipeError
from fer_zoo.specs import DisjointSplit

_COLUMNS = ("video", "group")
_ACCEPTED = "a CSV table with the columns video and group, and optionally part (train, validation or test)"


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
    table = read_table(path, _ACCEPTED)
    if missing := [name for name in _COLUMNS if name not in table.columns]:
        raise InputError(
            f"{path} has the columns {', '.join(table.columns) or '(none)'}, and no {' and no '.join(missing)}.",
            _ACCEPTED,
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
