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
from fer_zoo.files import sha256, write_atomically
from fer_zoo.landmarks.base import Box, Landmarker
from fer_zoo.specs import ComponentSpec
from fer_zoo.stopwatch import staged
from fer_zoo.video.track import FaceTrack, State, track_faces

# Raise it when what is kept changes, or what decoding and tracking find, within one version of fer_zoo.
_FORMAT = 2
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
    return sha256(file)


def _arrays(tracks: Sequence[FaceTrack], damage: Sequence[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {"damage": np.array(damage, str), "numbers": [track.number for track in tracks]}
    if not tracks:
        return kept
    nowhere = Box(*[np.nan] * 4)
    return kept | {
        "times": tracks[0].times,
        "shape_changes": np.array(tracks[0].shape_changes, np.int64),
        "faces": tracks[0].faces,
        "states": np.array([[_STATES.index(state) for state in track.states] for track in tracks], np.uint8),
        "boxes": np.array([[box or nowhere for box in track.boxes] for track in tracks], np.float64),
        "landmarks": np.stack([track.landmarks for track in tracks]),
        "scores": np.stack([track.scores for track in tracks]),
    }


def _read(path: Path) -> Tracks | None:
    """What was kept in a file, exactly; None if there is none, or it is damaged, which its checksums show."""
    try:
        with np.load(path, allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files}
        tracks = [
            FaceTrack(
                kept["times"],
                tuple(_STATES[code] for code in kept["states"][row]),
                tuple(None if np.isnan(box[0]) else Box(*box) for box in kept["boxes"][row].tolist()),
                kept["landmarks"][row],
                int(kept["faces"]),
                kept["scores"][row],
                tuple(kept["shape_changes"].tolist()),
                int(number),
            )
            for row, number in enumerate(kept["numbers"])
        ]
        return tracks, kept["damage"].tolist()
    except Exception:  # no such file, or numpy and zipfile raise whatever broken bytes lead to
        return None
