"""Preparing a database on disk: its sources, sorted and dealt into shards, become clips."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_zoo.data.cut import Cut, CutSpec, cut_windows, find_windows
from fer_zoo.data.shards import Notes, Plan
from fer_zoo.data.sources import Database, Source
from fer_zoo.data.store import ClipFacts, Failure, StoredClip, StoreFacts, digest
from fer_zoo.data.store.records import Encoding
from fer_zoo.errors import InputError, NoFaceError, OptionError, VideoError
from fer_zoo.landmarks import create_landmarker
from fer_zoo.landmarks.base import Landmarker
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec

PER_SHARD = 64


def open_database(name: str, root: Path, options: Mapping[str, Any]) -> Database:
    """Return a registered database below `root`; no picture is read.

    Raises:
        UnknownNameError, OptionError: no such dataset, an option it does not have, or it makes its clips itself.
        InputError: the layout is not there.
    """
    entry = DATASETS.get(name)
    if "root" not in entry.injected:
        readers = [known for known in DATASETS.names() if "root" in DATASETS.get(known).injected]
        raise OptionError(
            f"Dataset {name!r} makes its clips itself; there is nothing to read.",
            ", ".join(readers),
            f"leave out the folder: `fer-zoo prepare {name}`",
        )
    database: Database = entry.build(options=options, root=root)
    return database


def plan_reading(dataset: ComponentSpec, root: Path, spec: CutSpec, encoding: Encoding) -> Plan:
    """What becomes of a database.

    Raises:
        UnknownNameError, OptionError, MissingExtraError: there is no such reader, detector or option.
        InputError: the layout is not there, or nothing is labelled.
    """
    database = open_database(dataset.name, root, dataset.options)
    sources = sorted(database.sources(), key=lambda source: source.key)
    _check(sources, root)
    facts = StoreFacts(
        reader=dataset,
        detector=spec.detector,
        detector_version=_landmarker(spec.detector.model_dump_json()).version,
        crop=spec.stored_crop,
        size=spec.canvas,
        frames=spec.frames,
        fps=spec.fps,
        encoding=encoding,
        sources_sha256=digest(_line(source) for source in sources),
        preparation={
            **spec.model_dump(mode="json", include={"face", "short", "smooth", "margin"}),
            "per_shard": PER_SHARD,
        },
    )
    seen: Counter[tuple[str | None, str]] = Counter()
    numbered = []
    for source in sources:
        numbered.append((seen[source.subject, source.label], source))
        seen[source.subject, source.label] += 1
    parts = [tuple(numbered[at : at + PER_SHARD]) for at in range(0, len(numbered), PER_SHARD)]
    problems = tuple(getattr(database, "problems", ()))
    return Plan(facts, tuple(Sources(part, root.absolute(), spec) for part in parts), problems)


@dataclass(frozen=True)
class Sources:
    """The sources of one shard, each with its number among those of the same subject and label."""

    sources: tuple[tuple[int, Source], ...]
    root: Path
    spec: CutSpec

    def clips(self, notes: Notes) -> Iterator[StoredClip]:
        """Cut the clips of each source; one that gives none is noted and stops nothing."""
        landmarker = _landmarker(self.spec.detector.model_dump_json())
        for take, source in self.sources:
            try:
                found = find_windows(source, self.root, self.spec, landmarker)
                notes.brief += found.brief
                notes.frames += len(found.tracks[0])
                if found.damage:
                    notes.failures.append(Failure(source.key, f"its clips are in the store, but: {found.damage}"))
                for cut in cut_windows(source, self.root, self.spec, found):
                    yield self._stored(source, take, cut)
            except (VideoError, NoFaceError, InputError) as error:  # others are not the source's: a detector's weights
                notes.failures.append(Failure(source.key, " ".join(error.given.split())))

    def _stored(self, source: Source, take: int, cut: Cut) -> StoredClip:
        person = f".p{cut.person}" if self.spec.face == "all" else ""
        facts = ClipFacts(
            key=f"{source.key}/{cut.number:03d}{person}",
            video=f"{source.key}{person}",
            label=source.label,
            # Of everybody in the picture, whoever they are: who shares a video, or is one person taken for two after a
            # gap, must not be split between training and test.
            subject=source.subject,
            take=take,
            files=tuple(file.as_posix() for file in source.files),
            frame_range=(min(cut.numbers), max(cut.numbers) + 1),
            fps=self.spec.fps,
            box=tuple(float(edge) for edge in cut.box) if cut.box else None,
            split=dict(source.split),
        )
        return StoredClip(facts, cut.frames, cut.points, cut.scores)


def _check(sources: Sequence[Source], root: Path) -> None:
    twice = [key for key, count in Counter(source.key for source in sources).items() if count > 1]
    if twice:
        raise InputError(
            f"The reader gives {twice[0]!r} twice.", "keys that stand once", "report it: this is its fault"
        )
    if not sources:
        raise InputError(
            f"Nothing labelled was found below {root}.",
            "labelled videos or sequences",
            "`fer-zoo data check` says what is there and what is expected",
        )


@functools.lru_cache(maxsize=1)
def _landmarker(spec: str) -> Landmarker:
    return create_landmarker(ComponentSpec(**json.loads(spec)))


def _line(source: Source) -> str:
    files = ",".join(file.as_posix() for file in source.files)
    frames = "" if source.frames is None else f"{source.frames[0]}:{source.frames[1]}"
    return "\t".join([source.key, source.label, source.subject or "", frames, files])
