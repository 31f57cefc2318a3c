"""Clips of noise and small stores made of them, for the tests of the store."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from fer_zoo.data.store import ClipFacts, Store, StoredClip, StoreFacts, digest, finish_store, open_store, write_shard
from fer_zoo.specs import ComponentSpec, CropSpec

LABELS = ("anger", "fear", "happiness")


def clip(number: int, frames: int = 3, size: int = 8, **changes: Any) -> StoredClip:
    """Clip `number`, always the same; its second frame has no face."""
    rng = np.random.default_rng(number)
    points = rng.random((frames, 68, 2), np.float32) * size
    scores = rng.random(frames, np.float32)
    if frames > 1:
        points[1], scores[1] = np.nan, np.nan
    facts = {
        "key": f"S{number % 4}/{number:03d}",
        "label": LABELS[number % len(LABELS)],
        "subject": f"S{number % 4}",
        "take": number,
        "files": (f"S{number % 4}/{number}.avi",),
        "frame_range": (number, number + frames),
        "fps": 25.0,
        "box": (1.5, 2.0, 9.5, 10.0),
        "split": {"fold": str(number % 2)},
    }
    pixels = rng.integers(0, 256, (frames, size, size, 3), np.uint8)
    return StoredClip(ClipFacts(**{**facts, **changes}), pixels, points, scores)


def facts(**changes: Any) -> StoreFacts:
    made = {
        "reader": ComponentSpec(name="noise"),
        "detector": ComponentSpec(name="fz68"),
        "detector_version": "dlib 20.0",
        "crop": CropSpec(),
        "size": 8,
        "frames": 3,
        "fps": 25.0,
        "encoding": "raw",
        "sources_sha256": digest(["a", "b"]),
    }
    return StoreFacts(**{**made, **changes})


def small_store(folder: Path, shards: int = 3, per_shard: int = 4, **changes: Any) -> Store:
    """Clips 0 to shards * per_shard, in order."""
    encoding = changes.get("encoding", "raw")
    for number in range(shards):
        write_shard(folder, number, map(clip, range(number * per_shard, (number + 1) * per_shard)), encoding=encoding)
    finish_store(folder, facts(**changes))
    return open_store(folder)


def assert_same(found: StoredClip, expected: StoredClip) -> None:
    assert found.facts == expected.facts
    for a, b in zip(found[1:], expected[1:], strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def content(store: Path) -> dict[str, str]:
    """Sha256 of every file of a folder."""
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
