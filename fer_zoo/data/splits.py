"""Who trains, who validates, who is tested: splits of clips by subject, kept as files.

In every split the three parts share no subject, and validation shares none with test: the best epoch is chosen on
people who are neither trained on nor tested on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from fer_zoo.errors import InputError
from fer_zoo.files import write_text

FORMAT = 1
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class LabelledClip:
    """What a split needs of a clip: its key, whose it is, its label, the published parts it belongs to, its video."""

    key: str
    subject: str | None
    label: str
    split: Mapping[str, str]
    video: str | None = None

    @property
    def whose(self) -> str:
        """What must not be on two sides: the subject; where it is unknown the video that the clip was cut of."""
        return self.subject if self.subject is not None else self.video or self.key


@dataclass(frozen=True)
class Split:
    """Keys of the clips of each part, sorted. `name` says which one of a protocol it is, e.g. "fold 2 of 5"."""

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def k_fold(clips: Sequence[LabelledClip], folds: int, seed: int) -> list[Split]:
    """Subject-independent folds: each is tested once, the next one validates, the rest trains.

    Subjects are dealt out so that every fold has about its share of each label (greedily, those with most clips first,
    ties in an order drawn by `seed`). The same clips in another order give the same folds.

    Raises:
        InputError: a clip has no subject, or there are fewer subjects than folds, or fewer than three folds.
    """
    groups = _by_subject(clips)
    if folds < 3 or len(groups) < folds:
        raise InputError(
            f"{folds} folds of {len(groups)} subjects.",
            "three folds or more (train, validation, test), and a subject at least for each",
            "take fewer folds, or leave_one_out",
        )
    dealt = _dealt(groups, folds, seed)
    splits = []
    for number in range(folds):
        test, validation = dealt[number], dealt[(number + 1) % folds]
        train = [s for n, part in enumerate(dealt) if n not in (number, (number + 1) % folds) for s in part]
        splits.append(_split(f"fold {number + 1} of {folds}", groups, train, validation, test))
    return splits


def leave_one_out(
    clips: Sequence[LabelledClip], subject: str, seed: int, *, validation_folds: int = 5
) -> Split:  # fmt: skip
    """Test on one subject; a fold of the others, one in `validation_folds`, validates.

    Raises:
        InputError: a clip has no subject, nobody is called that, or there are too few subjects.
    """
    groups = _by_subject(clips)
    if subject not in groups:
        raise InputError(
            f"There are no clips of the subject {subject!r}.", f"{', '.join(sorted(groups))}", "name one of these"
        )
    others = {name: group for name, group in groups.items() if name != subject}
    train, validation = _hold_out(others, validation_folds, seed)
    return _split(f"without {subject}", groups, train, validation, [subject])


def cross_database(
    train: Mapping[str, Sequence[LabelledClip]], test: Mapping[str, Sequence[LabelledClip]], seed: int,
    *, validation_folds: int = 5,
) -> Split:  # fmt: skip
    """Train on whole databases and test on others; one in `validation_folds` of the training subjects validates.

    Keys become `database:key`. Subjects of two databases are two people, whatever their names.

    Raises:
        InputError: a database is on both sides, none is on one, or too few subjects are there to validate.
    """
    if set(train) & set(test) or not train or not test:
        raise InputError(
            f"Trained on {sorted(train)}, tested on {sorted(test)}.",
            "one database or more on each side, none on both",
            "correct the lists",
        )
    groups: dict[str, list[LabelledClip]] = {}
    for name, clips in train.items():
        for clip in clips:
            groups.setdefault(f"{name}:{clip.whose}", []).append(replace(clip, key=f"{name}:{clip.key}"))
    kept, validation = _hold_out(groups, validation_folds, seed)
    tested = sorted(f"{name}:{clip.key}" for name, clips in test.items() for clip in clips)
    return Split(
        f"{' + '.join(sorted(train))} to {' + '.join(sorted(test))}", _keys(groups, kept), _keys(groups, validation),
        tuple(tested),
    )  # fmt: skip


def published(clips: Sequence[LabelledClip], name: str, seed: int, *, validation_folds: int = 5) -> Split:
    """A split that comes with the database, by its name, e.g. "set_1"; validation is held out of its training part.

    Where the database has no subjects, validation is drawn by video: no published list says whose clips they are.

    Raises:
        InputError: the database has no such split.
    """
    parts = {part: [clip for clip in clips if clip.split.get(name) == part] for part in PARTS}
    if not parts["train"] or not parts["test"]:
        known = sorted({key for clip in clips for key in clip.split})
        raise InputError(
            f"The clips have no published split {name!r} with train and test.",
            ", ".join(known) or "none is published for them",
            "name one of these, or use k_fold",
        )
    if parts["validation"]:
        sorted_keys = {part: tuple(sorted(clip.key for clip in found)) for part, found in parts.items()}
        return Split(name, **sorted_keys)
    groups: dict[str, list[LabelledClip]] = {}
    for clip in parts["train"]:
        groups.setdefault(clip.whose, []).append(clip)
    train, validation = _hold_out(groups, validation_folds, seed)
    test = tuple(sorted(clip.key for clip in parts["test"]))
    return Split(name, _keys(groups, train), _keys(groups, validation), test)


def write_splits(path: Path, splits: Sequence[Split], *, store: str, seed: int) -> None:
    """Write splits as JSON, whole or not at all; `store` is the fingerprint of the store they were made for."""
    data = {"format": FORMAT, "store": store, "seed": seed, "splits": [asdict(split) for split in splits]}
    write_text(path, json.dumps(data, indent=1) + "\n")


def read_splits(path: Path, *, store: str, subjects: Mapping[str, str | None]) -> list[Split]:
    """Read splits and make sure that they hold: for this store, with its clips, and no subject on two sides.

    Args:
        store: fingerprint of the store at hand.
        subjects: whose each clip is, by its key.

    Raises:
        InputError: they do not.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = data["format"], data["store"]
        splits = [Split(s["name"], *(tuple(s[part]) for part in PARTS)) for s in data["splits"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        do = "make the splits again"
        raise InputError(f"{path} cannot be read: {error}", f"splits of format {FORMAT}", do) from error
    if found != (FORMAT, store):
        raise InputError(
            f"{path} has format {found[0]} and was made for the store {str(found[1])[:12]}....",
            f"format {FORMAT} and the store {store[:12]}...",
            "make the splits of this store anew",
        )
    for split in splits:
        _check(split, subjects, path)
    return splits


def _check(split: Split, subjects: Mapping[str, str | None], path: Path) -> None:
    owner: dict[str, str] = {}
    for part in PARTS:
        for key in getattr(split, part):
            if key not in subjects:
                raise InputError(
                    f"{path}, {split.name}: the store has no clip {key!r}.", "its own keys", "make it anew"
                )
            who = subjects[key] if subjects[key] is not None else key
            if owner.setdefault(str(who), part) != part:
                raise InputError(
                    f"{path}, {split.name}: subject {who!r} is in {owner[str(who)]} and in {part}.",
                    "each subject on one side",
                    "make the splits anew; do not edit them by hand",
                )


def _by_subject(clips: Sequence[LabelledClip]) -> dict[str, list[LabelledClip]]:
    groups: dict[str, list[LabelledClip]] = {}
    for clip in sorted(clips, key=lambda clip: clip.key):
        if clip.subject is None:
            raise InputError(
                f"The clip {clip.key!r} has no subject.",
                "clips whose database says whose they are",
                "use a published split: no split of these clips can be shown to be subject-independent",
            )
        groups.setdefault(clip.subject, []).append(clip)
    return groups


def _dealt(groups: Mapping[str, Sequence[LabelledClip]], folds: int, seed: int) -> list[list[str]]:
    labels = sorted({clip.label for group in groups.values() for clip in group})
    counts = {name: np.array([Counter(c.label for c in group)[label] for label in labels], float)
              for name, group in groups.items()}  # fmt: skip
    share = np.sum(list(counts.values()), axis=0) / folds
    drawn = np.random.default_rng(seed).permutation(len(groups))
    order = [name for _, name in sorted(zip(drawn, sorted(groups), strict=True))]
    order.sort(key=lambda name: -counts[name].sum())  # stable: ties stay as drawn
    dealt: list[list[str]] = [[] for _ in range(folds)]
    have = np.zeros((folds, len(labels)))
    for name in order:
        # In units of each label's share, so that a rare label weighs as much as a common one; then the emptiest fold.
        after = ((have + counts[name] - share) / np.maximum(share, 1e-9)) ** 2
        before = ((have - share) / np.maximum(share, 1e-9)) ** 2
        cost = (after - before).sum(1)
        best = min(range(folds), key=lambda fold: (round(float(cost[fold]), 9), len(dealt[fold]), fold))
        empty = [fold for fold in range(folds) if not dealt[fold]]
        if empty and len(empty) >= len(order) - sum(map(len, dealt)):
            best = empty[0]  # the last subjects must not leave a fold without any
        dealt[best].append(name)
        have[best] += counts[name]
    return dealt


def _hold_out(groups: Mapping[str, Sequence[LabelledClip]], folds: int, seed: int) -> tuple[list[str], list[str]]:
    if folds < 2 or len(groups) < folds:
        raise InputError(
            f"{len(groups)} subjects, of which one in {folds} shall validate.",
            f"{max(2, folds)} subjects or more",
            "lower validation_folds, or add subjects",
        )
    dealt = _dealt(groups, folds, seed)
    return [name for part in dealt[1:] for name in part], dealt[0]


def _keys(groups: Mapping[str, Sequence[LabelledClip]], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(clip.key for name in names for clip in groups[name]))


def _split(
    name: str, groups: Mapping[str, Sequence[LabelledClip]], train: Sequence[str], validation: Sequence[str],
    test: Sequence[str],
) -> Split:  # fmt: skip
    return Split(name, _keys(groups, train), _keys(groups, validation), _keys(groups, test))
