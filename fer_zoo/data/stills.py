"""Rendered stills for training a landmark detector, made in parts that are kept: a killed run resumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_zoo.data.pool import spread
from fer_zoo.errors import InputError
from fer_zoo.files import write_atomically
from fer_zoo.specs.base import Spec
from fer_zoo.synth.family import HeadFamily, makehuman
from fer_zoo.synth.ict import ict_family
from fer_zoo.synth.still import render_still
from fer_zoo.synth.variety import varied

Arrays = Mapping[str, NDArray[Any]]
_PER_PART = 10  # subjects


class StillsSpec(Spec):
    """Stills of one database of rendered heads, kept in grey."""

    database: Literal["synthmh", "synthict", "synthphoto"]
    subjects: Annotated[int, Field(ge=1)]
    takes: Annotated[int, Field(ge=1)] = 15
    """Stills per subject."""
    first: Annotated[int, Field(ge=0)] = 0
    """Number of the first subject."""
    size: Annotated[int, Field(ge=32, le=512)] = 128
    variety: Annotated[float, Field(ge=0, le=1)] = 0.6
    seed: Annotated[int, Field(ge=0)] = 0


class StoreSpec(Spec):
    """Frames of a clip store with exact landmarks: people as a video shows them, milder than stills."""

    store: Annotated[str, Field(min_length=1)]
    """Folder of the store."""
    every: Annotated[int, Field(ge=1)] = 3
    """Use one frame of so many."""
    size: Annotated[int, Field(ge=32, le=512)] = 128
    """Frames are resized to this side in pixels, that of the stills beside them."""


class _Part(NamedTuple):
    spec: StillsSpec
    head: Path | None
    subjects: range
    path: Path


def prepare_stills(
    specs: Sequence[StillsSpec | StoreSpec],
    folder: Path,
    *,
    head: Path | None = None,
    workers: int = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Arrays:
    """Render what `folder` does not hold yet, and return all stills of `specs`.

    Args:
        head: the ICT-FaceKit pack or checkout, for `synthict` and `synthphoto`.

    Returns:
        images uint8 (N, S, S) grey, landmarks float32 (N, 68, 2), visible bool (N, 68), pose float32 (N, 3).
    """
    from safetensors.numpy import load_file

    rendered = [spec for spec in specs if isinstance(spec, StillsSpec)]
    parts = [_part(spec, head, folder, first) for spec in rendered for first in range(*_ends(spec), _PER_PART)]
    missing = [part for part in parts if not part.path.is_file()]
    for done, _ in enumerate(spread(_render, missing, workers), start=1):
        report(done, len(missing))
    loaded = [load_file(part.path) for part in parts]
    loaded += [_frames(spec) for spec in specs if isinstance(spec, StoreSpec)]
    return {name: np.concatenate([part[name] for part in loaded]) for name in loaded[0]}


def _frames(spec: StoreSpec) -> dict[str, NDArray[Any]]:
    """Return frames of a store as stills; no landmark counts as hidden, since heads turn little in clips."""
    from PIL import Image

    from fer_zoo.data.store import open_store
    from fer_zoo.data.store.fits import EXACT

    store = open_store(spec.store)
    if store.header.detector.name != EXACT:
        raise InputError(
            f"The landmarks of the store {spec.store} are those of {store.header.detector.name}.",
            "a store of rendered faces, whose landmarks are exact",
            "prepare it without --set detector",
        )
    images, landmarks, scale = [], [], spec.size / store.header.size
    for row in range(len(store)):
        clip = store.clip(row)
        for number in range(row % spec.every, len(clip.frames), spec.every):
            frame = Image.fromarray(clip.frames[number]).convert("L")
            images.append(np.asarray(frame.resize((spec.size, spec.size), Image.Resampling.BILINEAR)))
            landmarks.append((clip.landmarks[number] + 0.5) * scale - 0.5)
    count = len(images)
    return {
        "images": np.stack(images),
        "landmarks": np.stack(landmarks).astype(np.float32),
        "visible": np.ones((count, 68), bool),
        "pose": np.full((count, 3), np.nan, np.float32),
    }


def _ends(spec: StillsSpec) -> tuple[int, int]:
    return spec.first, spec.first + spec.subjects


def _part(spec: StillsSpec, head: Path | None, folder: Path, first: int) -> _Part:
    """Return a part; its name says all that its stills depend on, but for the head data and the renderer."""
    subjects = range(first, min(first + _PER_PART, _ends(spec)[1]))
    kind = f"{spec.database}-seed{spec.seed}-{spec.size}px-variety{spec.variety:g}-takes{spec.takes}"
    return _Part(spec, head, subjects, folder / f"{kind}-{first:06d}-{subjects.stop:06d}.safetensors")


def _render(part: _Part) -> None:
    from safetensors.numpy import save

    spec, family = part.spec, _family(part)
    stills = [
        render_still(subject, take, size=spec.size, seed=spec.seed, family=family)
        for subject in part.subjects
        for take in range(spec.takes)
    ]
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    content = {
        "images": np.stack([np.rint(still.image @ weights).astype(np.uint8) for still in stills]),
        "landmarks": np.stack([still.landmarks for still in stills]),
        "visible": np.stack([still.visible for still in stills]),
        "pose": np.stack([still.pose for still in stills]),
    }
    write_atomically(part.path, lambda stream: stream.write(save(content)))


def _family(part: _Part) -> HeadFamily:
    if part.spec.database == "synthmh":
        return varied(makehuman(), part.spec.variety)
    from fer_zoo.data.synthetic import ict_pack, photo_folder, photo_heads

    if part.spec.database == "synthphoto":
        return photo_heads(part.head or ict_pack(), photo_folder(), variety=part.spec.variety)
    return varied(ict_family(part.head or ict_pack()), part.spec.variety)
