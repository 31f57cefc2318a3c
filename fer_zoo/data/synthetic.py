"""The dataset `synthmh`: rendered MakeHuman heads, kept in a cache folder from which clips are read as needed.

One cache folder holds clips of one kind (labels, size, frames, rate, render seed, generator); in it a chunk is one
take of one identity: all its labels. Chunks are written whole or not at all and hang on nothing else, so rendering may
be killed and goes on where it was, any number of processes gives the same bytes, and more identities or takes are
added to what is there.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fer_zoo.data.clips import ClipRequest, ClipSet, FrameFiles, Frames, Points
from fer_zoo.data.pool import spread
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.files import write_atomically, write_text
from fer_zoo.registry import register_dataset, unknown_name

# Raise when the meaning of the files changes. What the generator draws is told by `_probe`, not by a number.
CACHE_FORMAT = 1

Settings = dict[str, object]
Chunk = tuple[int, int]  # identity, take


def cache_root() -> Path:
    """Folder for rendered clips: the environment variable FER_ZOO_CACHE, else `~/.cache/fer_zoo`."""
    return Path(os.environ.get("FER_ZOO_CACHE") or Path.home() / ".cache" / "fer_zoo")


@register_dataset(
    "synthmh",
    synthetic=True,
    licence="Apache-2.0",
    terms="None beyond the licence: the faces are rendered from MakeHuman data, which is CC0 1.0.",
    may_use="anybody",
    share_weights="yes, as this package's own are",
    terms_source="fer_zoo/synth/data/LICENSE.md in this package",
    training_data="synthmh: rendered MakeHuman heads (CC0 1.0). No picture of a person was used.",
)
def synthmh(request: ClipRequest, *, render_seed: int = 0) -> ClipSet:
    """Rendered MakeHuman heads: exact landmarks, unlimited identities; renders what the cache does not hold yet.

    Raises:
        UnknownNameError: a label that the generator has no expression for.
        InputError: the cache folder cannot be used.
    """
    from fer_zoo.synth import LABELS  # loads numba; who trains on other data need not

    for label in request.labels:
        if label not in LABELS:
            raise unknown_name("expression of synthmh", label, LABELS, "give model.labels the names of expressions")
    settings: Settings = {
        "format": CACHE_FORMAT,
        "dataset": "synthmh",
        "labels": list(request.labels),
        "frames": request.frames,
        "size": request.canvas,
        "fps": request.fps,
        "seed": render_seed,
    }
    settings["probe"] = _probe(json.dumps(settings))
    fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    folder = request.cache / f"synthmh-{fingerprint[:16]}"
    _open_folder(folder, settings)
    chunks = [(subject, take) for subject in range(*request.subjects) for take in range(request.takes)]
    _render_missing(folder, settings, chunks, request.workers)
    return _clip_set(folder, request, chunks, fingerprint)


def _render(settings: Settings, identity: int, take: int, labels: list[str], size: int) -> tuple[Frames, Points]:
    from fer_zoo.synth import render_clip

    frames, fps, seed = settings["frames"], settings["fps"], settings["seed"]
    try:
        clips = [
            render_clip(identity, label, take, frames=frames, size=size, fps=fps, seed=seed)  # type: ignore[arg-type]
            for label in labels
        ]
    except FerZooError as error:
        raise InputError(
            f"synthmh cannot render what the recipe asks: {error.given}",
            error.accepted,
            "change data.canvas or model.input",
        ) from error
    return np.stack([c.frames for c in clips]), np.stack([c.landmarks for c in clips]).astype(np.float32)


@functools.cache
def _probe(settings_json: str) -> str:
    """Hash of one small clip of each label, each of another identity.

    A generator that draws otherwise (another version, other data, other arithmetic) thereby gets another cache folder,
    without anybody having to raise a number.
    """
    settings: Settings = json.loads(settings_json)
    digest = hashlib.sha256()
    for identity, label in enumerate(settings["labels"]):  # type: ignore[arg-type, var-annotated]
        frames, landmarks = _render(settings, identity, 0, [label], 48)
        digest.update(frames.tobytes() + landmarks.tobytes())
    return digest.hexdigest()


def _open_folder(folder: Path, settings: Settings) -> None:
    header = folder / "header.json"
    text = json.dumps(settings, indent=1, sort_keys=True)
    try:
        if not header.exists():
            write_text(header, text)
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


def _render_chunk(folder: Path, settings: Settings, chunk: Chunk) -> None:
    asked = {key: value for key, value in settings.items() if key != "probe"}
    if _probe(json.dumps(asked)) != settings["probe"]:
        # A worker reads the code anew; its clips must not get under a name that stands for others.
        raise InputError(
            "A rendering process draws other faces than the process that started it.",
            "the same code and data in all processes",
            "start again: fer_zoo was changed while it was running",
        )
    frames, landmarks = _render(settings, *chunk, settings["labels"], settings["size"])  # type: ignore[arg-type]
    frames_file, points_file = _chunk_files(folder, chunk)
    # The frames come last: where they are, the chunk is whole.
    write_atomically(points_file, lambda stream: np.save(stream, landmarks))
    write_atomically(frames_file, lambda stream: np.save(stream, frames))


def _render_missing(folder: Path, settings: Settings, chunks: list[Chunk], workers: int) -> None:
    missing = [chunk for chunk in chunks if not _chunk_files(folder, chunk)[0].exists()]
    if not missing:
        return
    render = functools.partial(_render_chunk, folder, settings)
    with _progress(f"rendering synthmh, {len(missing)} chunks", len(missing)) as advance:
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
    )
