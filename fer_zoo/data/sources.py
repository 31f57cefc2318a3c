"""What a reader of a database finds on disk: labelled stretches of video, before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from fer_zoo.data.subjects import subject_name

# The labels of the published databases; a reader maps its own codes and words to these. `csv` and `folder` also take
# labels of the user's own.
LABELS = (
    "neutral",
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "calm",
    "relief",
    "anxiety",
    "helplessness",
    "disappointment",
)


@dataclass(frozen=True)
class Source:
    """One labelled part of a video of one subject; becomes one clip or several in a store.

    Attributes:
        key: unique within the database and the same on every machine, e.g. "S005/001"; letters, digits and -_./ only.
        files: one video, or the image files of a sequence in their order; paths below the database's root.
        label: one of `LABELS`, or a label of the user's own.
        subject: the subject's identifier in the database, tidied by `subject_name`; None where it is unknown.
        frames: half-open range of frame numbers [first, end) of the video or the sequence; None for all of it.
        fps: frames per second of an image sequence; None for a video, whose file states it.
        rotate: quarter turns clockwise that make the pictures upright.
        groups: group of the subject or the recording by grouping, for metrics per group, e.g.
            {"sex": "female", "age": "20-29"}.
        part: which clips of the stretch are used: all, one after the other; the middle one; the last one. A clip whose
            frames are spread (`sampling="uniform"`) is spread over the whole stretch.
        region: (x, y, width, height) as fractions of the picture that holds the face to use; None for all of it.
        split: its part of each published split: train, validation or test, e.g. {"set_1": "train", "set_2": "test"}.
    """

    key: str
    files: tuple[Path, ...]
    label: str
    subject: str | None
    frames: tuple[int, int] | None = None
    fps: float | None = None
    rotate: int = 0
    region: tuple[float, float, float, float] | None = None
    split: Mapping[str, str] = field(default_factory=dict)
    part: Literal["all", "middle", "last"] = "all"
    groups: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", subject_name(self.subject))


@dataclass(frozen=True)
class Difference:
    """One thing in which a database on disk is not as expected: what, how many there are, how many there should be."""

    what: str
    found: int
    expected: int


class Database(Protocol):
    """A database on disk, as a reader sees it; making one reads no picture.

    A reader is a factory registered with `register_dataset(name, ...)` whose only positional parameter is `root`. The
    registration states `fer_zoo.specs.TERMS`, which every card of weights repeats. It may have `problems`, one line for
    each, and `facts`, what else made the labels, e.g. a table's checksum; a store repeats both.
    """

    def sources(self) -> Iterator[Source]:
        """Yield every labelled stretch, sorted by key; raises InputError if the layout is not there."""

    def check(self, sources: Sequence[Source]) -> Sequence[Difference]:
        """Compare the sources, all that `sources` gave, with what is known of the database; empty if none differs."""
