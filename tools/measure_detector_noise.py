"""Measure how a landmarker's points differ from the exact ones, and write ``fer_zoo/synth/data/detector_noise.json``.

    python tools/measure_detector_noise.py fz68

Every clip is rendered at 128 px and enlarged twice for detection. Figures are relative to the distance between the
eyes' centres and taken in the image's axes: mean offset per point over all clips; spread of a clip's own mean offset
round that (constant within a clip: how the detector reads this face); spread from frame to frame within a clip.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.synth import LABELS, render_clip

OUT = Path(__file__).resolve().parents[1] / "fer_zoo" / "synth" / "data" / "detector_noise.json"
FIRST_SUBJECT = 90_000  # apart from subjects used for training
PARTS = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "mouth": (48, 68)}
Floats = NDArray[np.float64]


def measure(n_clips: int, landmarker: Landmarker) -> tuple[list[Floats], int, int]:
    """Relative offsets (frames, 68, 2) of every clip, frames missed, frames seen."""
    clips, missed, total = [], 0, 0
    for k in range(n_clips):
        clip = render_clip(FIRST_SUBJECT + k, LABELS[k % len(LABELS)], frames=4, size=128, fps=10.0)
        offsets, last = [], None
        for picture, exact in zip(clip.frames, clip.landmarks.astype(float), strict=True):
            total += 1
            large = np.asarray(Image.fromarray(picture).resize((256, 256), Image.Resampling.BICUBIC))
            last = landmarker.follow(large, last) if last else next(iter(landmarker.detect(large)), None)
            if last is None:
                missed += 1
                continue
            eyes = np.linalg.norm(exact[36:42].mean(0) - exact[42:48].mean(0))
            offsets.append(((last.landmarks.astype(float) + 0.5) / 2 - 0.5 - exact) / eyes)
        if len(offsets) >= 2:
            clips.append(np.array(offsets))
    return clips, missed, total


def summarize(clips: list[Floats]) -> dict[str, Any]:
    """Mean, between-clip and within-clip spread per point; gross errors are counted and left out."""
    size = np.array([np.abs(np.median(c, axis=(0, 1))).max() for c in clips])
    good = [c for c, s in zip(clips, size, strict=True) if s < 0.25]
    centres = np.array([c.mean(0) for c in good])
    jitter = np.sqrt(np.mean([c.var(0, ddof=1) for c in good], axis=0))
    return {
        "mean": centres.mean(0).round(4).tolist(),
        "clip_std": centres.std(0).round(4).tolist(),
        "frame_std": jitter.round(4).tolist(),
        "gross_share": round(1 - len(good) / len(clips), 4),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landmarker")
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    clips, missed, total = measure(options.clips, create_landmarker(options.landmarker))
    table = summarize(clips) | {"clips": len(clips), "frames": total, "missed": missed}
    options.out.write_text(json.dumps(table) + "\n")
    print(f"{total} frames, {missed} without a face, gross share {table['gross_share']}")
    mean, between, within = (np.array(table[name]) for name in ("mean", "clip_std", "frame_std"))
    for part, (a, b) in PARTS.items():
        shift = np.linalg.norm(mean[a:b], axis=1)
        print(
            f"{part:6s} mean offset {shift.mean():.3f} (largest {shift.max():.3f})  "
            f"between clips {between[a:b].mean():.3f}  within {within[a:b].mean():.3f}"
        )


if __name__ == "__main__":
    main()
