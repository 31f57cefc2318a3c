"""Rendered clips on demand: made in memory, or kept as shards of a clip store in a cache folder.

One cache folder holds clips of one kind (dataset, labels, size, frames, rate, seed, generator); each shard in it is one
take of one subject, with all labels. Shards are complete or absent and independent of each other, so rendering may be
killed and resumes, any number of processes gives the same bytes, and more subjects or takes are added later.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_zoo._version import __version__
from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.pool import spread
from fer_zoo.data.prepare import claim
from fer_zoo.data.rendering import RenderSpec, rendered_facts, stored_clip
from fer_zoo.data.store import Store, StoreHeader, digest, write_shard
from fer_zoo.data.store.reader import counted, read_index
from fer_zoo.data.store.records import index_path
from fer_zoo.data.store.writer import writing
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.files import clear_leftovers, locked
from fer_zoo.notebooks import can_show_bars
from fer_zoo.registry import unknown_name
from fer_zoo.specs import ComponentSpec

if TYPE_CHECKING:
    from fer_zoo.synth.family import HeadFamily

# Raise when the meaning of the files changes. Changes of what the generator draws are found by `_probe`.
CACHE_FORMAT = 3
_MOST_TAKES = 1000

Chunk = tuple[int, int]  # subject, take
Source = Callable[[], "HeadFamily"]  # picklable, so that every process finds the heads itself


@dataclass(frozen=True)
class Settings:
    """The kind of the clips of one cache folder."""

    dataset: str
    labels: tuple[str, ...]
    frames: int
    size: int
    fps: float
    seed: int
    format: int = CACHE_FORMAT


def rendered_clips(request: ClipRequest, dataset: str, source: Source, render_seed: int) -> ClipSet:
    """Return the requested clips of a dataset of rendered heads; renders those that the cache does not hold yet.

    Raises:
        UnknownNameError: a label that the generator has no expression for.
        InputError: the cache folder cannot be used.
    """
    from fer_zoo.synth import LABELS  # loads numba, which is not needed to train on other data

    for label in request.labels:
        if label not in LABELS:
            raise unknown_name(f"expression of {dataset}", label, LABELS, "give model.labels the names of expressions")
    settings = Settings(dataset, tuple(request.labels), request.frames, request.canvas, request.fps, render_seed)
    chunks = [(subject, take) for subject in range(*request.subjects) for take in range(request.takes)]
    if request.cache is None:
        return _drawn(settings, source(), chunks)
    if request.takes > _MOST_TAKES:
        raise InputError(f"{request.takes} takes of each subject.", f"{_MOST_TAKES} at most", "lower data.takes")
    probe = _probe(settings, source())
    made_by = {**asdict(settings), "labels": list(settings.labels), "probe": probe}
    fingerprint = hashlib.sha256(json.dumps(made_by, indent=1, sort_keys=True).encode()).hexdigest()
    folder = request.cache / f"{dataset}-{fingerprint[:16]}"
    claim(folder, made_by)
    if _missing(folder, chunks):
        _render_missing(folder, settings, probe, source, chunks, request.workers)
    return _read(folder, settings, chunks, fingerprint)


def _drawn(settings: Settings, family: HeadFamily, chunks: Sequence[Chunk]) -> ClipSet:
    """Render clips into memory."""
    from fer_zoo.synth import render_clip, subject_groups

    try:
        clips = [
            render_clip(
                subject,
                label,
                take,
                size=settings.size,
                family=family,
                frames=settings.frames,
                fps=settings.fps,
                seed=settings.seed,
            )
            for subject, take in chunks
            for label in settings.labels
        ]
    except FerZooError as error:
        raise InputError(
            f"{settings.dataset} cannot render what the recipe asks for: {error.given}",
            error.accepted,
            "change data.canvas or model.input",
        ) from error
    count = len(settings.labels)
    subjects, takes = (np.repeat(np.array(column), count) for column in zip(*chunks, strict=True))
    groups = {subject: subject_groups(settings.seed, subject, family) for subject, _ in chunks}
    names = sorted({name for found in groups.values() for name in found})
    made = ClipSet.from_arrays(
        np.stack([clip.frames for clip in clips]),
        np.stack([clip.landmarks for clip in clips]).astype(np.float32),
        np.tile(np.arange(count), len(chunks)),
        subjects,
        settings.labels,
        takes,
        exact=True,
    )
    return replace(
        made,
        groups={name: tuple(groups[int(subject)][name] for subject in subjects) for name in names},
        intensities=np.stack([clip.intensity for clip in clips]),
    )


@functools.cache
def _probe(settings: Settings, family: HeadFamily) -> str:
    """Return a hash of one small clip of each label, each of another subject.

    A generator that draws otherwise (another version, other data, other arithmetic) thereby gets another cache folder
    without a version number that someone has to raise.
    """
    sha256 = hashlib.sha256()
    for subject, label in enumerate(settings.labels):
        made = _drawn(replace(settings, labels=(label,), size=48), family, [(subject, 0)])
        sha256.update(made.read(np.array([0])).tobytes() + made.landmarks.tobytes())
    return sha256.hexdigest()


def _number(chunk: Chunk) -> int:
    """Return the number of a chunk's shard."""
    return chunk[0] * _MOST_TAKES + chunk[1]


def _render_chunk(folder: Path, settings: Settings, probe: str, source: Source, chunk: Chunk) -> None:
    family = source()
    if _probe(settings, family) != probe:
        # A worker imports the code again; clips of other code must not get under this folder's name.
        raise InputError(
            "A rendering process draws other faces than the process that started it.",
            "the same code and data in all processes",
            "start again: fer_zoo was changed while it was running",
        )
    made = _drawn(settings, family, [chunk])
    write_shard(folder, _number(chunk), (stored_clip(made, row, settings.fps) for row in range(len(made))))


def _missing(folder: Path, chunks: Sequence[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if not index_path(folder, _number(chunk)).exists()]


def _render_missing(
    folder: Path, settings: Settings, probe: str, source: Source, chunks: Sequence[Chunk], workers: int
) -> None:
    """Render what is missing; another process with the same folder waits, and then finds the clips there."""
    from rich.progress import track

    render = functools.partial(_render_chunk, folder, settings, probe, source)
    with writing(folder), locked(folder / ".lock", wait=float("inf")):
        for place in (folder, folder / "shards"):
            clear_leftovers(place)
        missing = _missing(folder, chunks)
        drawn, title = spread(render, missing, workers), f"rendering {settings.dataset}"
        for _ in track(drawn, title, total=len(missing), disable=not can_show_bars()):
            pass


def _read(folder: Path, settings: Settings, chunks: Sequence[Chunk], fingerprint: str) -> ClipSet:
    """Return the clips of these chunks; subjects keep their numbers, whichever others are in the folder."""
    shards = [read_index(folder, _number(chunk)) for chunk in chunks]
    spec = RenderSpec(frames=settings.frames, fps=settings.fps, canvas=settings.size)
    facts = rendered_facts(ComponentSpec(name=settings.dataset), spec, "raw", sources_sha256=digest(map(str, chunks)))
    header = StoreHeader(**facts.model_dump(), fer_zoo=__version__, failures=0, **counted(shards))
    clips = Store(folder, header, [index for index, _ in shards]).as_clip_set(settings.labels)
    numbers = np.array([int(clips.subject_names[int(place)]) for place in clips.subjects], np.int64)
    # Named by number, as clips in memory are: whether clips were cached must not show in a training run.
    return replace(
        clips, subjects=numbers, subject_names={}, keys=(), videos=(), stores=frozenset(), fingerprint=fingerprint
    )
