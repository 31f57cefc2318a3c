"""Predictions of labelled clips: all that metrics, intervals and reports are computed from."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_zoo.csv_cells import from_cell, to_cell
from fer_zoo.errors import InputError
from fer_zoo.files import write_text

Names = npt.NDArray[np.str_]
Numbers = npt.NDArray[np.int64]

# A softmax in float32 is within 1e-6; logits and percentages are not.
_SUM_TOLERANCE = 1e-4
_COLUMNS = ("key", "subject", "video", "truth")
_GROUP, _PROBABILITY = "group:", "p:"
_ARRAYS = ("keys", "subjects", "videos", "truth", "probabilities")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities of N clips with their truth; checked when made, read-only afterwards.

    labels: names in the order of the label numbers. keys: (N,) unique names of the clips. subjects: (N,), "" where
    unknown. videos: (N,) the labelled video that the clip was cut from; its own key if it was not cut. truth: (N,)
    label numbers. probabilities: (N, C) float64, rows sum to 1. groups: for each grouping, e.g. "age", the group of
    each clip (N,), "" where unknown.

    Raises:
        InputError: columns of different length, no clips, a duplicate key, unknown label numbers, rows that are not
            probabilities.
    """

    labels: tuple[str, ...]
    keys: Names
    subjects: Names
    videos: Names
    truth: Numbers
    probabilities: npt.NDArray[np.float64]
    groups: Mapping[str, Names] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {"truth": np.shape(self.truth), "keys": np.shape(self.keys), "subjects": np.shape(self.subjects)}
        shapes |= {"videos": np.shape(self.videos)} | {name: np.shape(column) for name, column in self.groups.items()}
        count = shapes["keys"][0] if shapes["keys"] else 0
        expected = (count, len(self.labels))
        if not count or set(shapes.values()) != {(count,)} or np.shape(self.probabilities) != expected:
            raise InputError(
                f"Predictions with columns {shapes} and probabilities {np.shape(self.probabilities)}.",
                "at least one clip, one entry per clip in every column, one probability for each of the labels "
                f"({', '.join(self.labels)})",
                "check how the columns were made; a part of the split may be empty",
            )
        for name in ("keys", "subjects", "videos"):
            self._keep(name, np.array(getattr(self, name), np.str_))
        _check_names(self.labels, self.keys, self.videos)
        _check_truth(np.asarray(self.truth), self.labels)
        self._keep("truth", np.array(self.truth, np.int64))
        self._keep("probabilities", np.array(self.probabilities, np.float64))
        _check_probabilities(self.probabilities, self.keys)
        groups = {name: np.array(column, np.str_) for name, column in self.groups.items()}
        for column in groups.values():
            column.flags.writeable = False
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "labels", tuple(self.labels))

    def _keep(self, name: str, column: npt.NDArray[np.generic]) -> None:
        column.flags.writeable = False
        object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def predicted(self) -> Numbers:
        """Label numbers (N,) of the largest probabilities, the first of equal ones."""
        largest: Numbers = np.argmax(self.probabilities, axis=1)
        return largest

    def take(self, clips: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Predictions:
        """Only these clips, by their numbers in this order or by a mask; raises InputError if there are none."""
        columns = {name: getattr(self, name)[clips] for name in _ARRAYS}
        return replace(self, **columns, groups={name: column[clips] for name, column in self.groups.items()})

    def groups_of(self, grouping: str) -> tuple[str, ...]:
        """Groups of a grouping, sorted; "" if there are clips of unknown group."""
        return tuple(sorted(set(self.groups[grouping].tolist())))

    def of_group(self, grouping: str, group: str) -> Predictions:
        """The clips of one group, e.g. `of_group("age", "20-29")`.

        Raises:
            InputError: there is no such grouping, or no clip in the group.
        """
        if grouping not in self.groups or group not in self.groups[grouping]:
            known = [f"{name}: {', '.join(sorted(set(column.tolist())))}" for name, column in self.groups.items()]
            raise InputError(
                f"No clip is in the group {group!r} of {grouping!r}.",
                "; ".join(known) or "there are no groups",
                "name one of these groups",
            )
        return self.take(self.groups[grouping] == group)

    def by_video(self) -> Predictions:
        """One row per video: the mean of its clips' probabilities; its key is the video's name.

        Raises:
            InputError: the clips of a video differ in their truth, subject or groups.
        """
        _, first, video_of = np.unique(self.videos, return_index=True, return_inverse=True)
        for name, column in {"truth": self.truth, "subjects": self.subjects, **self.groups}.items():
            other = np.flatnonzero(column != column[first][video_of])
            if len(other):
                video = str(self.videos[other[0]])
                found = np.unique(column[self.videos == video]).tolist()
                found = [self.labels[number] for number in found] if name == "truth" else found
                raise InputError(
                    f"The clips of the video {video!r} differ in {name}: {', '.join(map(repr, found))}.",
                    "clips of a video with one truth, one subject and the same groups",
                    "if a recording shows several expressions, give each labelled part of it a video name of its own",
                )
        clips = np.bincount(video_of)
        sums = np.zeros((len(clips), len(self.labels)))
        np.add.at(sums, video_of, self.probabilities)
        means = replace(self.take(first), keys=self.videos[first], probabilities=sums / clips[:, None])
        return means.take(np.argsort(first))

    @classmethod
    def concat(cls, parts: Sequence[Predictions]) -> Predictions:
        """The clips of several predictions one after the other, e.g. the test sets of all folds.

        Raises:
            InputError: none given, different labels or groupings, or a clip, video or subject in two parts: subjects of
                two databases with the same name would count as one.
        """
        kinds = {(part.labels, tuple(sorted(part.groups))) for part in parts}
        if len(kinds) != 1:
            raise InputError(
                f"Predictions with {len(kinds)} kinds of labels and groupings: {sorted(map(str, kinds))}.",
                "one part or more, with the same labels in the same order and the same groupings",
                "join predictions of one recipe and its folds",
            )
        for what, column in (("clip", "keys"), ("video", "videos"), ("subject", "subjects")):
            parts_of = Counter(name for part in parts for name in set(getattr(part, column).tolist()) - {""})
            duplicate = sorted(name for name, count in parts_of.items() if count > 1)
            if duplicate:
                raise InputError(
                    f"{len(duplicate)} {what}s are in two of the joined predictions, e.g. {duplicate[0]!r}.",
                    f"every {what} in one part",
                    "join each fold once; put the database's name before names that two databases share",
                )
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
        groups = {name: np.concatenate([part.groups[name] for part in parts]) for name in parts[0].groups}
        return replace(parts[0], **columns, groups=groups)

    def write(self, path: str | Path) -> None:
        """Write a CSV file atomically; makes its folder. Reading it gives the same values to the last bit.

        Raises:
            OSError: it cannot be written.
        """
        text = StringIO()
        # All text is quoted, so that any name can be read back, line ends included.
        table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        table.writerow(
            [*_COLUMNS, *(_GROUP + name for name in self.groups), *(_PROBABILITY + label for label in self.labels)]
        )
        for row in range(len(self)):
            names = [self.keys[row], self.subjects[row], self.videos[row], self.labels[int(self.truth[row])]]
            names += [column[row] for column in self.groups.values()]
            table.writerow([*(to_cell(str(name)) for name in names), *self.probabilities[row].tolist()])
        write_text(Path(path), text.getvalue())

    @classmethod
    def read(cls, path: str | Path) -> Predictions:
        """Read what `write` wrote.

        Raises:
            InputError: the file is missing, damaged, or not a table of predictions.
        """
        try:
            with Path(path).open(encoding="utf-8", newline="") as stream:
                header, *rows = list(csv.reader(stream, strict=True)) or [[]]
            return cls._of_rows(header, [[from_cell(cell) for cell in row] for row in rows])
        except (OSError, ValueError, csv.Error) as error:
            reason = error.given if isinstance(error, InputError) else error
            raise InputError(
                f"{path} cannot be read as predictions: {reason}",
                f"a table of {', '.join(_COLUMNS)}, {_GROUP}GROUPING and {_PROBABILITY}LABEL, as `fer-zoo` writes it",
                "check the path, or evaluate again",
            ) from error

    @classmethod
    def _of_rows(cls, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Predictions:
        groups = [name.removeprefix(_GROUP) for name in header if name.startswith(_GROUP)]
        labels = tuple(name.removeprefix(_PROBABILITY) for name in header if name.startswith(_PROBABILITY))
        expected = [*_COLUMNS, *(_GROUP + name for name in groups), *(_PROBABILITY + label for label in labels)]
        if list(header) != expected:
            raise ValueError(f"its first line is {', '.join(header)!r}")
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise ValueError(f"row {number} has {len(row)} entries, the first line {len(header)}")
            if row[3] not in labels:
                raise ValueError(f"row {number} says {row[3]!r}, which is not one of the labels {', '.join(labels)}")
        place = {label: number for number, label in enumerate(labels)}
        columns = list(zip(*rows, strict=True)) or [()] * len(header)
        first = len(header) - len(labels)
        return cls(
            labels=labels,
            keys=np.array(columns[0], np.str_),
            subjects=np.array(columns[1], np.str_),
            videos=np.array(columns[2], np.str_),
            truth=np.array([place[label] for label in columns[3]], np.int64),
            probabilities=np.array([row[first:] for row in rows], np.float64).reshape(len(rows), len(labels)),
            groups={name: np.array(columns[4 + n], np.str_) for n, name in enumerate(groups)},
        )


def _check_names(labels: Sequence[str], keys: Names, videos: Names) -> None:
    for what, names in (("label", list(labels)), ("key", keys.tolist())):
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None or "" in names or not names:
            given = f"Duplicate {what} {twice!r}." if twice is not None else f"A {what} without a name."
            raise InputError(given, f"{what}s that are unique and not empty", f"correct the {what}s")
    if "" in videos:
        raise InputError(
            f"The clip {str(keys[videos == ''][0])!r} has no video.",
            "the name of the video that the clip was cut from",
            "give a clip that was not cut from a longer video its own key",
        )


def _check_truth(truth: npt.NDArray[np.generic], labels: Sequence[str]) -> None:
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= len(labels):
        raise InputError(
            f"Truth {truth.min()} to {truth.max()} ({truth.dtype}).",
            f"integers from 0 to {len(labels) - 1}, one for each of {', '.join(labels)}",
            "check the order of the labels",
        )


def _check_probabilities(probabilities: npt.NDArray[np.float64], keys: Names) -> None:
    # Written so that NaN, which compares as false, is refused.
    valid = (probabilities >= 0).all(axis=1) & (abs(probabilities.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        example = f"{str(keys[row])!r}: {probabilities[row]}"
        raise InputError(
            f"{(~valid).sum()} of {len(keys)} clips have no valid probabilities, e.g. {example}",
            "numbers from 0 to 1 that sum to 1 for each clip",
            "take the softmax of logits; numbers that are not finite come from a network that diverged",
        )
