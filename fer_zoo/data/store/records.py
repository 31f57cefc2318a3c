"""Records of a clip, a shard and a store as they are written, and the names of their files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from fer_zoo.data.clips import Frames, Points
from fer_zoo.data.store.members import member_sizes
from fer_zoo.specs import ComponentSpec, CropSpec
from fer_zoo.specs.base import AboveZero, Positive, Spec

# Files of a store beside its shards: what it is, and which sources gave no clip, with other problems.
HEADER, FAILURES = "store.json", "failures.csv"
# Raise when the meaning of the files changes; a reader refuses every other number.
FORMAT: Final = 1

Encoding = Literal["raw", "jpeg"]
Count = Annotated[int, Field(ge=0, strict=True)]
# A damaged index must not make a reader allocate memory without limit.
Few = Annotated[int, Field(ge=0, le=100_000, strict=True)]

_KEY = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")


def _checked_key(key: str) -> str:
    if not _KEY.fullmatch(key) or {".", ".."} & set(key.split("/")):
        raise ValueError("a key is made of letters, digits and -_. in parts joined by /, none of them . or ..")
    return key


def _as_text(value: Any) -> Any:
    """Paths as text; bytes of a name that are not UTF-8 are escaped, since JSON cannot hold them."""
    if isinstance(value, Path):
        value = value.as_posix()
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]


class ClipFacts(Spec):
    """What is known of a clip besides its pixels and landmarks."""

    key: Annotated[str, AfterValidator(_checked_key)]
    """Unique in the store; letters, digits, -_. and /."""
    video: Text | None = None
    """The labelled stretch of one face from which it and other clips were cut; None if it is the only one."""
    label: Text
    """One of `fer_zoo.data.sources.LABELS`, or a label of the user's own."""
    subject: Text | None
    """None where the database does not state it."""
    take: Count = 0
    """Number of the clip among those of its subject and label, from 0."""
    files: tuple[Text, ...]
    """Video, or images of a sequence, relative to the database's root."""
    frame_range: tuple[Count, Count]
    """Half-open range of source frames."""
    fps: AboveZero
    """Frames per second of the stored frames."""
    box: tuple[float, float, float, float] | None
    """Left, top, right, bottom of the crop in source pixels; None where frames were turned upright one by one."""
    split: dict[str, str] = Field(default_factory=dict)
    """Its part of each published split."""
    groups: dict[Text, str] = Field(default_factory=dict)
    """Its group in each grouping that the database states, e.g. {"sex": "female"}."""
    intensity: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = None
    """True strength of a rendered expression in each frame; None where it is unknown."""


class StoredClip(NamedTuple):
    """A clip with what is known of it.

    frames: (T, S, S, 3) uint8 RGB. landmarks: (T, 68, 2) float32, in pixels of the frames, NaN without a face.
    scores: (T,) float32, the detector's.
    """

    facts: ClipFacts
    frames: Frames
    landmarks: Points
    scores: Points


class ScoreSummary(Spec):
    """Frames with a face, and the lowest and the mean of the scores that are numbers."""

    faces: Count
    lowest: float | None
    mean: float | None


class ClipRecord(Spec):
    """A clip in the index of its shard; `members` is offset and size in the tar, by the suffix of the member's name."""

    facts: ClipFacts
    scores: ScoreSummary
    members: dict[str, tuple[Count, Count]]


class ShardIndex(Spec):
    """Offsets and facts of the clips in one tar. A shard without clips has `frames` and `size` 0."""

    format: Literal[1] = FORMAT
    number: Count
    encoding: Encoding
    frames: Few
    size: Few
    tar_bytes: Count
    tar_sha256: str
    clips: tuple[ClipRecord, ...]

    @model_validator(mode="after")
    def _within_the_tar(self) -> ShardIndex:
        sizes = member_sizes(self.encoding, self.frames, self.size)
        end = 0
        for clip in self.clips:
            if set(clip.members) != set(sizes):
                raise ValueError(f"clip {clip.facts.key} has members {sorted(clip.members)}")
            for suffix, (offset, size) in sorted(clip.members.items(), key=lambda member: member[1]):
                if offset < end or offset + size > self.tar_bytes or sizes[suffix] not in (None, size):
                    raise ValueError(f"{clip.facts.key}.{suffix} cannot be {size} bytes at {offset}")
                end = offset + size
        if len({clip.facts.key for clip in self.clips}) < len(self.clips):
            raise ValueError("two clips have the same key")
        return self


class StoreFacts(Spec):
    """Everything that made a store; all its clips are of this kind."""

    reader: ComponentSpec
    """The dataset's registered name and its options."""
    detector: ComponentSpec
    """The landmarker's registered name and its options."""
    detector_version: str
    crop: CropSpec
    size: Positive
    frames: Positive
    fps: AboveZero
    encoding: Encoding
    sources_sha256: str
    """`digest` of one line per source, those that failed included."""
    preparation: dict[str, Any] = Field(default_factory=dict)
    """Everything else that decides the clips: which face, alignment, smoothing, short videos."""

    @property
    def sampling(self) -> str | None:
        """`CutSpec.sampling`; None of rendered clips, each of which is a whole video."""
        return str(self.preparation.get("sampling", "dense")) if "face" in self.preparation else None


class ShardEntry(Spec):
    """A shard that belongs to the store, by the sha256 of its index."""

    number: Count
    clips: Count
    index_sha256: str


class StoreHeader(StoreFacts):
    """The content of store.json."""

    format: Literal[1] = FORMAT
    fer_zoo: str
    """Version of fer_zoo that wrote it."""
    clips: Count
    labels: dict[str, Count]
    """Clips of each label."""
    subjects: Count
    failures: Count
    """Lines of failures.csv: sources that gave no clip, and other problems."""
    shards: tuple[ShardEntry, ...]
    fingerprint: str
    """sha256 of the shards' index hashes: another fingerprint means other clips."""


class Failure(NamedTuple):
    """A source that gave no clip, or fewer than it should, and why; or a problem of the database as a whole.

    source: its key; "" of a problem of the whole database, e.g. a row of its table. clips: how many clips of
    the source are in the store nevertheless.
    """

    source: str
    reason: str
    clips: int = 0

    @property
    def is_lost(self) -> bool:
        """Whether the store has no clip of this source."""
        return bool(self.source) and not self.clips


def digest(lines: Iterable[str]) -> str:
    """Return the sha256 of lines in any order."""
    return hashlib.sha256("\n".join(sorted(map(_as_text, lines))).encode()).hexdigest()


def to_json(record: BaseModel, indent: int | None = None) -> str:
    """Return a record as JSON, the same text for the same content."""
    return json.dumps(record.model_dump(mode="json"), sort_keys=True, indent=indent, allow_nan=False) + "\n"


def tar_path(folder: Path, number: int) -> Path:
    """Return the path of a shard's tar."""
    return folder / "shards" / f"{number:06d}.tar"


def index_path(folder: Path, number: int) -> Path:
    """Return the path of a shard's index, without which it does not count."""
    return folder / "shards" / f"{number:06d}.json"
