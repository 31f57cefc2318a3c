"""Compare landmark detectors: hand-set points of real faces, rendered faces by yaw and size, jitter, time, clips.

    python tools/landmark_check.py fz68 dlib --faces FOLDER --ict ict_facekit.npz --clips a.mp4 b.mp4

FOLDER holds pictures and points189.npz (files, points (N, 189, 2): a hand-set template). Template points are not the
iBUG points, so each landmark is compared with the nearest template point (on average within 0.12 eye distances), and
its mean offset over all faces is removed. Distances are in % of the distance between the eyes' centres.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.landmarks.base import Box, Face
from fer_zoo.synth import render_clip
from fer_zoo.synth.family import HeadFamily, makehuman
from fer_zoo.synth.ict import ict_family
from fer_zoo.synth.still import render_still
from fer_zoo.training.landmarks import PARTS
from fer_zoo.video.reader import open_video
from fer_zoo.video.track import track_faces

Floats = NDArray[np.floating]
_NEAR = 0.12


def eye_distance(landmarks: Floats) -> NDArray[np.float64]:
    """Distance between the eyes' centres (...) of landmarks (..., 68, 2)."""
    eyes = landmarks[..., 36:42, :].mean(-2) - landmarks[..., 42:48, :].mean(-2)
    return np.asarray(np.linalg.norm(eyes, axis=-1), float)


def hand_set(landmarker: Landmarker, folder: Path) -> dict[str, float]:
    """Mean residual per part on pictures with a hand-set template, and the number of faces found."""
    given = np.load(folder / "points189.npz")
    found, truth = [], []
    for name, points in zip(given["files"], given["points"], strict=True):
        path = next(folder.glob(f"{Path(str(name)).stem}*.jpg"))
        faces = landmarker.detect(np.asarray(Image.open(path).convert("RGB")))
        if faces:
            found.append(faces[0].landmarks)
            truth.append(points)
    landmarks, template = np.stack(found).astype(float), np.stack(truth).astype(float)
    scale = eye_distance(landmarks)[:, None, None]
    offsets = (landmarks[:, :, None] - template[:, None]) / scale[..., None]  # (N, 68, 189, 2)
    middle = np.linalg.norm(offsets.mean(0), axis=-1)
    nearest = middle.argmin(1)
    near = middle[np.arange(68), nearest] <= _NEAR
    own = offsets[:, np.arange(68), nearest]
    residual = np.linalg.norm(own - own.mean(0), axis=-1).mean(0) * 100
    rows = {part: float(residual[a:b][near[a:b]].mean()) for part, (a, b) in PARTS.items() if near[a:b].any()}
    return {"found": len(found), "points": int(near.sum()), **rows}


def rendered(landmarkers: dict[str, Landmarker], family: HeadFamily, stills: int = 400) -> dict[str, dict[str, str]]:
    """Error on uncovered stills of held-out subjects by yaw, and by size of the face: where it was, a little off.

    Each cell: mean distance over the visible landmarks in % of the eye distance seen from the front, of the faces that
    the detector followed, and their share.
    """
    rng, table = np.random.default_rng(0), {name: defaultdict[str, list[float]](list) for name in landmarkers}
    for number in range(stills):
        still = render_still(20_000 + number // 10, number % 10, size=192, family=family)
        if still.attributes["covers"] or still.visible.mean() < 0.3:
            continue
        yaw, size = abs(float(still.pose[0])), int(rng.choice([32, 48, 64, 128]))
        by = size / np.ptp(still.landmarks, axis=0).max()
        sides = (round(192 * by), round(192 * by))
        image = np.asarray(Image.fromarray(still.image).resize(sides, Image.Resampling.BOX if by < 1 else None))
        truth = ((still.landmarks + 0.5) * by - 0.5).astype(np.float32)
        last = truth + rng.normal(0, 0.03 * size, 2).astype(np.float32)
        eyes = eye_distance(truth) / np.cos(np.radians(yaw))
        for name, landmarker in landmarkers.items():
            found = landmarker.follow(image, Face(Box.of_points(last), 1.0, last))
            far = np.nan
            if found:
                far = float(np.linalg.norm(found.landmarks - truth, axis=1)[still.visible].mean() / eyes * 100)
            bins = [f"yaw {low} to {low + 15}" for low in range(0, 75, 15) if low <= yaw < low + 15]
            for key in (*bins, f"{size} px", "all"):
                table[name][key].append(far)
    return {
        name: {
            key: f"{np.nanmean(cells[key]):.2f} ({np.isfinite(cells[key]).mean():.0%} of {len(cells[key])})"
            for key in sorted(cells, key=lambda key: (len(key), key))
        }
        for name, cells in table.items()
    }


def jitter(landmarker: Landmarker, faces: int = 12, frames: int = 20) -> float:
    """Deviation of landmarks from their mean on still rendered faces with camera noise, % of the eye distance."""
    rng, spreads = np.random.default_rng(0), []
    for subject in range(faces):
        still = render_clip(95_000 + subject, "neutral", frames=1, size=256, plain=True).frames[0]
        last, found = None, []
        for _ in range(frames):
            noisy = np.clip(still + rng.normal(0, 4, still.shape), 0, 255).astype(np.uint8)
            last = landmarker.follow(noisy, last) if last else next(iter(landmarker.detect(noisy)), None)
            if last:
                found.append(last.landmarks)
        if len(found) > 2:
            marks = np.stack(found[1:]).astype(float)
            spreads.append(np.linalg.norm(marks - marks.mean(0), axis=-1).mean() / eye_distance(marks).mean() * 100)
    return float(np.mean(spreads))


def follow_ms(landmarkers: dict[str, Landmarker], clip: Path, rounds: int = 5) -> dict[str, float]:
    """Milliseconds per followed frame, median, the detectors in turn."""
    frames = [frame.image for frame in open_video(clip).frames()][:40]
    times: dict[str, list[float]] = {name: [] for name in landmarkers}
    for _ in range(rounds):
        for name, landmarker in landmarkers.items():
            last = landmarker.detect(frames[0])[0]
            for frame in frames[1:]:
                start = time.perf_counter()
                last = landmarker.follow(frame, last) or last
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) * 1000 for name, values in times.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("landmarkers", nargs="+")
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--ict", type=Path, help="packed ICT-FaceKit")
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    detectors = {name: create_landmarker(name) for name in options.landmarkers}
    for name, landmarker in detectors.items():
        print(f"== {name} ({landmarker.version})")
        if options.faces:
            rows = hand_set(landmarker, options.faces)
            print("hand-set points, %:", ", ".join(f"{key} {value:.2f}" for key, value in rows.items()))
        print(f"jitter on a still face, %: {jitter(landmarker):.3f}")
        for clip in options.clips:
            (track,) = track_faces(open_video(clip).frames(), landmarker, "largest")
            print(f"{clip.name}: a face in {int(track.found.sum())} of {len(track)} frames, {track.faces} tracks")
    families = {"synthmh": makehuman(), **({"synthict": ict_family(options.ict)} if options.ict else {})}
    for database, family in families.items():
        for name, cells in rendered(detectors, family).items():
            print(f"{database}, {name}:", ", ".join(f"{key}: {cell}" for key, cell in cells.items()))
    if options.clips:
        for name, ms in follow_ms(detectors, options.clips[0]).items():
            print(f"follow, {name}: {ms:.2f} ms per frame")


if __name__ == "__main__":
    main()
