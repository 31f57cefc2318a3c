"""Who trains, who validates, who is tested: splits of clips by subject.

In every split that is made here the three parts share no subject: the best epoch is chosen on people who are neither
trained on nor tested on. Published splits are as they were published, so there a subject may be in train and in test,
and even in a published validation part; `Split.note` then says so. What is held out of them for validation never shares
a subject with test; where the database tells no subjects, no video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fer_zoo.errors import InputError

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
    """Keys of the clips of each part, sorted. `name` says which one of a protocol it is, e.g. "fold 2 of 5".

    note: what must be known of it, e.g. that parts share subjects; "" where there is nothing.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    note: str = ""


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


def leave_each_out(clips: Sequence[LabelledClip], seed: int, *, validation_folds: int = 5) -> list[Split]:
    """As `leave_one_out`, for each subject in turn."""
    subjects = sorted(_by_subject(clips))
    return [leave_one_out(clips, subject, seed, validation_folds=validation_folds) for subject in subjects]


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
    for clip in pooled(train):
        groups.setdefault(clip.whose, []).append(clip)
    kept, validation = _hold_out(groups, validation_folds, seed)
    tested = sorted(clip.key for clip in pooled(test))
    return Split(
        f"{' + '.join(sorted(train))} to {' + '.join(sorted(test))}", _keys(groups, kept), _keys(groups, validation),
        tuple(tested),
    )  # fmt: skip


def pooled(databases: Mapping[str, Sequence[LabelledClip]]) -> list[LabelledClip]:
    """Clips of several databases: the database before key, subject and video, as the same names are others' there."""
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
    """A split that comes with the database, by its name, e.g. "set_1"; subjects may be in train and in test.

    A published validation part is taken as it is. Else one in `validation_folds` of the training part is held out:
    subjects that are not in test, or videos where the database tells no subjects.

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
    """What subjects or videos the parts share, in words; "" if none. `whose`: those of each part."""
    shared = {(one, other): len(set(whose[one]) & set(whose[other])) for one, other in combinations(PARTS, 2)}
    return "; ".join(
        f"{one} and {other} share {count} subject{'s' if count > 1 else ''}"
        for (one, other), count in shared.items()
        if count
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


def _untested(
    clips: Sequence[LabelledClip], tested: Collection[str], folds: int, seed: int, name: str
) -> frozenset[str]:
    """Who of the training clips validates: about one clip in `folds`, of nobody who is tested on."""
    groups: dict[str, list[LabelledClip]] = {}
    for clip in clips:
        groups.setdefault(clip.whose, []).append(clip)
    free = {who: group for who, group in groups.items() if who not in tested}
    if len(free) == len(groups):
        return frozenset(_hold_out(groups, folds, seed)[1])
    # So many parts of the clips that are free are each about as large as one of the folds of all.
    parts = min(round(sum(map(len, free.values())) * folds / len(clips)), len(free))
    if parts < 1:
        raise InputError(
            f"Of the {len(groups)} training subjects of the published split {name!r} only {len(free)} are not in its "
            f"test part: too few to hold out one clip in {folds} for validation.",
            "training subjects that are not tested on, or a published validation part",
            "hold out fewer, e.g. --set split.validation_folds=20" if free
            else "split by subject: split {folds: 5}, protocol subject-independent",
        )  # fmt: skip
    return frozenset(_dealt(free, parts, seed)[0])


def _keys(groups: Mapping[str, Sequence[LabelledClip]], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(clip.key for name in names for clip in groups[name]))


def _split(
    name: str, groups: Mapping[str, Sequence[LabelledClip]], train: Sequence[str], validation: Sequence[str],
    test: Sequence[str],
) -> Split:  # fmt: skip
    return Split(name, _keys(groups, train), _keys(groups, validation), _keys(groups, test))
