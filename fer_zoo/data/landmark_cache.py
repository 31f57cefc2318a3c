"""Landmarks that are found once: the faces of a source, kept for stores of other sizes, rates, lengths and crops."""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from fer_zoo._version import __version__
from fer_zoo.data.pictures import pictures
from fer_zoo.data.sources import Source
from fer_zoo.files import write_atomically
from fer_zoo.landmarks.base import Box, Landmarker
from fer_zoo.specs import ComponentSpec
from fer_zoo.stopwatch import staged
from fer_zoo.video.track import FaceTrack, State, track_faces

# Raise it when what is kept changes, or what decoding and tracking find, within one version of fer_zoo.
_FORMAT = 1
_STATES: tuple[State, ...] = get_args(State)
# The tracks of a source, and what was wrong with its files.
Tracks = tuple[list[FaceTrack], list[str]]


def tracks_of(
    source: Source,
    root: Path,
    landmarker: Landmarker,
    *,
    detector: ComponentSpec,
    face: Literal["largest", "central", "all"],
    fps: float,
    folder: Path | None,
) -> Tracks:
    """Return the faces of a source as they were kept in `folder`; if they were not, find and keep them.

    An entry is named by a hash of all that decides it: the content of the source's files, the stretch, the detector
    and its version, the tracking options and the version of fer_zoo. A damaged entry is replaced.

    Args:
        fps: taken for the rate of a sequence that has none.
        folder: None: find the faces, and keep nothing.

    Raises:
        VideoError: as `pictures`.
    """
    rate = source.fps or (None if len(source.files) == 1 else fps)
    decides = [_FORMAT, __version__, detector.model_dump(), landmarker.version, face, rate]
    path = folder and _entry(folder, [*decides, source.frames, source.rotate, source.region], source, root)
    if path and (kept := _read(path)) is not None:
        return kept
    damage: list[str] = []
    frames = staged("decode", pictures(source, root, fps, damage))
    tracks = track_faces(frames, landmarker, face)
    if path:
        try:
            write_atomically(path, lambda stream: np.savez_compressed(stream, **_arrays(tracks, damage)))
        except OSError as error:  # it only saves time, and the store may lie on another disk
            warnings.warn(f"landmarks are not kept for other stores: {error}", stacklevel=2)
    return tracks, damage


def _entry(folder: Path, decides: Sequence[Any], source: Source, root: Path) -> Path | None:
    """The file of a source's tracks; None if its files cannot be read, which decoding will report."""
    try:
        files = [root / file for file in source.files]
        contents = [_digest(file, (status := file.stat()).st_mtime_ns, status.st_size) for file in files]
    except OSError:
        return None
    return folder / f"{hashlib.sha256(json.dumps([*decides, contents]).encode()).hexdigest()}.npz"


# Stretches of one file come one after the other. A file that has changed is another.
@functools.lru_cache(maxsize=4)
def _digest(file: Path, changed: int, size: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _arrays(tracks: Sequence[FaceTrack], damage: Sequence[str]) -> dict[str, Any]:
    nothing = np.zeros(0, np.float32)
    first = tracks[0] if tracks else FaceTrack(np.zeros(0), (), (), nothing.reshape(0, 68, 2), 0, nothing)
    codes = [[_STATES.index(state) for state in track.states] for track in tracks]
    return {
        "times": first.times,
        "shape_changes": np.array(first.shape_changes, np.int64),
        "faces": first.faces,
        "numbers": np.array([track.number for track in tracks], np.int64),
        "states": np.array(codes, np.uint8).reshape(len(tracks), len(first)),
        "boxes": np.array([box for track in tracks for box in track.boxes if box], np.float64),
        "landmarks": np.concatenate([track.landmarks[track.found] for track in tracks] or [first.landmarks]),
        "scores": np.concatenate([track.scores[track.found] for track in tracks] or [first.scores]),
        "damage": np.array(damage, str),
    }


def _read(path: Path) -> Tracks | None:
    """What was kept in a file, exactly; None if there is none, or it is damaged, which its checksums show."""
    try:
        with np.load(path, allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files}
        states = kept["states"]
        found = states != _STATES.index("none")
        tracks = []
        for state, own, number, start in zip(
            states, found, kept["numbers"], np.cumsum(found.sum(1)) - found.sum(1), strict=True
        ):
            places = slice(start, start + own.sum())
            boxes = iter(kept["boxes"][places].tolist())
            landmarks, scores = np.full((len(own), 68, 2), np.nan, np.float32), np.full(len(own), np.nan, np.float32)
            landmarks[own], scores[own] = kept["landmarks"][places], kept["scores"][places]
            tracks.append(
                FaceTrack(
                    kept["times"],
                    tuple(_STATES[code] for code in state),
                    tuple(Box(*next(boxes)) if seen else None for seen in own),
                    landmarks,
                    int(kept["faces"]),
                    scores,
                    tuple(kept["shape_changes"].tolist()),
                    int(number),
                )
            )
        return tracks, kept["damage"].tolist()
    except Exception:  # no such file, or numpy and zipfile raise whatever broken bytes lead to
        return None
