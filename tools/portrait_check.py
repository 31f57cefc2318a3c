"""Shows in which ways rendered resting faces differ from real ones: mean pictures, aligned by the eyes, side by side.

python tools/portrait_check.py portraits.png --portraits FOLDER --ict ict_facekit.npz

Left to right: portraits of women and of men (file names ending in f and m), then faces of `synthphoto`, `synthict` and
`synthmh` in the style "natural". Prints brightness relative to the cheek, and the heights of the brows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.data.synthetic import photo_heads
from fer_zoo.landmarks import create_landmarker
from fer_zoo.landmarks.frame import Frame
from fer_zoo.synth import render_clip
from fer_zoo.synth.family import HeadFamily, makehuman, styled
from fer_zoo.synth.ict import ict_family

SIDE = 300
EYES = 0.36 * SIDE  # distance between the eyes in the mean picture
TOP = 0.42 * SIDE  # height of the eyes in it
FIRST, LAST = 72_000, 72_060
# Places relative to the middle of an eye, outwards and down, in distances between the eyes.
PLACES = {
    "between brow and eye": (0.0, -0.18),
    "white, outer": (0.14, 0.0),
    "white, inner": (-0.14, 0.0),
    "between the brows": (-0.5, -0.2),
    "bridge of the nose": (-0.5, 0.12),
    "beside the mouth": (0.05, 0.78),
    "lips": (-0.5, 1.05),
    "chin": (-0.5, 1.4),
}
CHEEK = (-0.05, 0.5)


def aligned(pictures: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pictures (n, SIDE, SIDE, 3) with the eyes at the same place, equally bright, and landmarks (n, 68, 2)."""
    landmarker, faces, marks = create_landmarker("fz68"), [], []
    for picture in pictures:
        found = landmarker.detect(picture)
        if not found:
            continue
        points = found[0].landmarks.astype(float)
        left, right = points[36:42].mean(0), points[42:48].mean(0)
        across = right - left
        x, y = (left + right) / 2 + np.array([-across[1], across[0]]) * (SIDE / 2 - TOP) / EYES
        frame = Frame(x, y, SIDE / EYES * float(np.hypot(*across)), float(np.arctan2(across[1], across[0])))
        face = np.stack([frame.cut(picture[..., colour], SIDE) for colour in range(3)], -1)
        faces.append(face * 130 / face[100:220, 60:240].mean())
        marks.append((frame.from_image(points) + 1) * SIDE / 2 - 0.5)
    return np.stack(faces), np.stack(marks)


def described(mean: NDArray[np.float64], marks: NDArray[np.float64]) -> str:
    """Return the measures of a mean picture (SIDE, SIDE, 3) and its landmarks (n, 68, 2) in one line."""

    def at(place: tuple[float, float]) -> float:
        grey, values = mean.mean(-1), []
        for sign in (-1, 1):
            x, y = SIDE / 2 + sign * (0.5 + place[0]) * EYES, TOP + place[1] * EYES
            values.append(grey[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4].mean())
        return float(np.mean(values))

    shape = marks.mean(0)
    brows = (shape[36:48, 1].mean() - (shape[17:22, 1] + shape[26:21:-1, 1]) / 2) / EYES
    light = ", ".join(f"{name} {at(place) / at(CHEEK):.2f}" for name, place in PLACES.items())
    return f"brows {np.round(brows, 2)}; {light}"


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--ict", type=Path, required=True)
    options = parser.parse_args()
    files = sorted(options.portraits.glob("*.jpg"))
    families: dict[str, HeadFamily] = {
        "synthphoto": photo_heads(options.ict, options.portraits, per_photo=1, variety=0.4, style="natural"),
        "synthict": styled(ict_family(options.ict), "natural"),
        "synthmh": styled(makehuman(), "natural"),
    }
    pictures = {
        f"portraits, {sex}": [np.asarray(Image.open(path).convert("RGB")) for path in files if path.stem[-1] == letter]
        for sex, letter in (("women", "f"), ("men", "m"))
    }
    for name, family in families.items():
        pictures[name] = [
            render_clip(subject, "neutral", frames=1, size=320, plain=True, family=family).frames[0]
            for subject in range(FIRST, LAST)
        ]
    strip = []
    for name, group in pictures.items():
        faces, marks = aligned(group)
        strip.append(faces.mean(0))
        print(f"{name} ({len(faces)}): {described(strip[-1], marks)}", flush=True)
    Image.fromarray(np.clip(np.hstack(strip), 0, 255).astype(np.uint8)).save(options.out)


if __name__ == "__main__":
    main()
