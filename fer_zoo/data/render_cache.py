"""A cache folder of rendered clips, from which clips are read as they are needed.

One cache folder holds clips of one kind (dataset, labels, size, frames, rate, render seed, generator); in it a chunk is
one take of one identity: all its labels. Chunks are written whole or not at all and hang on nothing else, so rendering
may be killed and goes on where it was, any number of processes gives the same bytes, and more identities or takes are
added to what is there.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_zoo.data.clips import ClipRequest, ClipSet, FrameFiles, Frames, Points
from fer_zoo.data.pool import spread
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.files import clear_leftovers, write_atomically, write_text
from fer_zoo.registry import unknown_name

if TYPE_CHECKING:
    from fer_zoo.synth.family import HeadFamily

# Raise when the meaning of the files changes. What the generator draws is told by `_probe`, not by a number.
CACHE_FORMAT = 1

Settings = dict[str, object]
Chunk = tuple[int, int]  # identity, take
Source = Callable[[], "HeadFamily"]  # pickles, so that every process finds the heads itself


def rendered_clips(request: ClipRequest, dataset: str, source: Source, render_seed: int) -> ClipSet:
    """The clips that a dataset of rendered heads is asked for; renders what the cache does not hold yet.

    Raises:
        UnknownNameError: a label that the generator has no expression for.
        InputError: the cache folder cannot be used.
    """
    from fer_zoo.synth import LABELS, person_groups  # loads numba; who trains on other data need not

    for label in request.labels:
        if label not in LABELS:
            raise unknown_name(f"expression of {dataset}", label, LABELS, "give model.labels the names of expressions")
    settings: Settings = {
        "format": CACHE_FORMAT,
        "dataset": dataset,
        "labels": list(request.labels),
        "frames": request.frames,
        "size": request.canvas,
        "fps": request.fps,
        "seed": render_seed,
    }
    settings["probe"] = _probe(json.dumps(settings), source())
    fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    folder = request.cache / f"{dataset}-{fingerprint[:16]}"
    _open_folder(folder, settings)
    chunks = [(subject, take) for subject in range(*request.subjects) for take in range(request.takes)]
    _render_missing(folder, settings, source, chunks, request.workers)
    of = {subject: person_groups(render_seed, subject, source()) for subject in range(*request.subjects)}
    made = _clip_set(folder, request, chunks, fingerprint)
    names = sorted({name for groups in of.values() for name in groups})
    return replace(made, groups={name: tuple(of[int(who)][name] for who in made.subjects) for name in names})


def _render(
    settings: Settings, family: HeadFamily, identity: int, take: int, labels: list[str], size: int
) -> tuple[Frames, Points]:
    from fer_zoo.synth import render_clip

    how = {name: settings[name] for name in ("frames", "fps", "seed")}
    try:
        clips = [
            render_clip(identity, label, take, size=size, family=family, **how)  # type: ignore[arg-type]
            for label in labels
        ]
    except FerZooError as error:
        raise InputError(
            f"{settings['dataset']} cannot render what the recipe asks: {error.given}",
            error.accepted,
            "change data.canvas or model.input",
        ) from error
    return np.stack([c.frames for c in clips]), np.stack([c.landmarks for c in clips]).astype(np.float32)


@functools.cache
def _probe(settings_json: str, family: HeadFamily) -> str:
    """Hash of one small clip of each label, each of another identity.

    A generator that draws otherwise (another version, other data, other arithmetic) thereby gets another cache folder,
    without anybody having to raise a number.
    """
    settings: Settings = json.loads(settings_json)
    digest = hashlib.sha256()
    for identity, label in enumerate(settings["labels"]):  # type: ignore[arg-type, var-annotated]
        frames, landmarks = _render(settings, family, identity, 0, [label], 48)
        digest.update(frames.tobytes() + landmarks.tobytes())
    return digest.hexdigest()


def _open_folder(folder: Path, settings: Settings) -> None:
    header = folder / "header.json"
    text = json.dumps(settings, indent=1, sort_keys=True)
    try:
        if not header.exists():
            write_text(header, text)
        clear_leftovers(folder)
        found = header.read_text()
    except OSError as error:
        raise InputError(
            f"The cache folder {folder} cannot be used: {error}.",
            "a folder that can be written",
            "set FER_ZOO_CACHE to another folder, or free some space",
        ) from error
    if found != text:
        raise InputError(
            f"{header} does not describe the clips that its folder's name promises.",
            "a header as it was written",
            f"delete {folder}; it is rendered again",
        )


def _chunk_files(folder: Path, chunk: Chunk) -> tuple[Path, Path]:
    stem = f"s{chunk[0]:06d}-t{chunk[1]:03d}"
    return folder / f"{stem}.frames.npy", folder / f"{stem}.points.npy"


def _render_chunk(folder: Path, settings: Settings, source: Source, chunk: Chunk) -> None:
    family = source()
    asked = {key: value for key, value in settings.items() if key != "probe"}
    if _probe(json.dumps(asked), family) != settings["probe"]:
        # A worker reads the code anew; its clips must not get under a name that stands for others.
        raise InputError(
            "A rendering process draws other faces than the process that started it.",
            "the same code and data in all processes",
            "start again: fer_zoo was changed while it was running",
        )
    frames, landmarks = _render(settings, family, *chunk, settings["labels"], settings["size"])  # type: ignore[arg-type]
    frames_file, points_file = _chunk_files(folder, chunk)
    # The frames come last: where they are, the chunk is whole.
    write_atomically(points_file, lambda stream: np.save(stream, landmarks))
    write_atomically(frames_file, lambda stream: np.save(stream, frames))


def _render_missing(folder: Path, settings: Settings, source: Source, chunks: list[Chunk], workers: int) -> None:
    missing = [chunk for chunk in chunks if not _chunk_files(folder, chunk)[0].exists()]
    if not missing:
        return
    render = functools.partial(_render_chunk, folder, settings, source)
    with _progress(f"rendering {settings['dataset']}, {len(missing)} chunks", len(missing)) as advance:
        try:
            for _ in spread(render, missing, workers):
                advance()
        except OSError as error:
            raise InputError(
                f"Clips cannot be written to {folder}: {error}.",
                f"room for {len(missing)} chunks",
                "free some space or set FER_ZOO_CACHE to another folder; what is rendered is kept",
            ) from error


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def _clip_set(folder: Path, request: ClipRequest, chunks: list[Chunk], fingerprint: str) -> ClipSet:
    files = [_chunk_files(folder, chunk) for chunk in chunks]
    count = len(request.labels)
    landmarks = np.concatenate([np.load(points) for _, points in files])
    subjects, takes = (np.repeat(np.array(column, np.int64), count) for column in zip(*chunks, strict=True))
    return ClipSet(
        frames=FrameFiles(tuple(frames for frames, _ in files), count),
        rows=np.arange(len(chunks) * count),
        landmarks=landmarks,
        labels=np.tile(np.arange(count), len(chunks)),
        subjects=subjects,
        takes=takes,
        names=request.labels,
        fingerprint=fingerprint,
        exact=True,
    )
