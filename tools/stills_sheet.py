"""Draw a sheet of stills with their landmarks: `python tools/stills_sheet.py OUT.jpg --ict ict_facekit.npz`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.synth.family import HeadFamily, makehuman
from fer_zoo.synth.ict import ict_family
from fer_zoo.synth.still import render_still
from fer_zoo.synth.variety import varied

_SIZE, _COLUMNS = 128, 10


def row(subject: int, family: HeadFamily) -> NDArray[np.uint8]:
    """Takes 0 to 9 of a subject, side by side, at twice the size so that landmarks stay small."""
    tiles = []
    for take in range(_COLUMNS):
        still = render_still(subject, take, size=_SIZE, family=family)
        tile = still.image.repeat(2, 0).repeat(2, 1)
        for (x, y), visible in zip(np.nan_to_num(still.landmarks, nan=-9), still.visible, strict=True):
            column, line = round(2 * x + 0.5), round(2 * y + 0.5)
            if 0 <= column < 2 * _SIZE - 1 and 0 <= line < 2 * _SIZE - 1:
                tile[line : line + 2, column : column + 2] = (0, 255, 0) if visible else (255, 0, 0)
        tiles.append(tile)
    return np.concatenate(tiles, axis=1)


def main() -> None:
    """Draw three subjects of each database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--ict", type=Path, help="packed ICT-FaceKit")
    options = parser.parse_args()
    families = [makehuman(), *([ict_family(options.ict)] if options.ict else [])]
    rows = [row(subject, varied(family, 0.6)) for family in families for subject in (1, 2, 4)]
    Image.fromarray(np.concatenate(rows)).resize((1400, 140 * len(rows))).save(options.out, quality=85)


if __name__ == "__main__":
    main()
