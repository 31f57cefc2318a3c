"""Preparing a database on disk: its sources, sorted and assigned to shards, become clips."""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_zoo.data.cut import Cut, CutSpec, cut_windows, find_windows
from fer_zoo.data.shards import Notes, StorePlan, per_shard, shared_landmarker
from fer_zoo.data.sources import Database, Source
from fer_zoo.data.store import ClipFacts, Failure, StoredClip, StoreFacts, digest
from fer_zoo.data.store.records import Encoding
from fer_zoo.errors import InputError, NoFaceError, OptionError, VideoError
from fer_zoo.paths import shown
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec

# A shard gets no further source beyond this many bytes of source files: long videos make many clips each.
SHARD_BYTES = 256 * 2**20


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


def plan_reading(
    dataset: ComponentSpec, root: Path, spec: CutSpec, encoding: Encoding, cache: Path | None = None
) -> StorePlan:
    """Plan the store of a database.

    Args:
        cache: folder of landmarks that were found before, and are kept for other stores.

    Raises:
        UnknownNameError, OptionError, MissingExtraError: there is no such reader, detector or option.
        InputError: the layout is not there, or nothing is labelled.
    """
    database = open_database(dataset.name, root, dataset.options)
    sources = sorted(database.sources(), key=lambda source: source.key)
    if not sources:
        raise InputError(
            f"Nothing labelled was found below {root}.",
            "labelled videos or sequences",
            "`fer-zoo data check` says what is there and what is expected",
        )
    if spec.stored_crop.scale >= 4:  # `CropSpec` refuses it, and so would a reader of the store
        raise OptionError(
            f"crop.scale {spec.crop.scale:g} with the margin {spec.margin:g} is {spec.stored_crop.scale:g} faces.",
            "a scale times margin below 4",
            "lower crop.scale or margin: --set margin=1",
        )
    sizes = [[_size(root / file) for file in source.files] for source in sources]
    facts = StoreFacts(
        reader=dataset,
        detector=spec.detector,
        detector_version=shared_landmarker(spec.detector).version,
        crop=spec.stored_crop,
        size=spec.canvas,
        frames=spec.frames,
        fps=spec.fps,
        encoding=encoding,
        sources_sha256=digest(map(_line, sources, sizes)),
        preparation={
            **spec.model_dump(mode="json", include={"face", "faces", "short", "smooth", "margin", "sampling"}),
            "sources_per_shard": per_shard(len(sources)),
            "bytes_per_shard": SHARD_BYTES,
            **({"sequence_fps": spec.sequence_fps} if spec.sequence_fps else {}),
            **({"facts": made_by} if (made_by := dict(getattr(database, "facts", {}))) else {}),
        },
    )
    takes = defaultdict[tuple[str | None, str], Iterator[int]](itertools.count)
    numbered = [(next(takes[source.subject, source.label]), source) for source in sources]
    parts = _assigned(numbered, [sum(size or 0 for size in found) for found in sizes])
    problems = tuple(_below(root, problem) for problem in getattr(database, "problems", ()))
    contents = tuple(functools.partial(_clips, part, root.absolute(), spec, cache) for part in parts)
    return StorePlan(facts, contents, problems)


def _assigned(sources: Sequence[tuple[int, Source]], sizes: Sequence[int]) -> list[tuple[tuple[int, Source], ...]]:
    """Return the sources of each shard, in order."""
    most, parts, held = per_shard(len(sources)), list[list[tuple[int, Source]]](), 0
    for source, size in zip(sources, sizes, strict=True):
        if not parts or len(parts[-1]) == most or held + size > SHARD_BYTES:
            parts.append([])
            held = 0
        parts[-1].append(source)
        held += size
    return [tuple(part) for part in parts]


def _clips(
    sources: Sequence[tuple[int, Source]], root: Path, spec: CutSpec, cache: Path | None, notes: Notes
) -> Iterator[StoredClip]:
    """Cut the clips of one shard's sources, each with its number among those of the same subject and label.

    A source that gives no clip, or has other problems, is noted and stops nothing.
    """
    landmarker = shared_landmarker(spec.detector)
    for take, source in sources:
        count, fault = 0, None
        try:
            found = find_windows(source, root, spec, landmarker, cache)
            notes.brief += found.brief
            notes.faceless += found.faceless
            notes.frames += len(found.tracks[0])
            fault = found.damage
            for cut in cut_windows(source, root, spec, found):
                yield _stored(source, take, cut, spec)
                count += 1
        except (VideoError, NoFaceError, InputError) as error:  # others are not the source's: a detector's weights
            fault = error.given
        if fault:
            notes.failures.append(Failure(source.key, _below(root, " ".join(fault.split())), count))


def _stored(source: Source, take: int, cut: Cut, spec: CutSpec) -> StoredClip:
    face = f".p{cut.face}" if spec.face == "all" else ""
    facts = ClipFacts(
        key=f"{source.key}/{cut.number:03d}{face}",
        video=f"{source.key}{face}",
        label=source.label,
        # The same for every face of a video: faces that share a video, or are one subject's found again after a
        # gap, must not be split between training and test set.
        subject=source.subject,
        take=take,
        files=tuple(file.as_posix() for file in source.files),
        frame_range=(min(cut.numbers), max(cut.numbers) + 1),
        fps=cut.fps,
        box=tuple(float(edge) for edge in cut.box) if cut.box else None,
        split=dict(source.split),
        groups=dict(source.groups),
    )
    return StoredClip(facts, cut.frames, cut.landmarks, cut.scores)


def _size(file: Path) -> int | None:
    """Return the bytes of a file; None for a missing one, which decoding will report."""
    try:
        return file.stat().st_size
    except OSError:
        return None


def _line(source: Source, sizes: Sequence[int | None]) -> str:
    """Return all that is known of a source, and its files' sizes: a store is not resumed if any of it changes."""
    known = vars(source).copy()
    known["files"] = [[file.as_posix(), size] for file, size in zip(source.files, sizes, strict=True)]
    return json.dumps(known, sort_keys=True, default=dict)


def _below(root: Path, text: str) -> str:
    """Return a text with paths relative to the root, so that notes are the same on every machine."""
    for folder in {str(root.absolute()), str(root)} - {".", "/"}:
        for written in {folder, shown(folder)}:
            text = re.sub(rf"(?<![\w./-]){re.escape(written.rstrip(os.sep))}{re.escape(os.sep)}", "", text)
    return text
