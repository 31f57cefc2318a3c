"""One shard of a store as a job, which writes the same files in any process and on any machine."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fer_zoo.data.store import Failure, StoredClip, StoreFacts, write_shard
from fer_zoo.data.store.records import Encoding
from fer_zoo.errors import InputError
from fer_zoo.files import write_atomically
from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.specs import ComponentSpec
from fer_zoo.stopwatch import measured, stage

# Most jobs (sources, or clips to render) per shard, and fewest shards if there are enough jobs: then many workers have
# something to do, a kill loses little, and a reader keeps all shards mapped.
MOST_PER_SHARD, FEWEST_SHARDS = 64, 64


def shared_landmarker(spec: ComponentSpec) -> Landmarker:
    """Return the landmarker of a spec; loaded once per process and kept for the next shard."""
    return _landmarker(spec.model_dump_json())


@functools.lru_cache(maxsize=1)
def _landmarker(spec: str) -> Landmarker:
    return create_landmarker(ComponentSpec(**json.loads(spec)))


def per_shard(jobs: int) -> int:
    """Return how many jobs a shard has at most; it depends on their number only, never on the workers."""
    return max(1, min(MOST_PER_SHARD, jobs // FEWEST_SHARDS))


@dataclass
class Notes:
    """What is reported of a shard besides its clips, in a file beside it; frames: of the sources that gave some.

    brief, faceless: faces seen for less than a clip, and clips with a face in too few frames; none of them is stored.
    """

    failures: list[Failure] = field(default_factory=list)
    brief: int = 0
    faceless: int = 0
    frames: int = 0


# Makes the clips of one shard, always in the same order, and notes what is reported of them. It is sent to a worker.
Content = Callable[[Notes], Iterator[StoredClip]]


@dataclass(frozen=True)
class StorePlan:
    """A store to be made: its facts, the content of each shard, and problems of the database as a whole."""

    facts: StoreFacts
    contents: tuple[Content, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """What making shards took: clips written, frames of their sources, seconds of each stage."""

    clips: int = 0
    frames: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Made) -> Made:
        stages = {**self.seconds, **other.seconds}
        seconds = {name: self.seconds.get(name, 0.0) + other.seconds.get(name, 0.0) for name in stages}
        return Made(self.clips + other.clips, self.frames + other.frames, seconds)


def make_shard(out: Path, encoding: Encoding, job: tuple[int, Content]) -> Made:
    """Write the shard of a number and a content, and its notes.

    Raises:
        InputError: the store's folder is not writable.
    """
    (number, content), notes = job, Notes()

    def clips() -> Iterator[StoredClip]:
        yield from content(notes)
        # When the last clip is in the tar and before its index is there, which says that all of the shard is.
        write_atomically(_notes_path(out, number), lambda stream: stream.write(_NOTES.dump_json(notes) + b"\n"))

    with measured() as watch, stage("write"):
        index = write_shard(out, number, clips(), encoding=encoding)
    return Made(len(index.clips), notes.frames, watch.seconds)


def read_notes(out: Path, number: int) -> Notes:
    """The notes of a finished shard.

    Raises:
        InputError: they are missing or damaged.
    """
    path = _notes_path(out, number)
    try:
        return _NOTES.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            "the notes of a finished shard as they were written",
            f"delete {number:06d}.json beside it and prepare again, which makes only this shard again",
        ) from error


def _notes_path(out: Path, number: int) -> Path:
    return out / "shards" / f"{number:06d}.notes.json"


_NOTES = TypeAdapter(Notes)
