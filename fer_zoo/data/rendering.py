"""Preparing a dataset that makes its clips itself: its subjects, assigned to shards."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.shards import MOST_PER_SHARD, Notes, StorePlan, per_shard, shared_landmarker
from fer_zoo.data.store import ClipFacts, Failure, StoredClip, StoreFacts, digest
from fer_zoo.data.store.fits import EXACT
from fer_zoo.data.store.records import Count, Encoding
from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import Box, Face, Landmarker
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec, CropSpec
from fer_zoo.specs.base import AboveZero, Positive, Spec
from fer_zoo.stopwatch import stage
from fer_zoo.video.crop import clip_box

# How far, in sides of the frame, the square that frames are stated to show may lie outside them: the unsteady camera of
# the synthetic faces is off by a hundredth on average, a head that nods while its mouth opens by up to 0.06.
_OUTSIDE = 0.1

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class RenderSpec(Spec):
    """Which clips a dataset makes for a store; all of it is written into the store."""

    labels: tuple[Label, ...] = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
    """Expressions that every subject shows."""
    subjects: tuple[Count, Count] = (0, 300)
    """Numbers of the subjects, [first, one past the last]."""
    takes: Positive = 1
    """Clips of each subject and label."""
    frames: Positive = 10
    """Frames of a clip."""
    fps: AboveZero = 25.0
    """Frames per second."""
    canvas: Positive = 112
    """Side in pixels of the frames."""
    crop: CropSpec = CropSpec(scale=1.6, shift_up=0.0)
    """What the frames show, as a crop around the face; checked against the landmarks of every clip."""
    detector: ComponentSpec = ComponentSpec(name=EXACT)
    """`exact` landmarks, or a landmarker that follows the rendered faces: with its own errors, as in use."""

    @model_validator(mode="after")
    def _some_clips(self) -> RenderSpec:
        if self.subjects[0] >= self.subjects[1] or not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(
                f"subjects {list(self.subjects)}, labels {list(self.labels)}: no clips, or a duplicate label"
            )
        return self


def plan_rendering(dataset: ComponentSpec, spec: RenderSpec, encoding: Encoding) -> StorePlan:
    """Plan the store of a dataset that makes its clips; makes the first subject's, to know its version.

    Raises:
        UnknownNameError, OptionError, MissingExtraError: no such dataset, detector or option.
        InputError: it cannot make such clips.
    """
    first, end = spec.subjects
    each = max(1, min(per_shard(end - first), MOST_PER_SHARD // (len(spec.labels) * spec.takes)))
    ranges = [(at, min(at + each, end)) for at in range(first, end, each)]
    sample = _sample(dataset, spec)
    keys = itertools.starmap(_key, itertools.product(range(first, end), spec.labels, range(spec.takes)))
    preparation = {
        **spec.model_dump(mode="json", include={"labels", "subjects", "takes"}),
        "subjects_per_shard": each,
        # A version that draws other clips must not resume a store of this one.
        "sample_sha256": hashlib.sha256(sample).hexdigest(),
    }
    facts = rendered_facts(dataset, spec, encoding, sources_sha256=digest(keys), preparation=preparation)
    return StorePlan(facts, tuple(functools.partial(_clips, dataset, spec, part) for part in ranges))


def rendered_facts(dataset: ComponentSpec, spec: RenderSpec, encoding: Encoding, **other: Any) -> StoreFacts:
    """Return the facts of a store of rendered clips; `other` facts are given."""
    return StoreFacts(
        reader=dataset,
        detector=spec.detector,
        detector_version="1" if spec.detector.name == EXACT else shared_landmarker(spec.detector).version,
        crop=spec.crop,
        size=spec.canvas,
        frames=spec.frames,
        fps=spec.fps,
        encoding=encoding,
        **other,
    )


def _clips(dataset: ComponentSpec, spec: RenderSpec, subjects: tuple[int, int], notes: Notes) -> Iterator[StoredClip]:
    """Let the dataset make the clips of one shard in memory."""
    with stage("render"):
        made = _made(dataset, spec, subjects)
    for row in range(len(made)):
        with stage("render"):
            clip = stored_clip(made, row, spec.fps)
        _check_shows(clip.landmarks, spec, clip.facts.key)
        notes.frames += len(clip.frames)
        if spec.detector.name != EXACT:
            clip = followed(clip, shared_landmarker(spec.detector))
        if np.isnan(clip.landmarks).all():
            notes.failures.append(Failure(clip.facts.key, f"{spec.detector.name} finds no face in it"))
            continue
        yield clip


def followed(clip: StoredClip, landmarker: Landmarker) -> StoredClip:
    """Return a rendered clip with the landmarks that a landmarker finds, NaN in frames where it loses the face.

    It follows the face from frame to frame, and starts at the exact place: the frames show little round the face, in
    which a search finds less than in a video.
    """
    landmarks, scores = np.full_like(clip.landmarks, np.nan), np.zeros_like(clip.scores)
    last = None
    for number, (frame, exact) in enumerate(zip(clip.frames, clip.landmarks, strict=True)):
        last = landmarker.follow(frame, last or Face(Box.of_points(exact), 1.0, exact))
        if last is not None:
            landmarks[number], scores[number] = last.landmarks, last.score
    return clip._replace(landmarks=landmarks, scores=scores)


def stored_clip(made: ClipSet, row: int, fps: float) -> StoredClip:
    """Return a made clip as a store keeps it."""
    frames, subject, take = made.read(np.array([row]))[0], int(made.subjects[row]), int(made.takes[row])
    label, edge = made.names[made.labels[row]], frames.shape[1] - 0.5
    facts = ClipFacts(
        key=_key(subject, label, take),
        label=label,
        subject=f"{subject:06d}",
        take=take,
        files=(),
        frame_range=(0, len(frames)),
        fps=fps,
        box=(-0.5, -0.5, edge, edge),
        groups={name: of[row] for name, of in made.groups.items() if of[row]},
        intensity=None if made.intensities is None else tuple(made.intensities[row].astype(float).round(3).tolist()),
    )
    return StoredClip(facts, frames, np.asarray(made.landmarks[row], np.float32), np.ones(len(frames), np.float32))


def _sample(dataset: ComponentSpec, spec: RenderSpec) -> bytes:
    """Return the pixels and landmarks of the first subject's clips, which must show what `spec.crop` states."""
    first = spec.subjects[0]
    made = _made(dataset, spec.model_copy(update={"takes": 1}), (first, first + 1))
    for row in range(len(made)):
        _check_shows(made.landmarks[row], spec, made.key(row))
    return made.read(np.arange(len(made))).tobytes() + np.asarray(made.landmarks, "<f4").tobytes()


def _made(dataset: ComponentSpec, spec: RenderSpec, subjects: tuple[int, int]) -> ClipSet:
    request = ClipRequest(spec.labels, subjects, spec.takes, spec.frames, spec.fps, spec.canvas)
    with redirect_stdout(StringIO()):  # what the dataset prints, such as progress bars: here shards are counted
        made: ClipSet = DATASETS.get(dataset.name).build(options=dataset.options, request=request)
    if not made.exact:
        raise InputError(
            f"The landmarks of dataset {dataset.name!r} are not exact.",
            "a set of clips with exact=True, whose landmarks are the renderer's",
            "write its pictures to a folder, and prepare that with the reader `folder`",
        )
    return made


def _check_shows(points: np.ndarray, spec: RenderSpec, key: str) -> None:
    box = clip_box(points, spec.crop)
    if box is None:
        raise InputError(
            f"{key} has no face in any frame.", "landmarks of a face", "report it: this is a bug of the dataset"
        )
    outside = max(-0.5 - box.x0, -0.5 - box.y0, box.x1 - spec.canvas + 0.5, box.y1 - spec.canvas + 0.5) / spec.canvas
    if outside > _OUTSIDE:
        raise InputError(
            f"The frames of {key} do not show the stated crop: {spec.crop} lies {outside:.0%} outside.",
            f"a square around the face that lies in the frames, or at most {_OUTSIDE:.0%} outside",
            "state a smaller one: --set 'crop={scale: ..., shift_up: ...}'",
        )


def _key(subject: int, label: str, take: int) -> str:
    return f"{subject:06d}/{label}/{take:03d}"
