"""Splits of clips into training, validation and test set by subject.

In every split made here the three sets share no subject. Published splits are used as published, so a subject may be
in the training and the test set, and even in a published validation set; `Split.note` then states it. A validation set
that is held out of them never shares a subject with the test set; where subjects are unknown, no video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fer_zoo.errors import InputError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class LabelledClip:
    """What a split needs to know of a clip: key, subject, label, part of each published split, and video."""

    key: str
    subject: str | None
    label: str
    split: Mapping[str, str]
    video: str | None = None

    @property
    def whose(self) -> str:
        """What must not be in two sets: the subject, or the video that the clip was cut from if it is unknown."""
        return self.subject if self.subject is not None else self.video or self.key


@dataclass(frozen=True)
class Split:
    """Keys of the clips of each part, sorted. `name` says which one of a protocol it is, e.g. "fold 2 of 5".

    note: a warning, e.g. that parts share subjects, or "".
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    note: str = ""


def k_fold(clips: Sequence[LabelledClip], folds: int, seed: int) -> list[Split]:
    """Subject-independent folds: each is the test set once, the next one the validation set, the rest the training set.

    Every fold gets about its share of each label (subjects are assigned greedily, those with most clips first, ties in
    an order drawn by `seed`). The same clips in another order give the same folds.

    Raises:
        InputError: a clip has no subject, or there are fewer subjects than folds, or fewer than three folds.
    """
    groups = _by_subject(clips)
    if folds < 3 or len(groups) < folds:
        raise InputError(
            f"{folds} folds of {len(groups)} subjects.",
            "at least three folds (training, validation, test), and at least one subject per fold",
            "use fewer folds, or leave_one_out",
        )
    dealt = _dealt(groups, folds, seed)
    splits = []
    for number, test in enumerate(dealt):
        validation = dealt[(number + 1) % folds]
        train = groups.keys() - {*test, *validation}
        splits.append(_split(f"fold {number + 1} of {folds}", groups, train, validation, test))
    return splits


def leave_one_out(clips: Sequence[LabelledClip], subject: str | None, seed: int, *, validation_folds: int = 5) -> Split:
    """Test on one subject, or on none; one fold of the others, of `validation_folds`, is the validation set.

    Raises:
        InputError: a clip has no subject, there is no such subject, or there are too few.
    """
    groups = _by_subject(clips)
    if subject is not None and subject not in groups:
        raise InputError(
            f"There are no clips of the subject {subject!r}.", f"{', '.join(sorted(groups))}", "name one of these"
        )
    others = {name: group for name, group in groups.items() if name != subject}
    train, validation = _hold_out(others, validation_folds, seed)
    tested = [] if subject is None else [subject]
    return _split("all subjects" if subject is None else f"without {subject}", groups, train, validation, tested)


def leave_each_out(clips: Sequence[LabelledClip], seed: int, *, validation_folds: int = 5) -> list[Split]:
    """As `leave_one_out`, for each subject in turn."""
    subjects = sorted(_by_subject(clips))
    return [leave_one_out(clips, subject, seed, validation_folds=validation_folds) for subject in subjects]


def cross_database(
    train: Mapping[str, Sequence[LabelledClip]],
    test: Mapping[str, Sequence[LabelledClip]],
    seed: int,
    *,
    validation_folds: int = 5,
) -> Split:
    """Train on whole databases and test on others; one in `validation_folds` of the training subjects is held out.

    Keys become `database:key`. Subjects of two databases are different, whatever their names.

    Raises:
        InputError: a database is on both sides, one side has none, or there are too few subjects to hold out.
    """
    if set(train) & set(test) or not train or not test:
        raise InputError(
            f"Trained on {sorted(train)}, tested on {sorted(test)}.",
            "at least one database on each side, none on both",
            "correct the lists",
        )
    groups = _grouped(pooled(train))
    kept, validation = _hold_out(groups, validation_folds, seed)
    tested = _grouped(pooled(test))
    name = f"{' + '.join(sorted(train))} to {' + '.join(sorted(test))}"
    return _split(name, {**groups, **tested}, kept, validation, tested)


def pooled(databases: Mapping[str, Sequence[LabelledClip]]) -> list[LabelledClip]:
    """Return the clips of several databases, with the database's name before key, subject and video."""
    return [
        replace(
            clip,
            key=f"{name}:{clip.key}",
            subject=None if clip.subject is None else f"{name}:{clip.subject}",
            video=None if clip.video is None else f"{name}:{clip.video}",
        )
        for name, clips in databases.items()
        for clip in clips
    ]


def published(clips: Sequence[LabelledClip], name: str, seed: int, *, validation_folds: int = 5) -> Split:
    """Return a split that comes with the database, by its name, e.g. "set_1"; subjects may be in train and in test.

    A published validation part is used as it is. Otherwise one in `validation_folds` of the training part is held out:
    subjects that are not in test, or videos where subjects are unknown.

    Raises:
        InputError: the database has no such split, or too few of the training subjects are not in test.
    """
    parts = {part: [clip for clip in clips if clip.split.get(name) == part] for part in PARTS}
    if not parts["train"] or not parts["test"]:
        known = sorted({key for clip in clips for key in clip.split})
        raise InputError(
            f"The clips have no published split {name!r} with train and test.",
            ", ".join(known) or "none is published for them",
            "name one of these, or use k_fold",
        )
    if not parts["validation"]:
        tested = {clip.whose for clip in parts["test"]}
        validating = _untested(parts["train"], tested, validation_folds, seed, name)
        parts["validation"] = [clip for clip in parts["train"] if clip.whose in validating]
        parts["train"] = [clip for clip in parts["train"] if clip.whose not in validating]
    keys = {part: tuple(sorted(clip.key for clip in found)) for part, found in parts.items()}
    return Split(name, **keys, note=sharing({part: {clip.whose for clip in found} for part, found in parts.items()}))


def sharing(whose: Mapping[str, Collection[str]]) -> str:
    """Return a text about the subjects or videos that parts share, "" if none. `whose`: those of each part."""
    shared = {(one, other): len(set(whose[one]) & set(whose[other])) for one, other in combinations(PARTS, 2)}
    return "; ".join(
        f"{one} and {other} share {count} subject{'s' if count > 1 else ''}"
        for (one, other), count in shared.items()
        if count
    )


def _grouped(clips: Iterable[LabelledClip]) -> dict[str, list[LabelledClip]]:
    groups: dict[str, list[LabelledClip]] = {}
    for clip in clips:
        groups.setdefault(clip.whose, []).append(clip)
    return groups


def _by_subject(clips: Sequence[LabelledClip]) -> dict[str, list[LabelledClip]]:
    if unknown := min((clip.key for clip in clips if clip.subject is None), default=None):
        raise InputError(
            f"The clip {unknown!r} has no subject.",
            "clips whose subject is known",
            "use a published split: no split of these clips can be shown to be subject-independent",
        )
    return _grouped(clips)


def _dealt(groups: Mapping[str, Sequence[LabelledClip]], folds: int, seed: int) -> list[list[str]]:
    labels = sorted({clip.label for group in groups.values() for clip in group})
    counts = {
        name: np.array([Counter(c.label for c in group)[label] for label in labels], float)
        for name, group in groups.items()
    }
    share = np.sum(list(counts.values()), axis=0) / folds
    drawn = np.random.default_rng(seed).permutation(len(groups))
    order = [name for _, name in sorted(zip(drawn, sorted(groups), strict=True))]
    order.sort(key=lambda name: -counts[name].sum())  # stable: ties keep the drawn order
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
            best = empty[0]  # the last subjects must not leave a fold empty
        dealt[best].append(name)
        have[best] += counts[name]
    return dealt


def _hold_out(groups: Mapping[str, Sequence[LabelledClip]], folds: int, seed: int) -> tuple[list[str], list[str]]:
    if folds < 2 or len(groups) < folds:
        raise InputError(
            f"{len(groups)} subjects, one in {folds} of which is to be held out for validation.",
            f"at least {max(2, folds)} subjects",
            "lower validation_folds, or add subjects",
        )
    dealt = _dealt(groups, folds, seed)
    return [name for part in dealt[1:] for name in part], dealt[0]


def _untested(
    clips: Sequence[LabelledClip], tested: Collection[str], folds: int, seed: int, name: str
) -> frozenset[str]:
    """Return the training subjects to hold out: those of about one clip in `folds`, none of them in the test set."""
    groups = _grouped(clips)
    free = {who: group for who, group in groups.items() if who not in tested}
    if len(free) == len(groups):
        return frozenset(_hold_out(groups, folds, seed)[1])
    # With this number of parts, a part of the free clips is about as large as a fold of all clips.
    parts = min(round(sum(map(len, free.values())) * folds / len(clips)), len(free))
    if parts < 1:
        raise InputError(
            f"Of the {len(groups)} training subjects of the published split {name!r} only {len(free)} are not in its "
            f"test part: too few to hold out one clip in {folds} for validation.",
            "training subjects that are not in the test set, or a published validation part",
            "hold out fewer, e.g. --set split.validation_folds=20"
            if free
            else "split by subject: split {folds: 5}, protocol subject-independent",
        )
    return frozenset(_dealt(free, parts, seed)[0])


def _split(
    name: str,
    groups: Mapping[str, Sequence[LabelledClip]],
    train: Iterable[str],
    validation: Iterable[str],
    test: Iterable[str],
) -> Split:
    kept, validating, tested = (
        tuple(sorted(clip.key for subject in part for clip in groups[subject])) for part in (train, validation, test)
    )
    return Split(name, kept, validating, tested)
