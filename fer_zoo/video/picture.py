"""Reads one picture file of any mode: for folders of frames, and for datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fer_zoo.errors import VideoError
from fer_zoo.landmarks.base import UInt8


def read_picture(path: Path) -> UInt8:
    """Read a picture of any mode upright as RGB (H, W, 3); raises VideoError."""
    try:
        with Image.open(path) as stored:
            image = ImageOps.exif_transpose(stored)
            if image.mode.startswith("I;16"):  # `convert` would cut off at 255 instead
                grey = np.asarray(image).astype(np.float32) / 257
                return np.repeat(np.round(grey).astype(np.uint8)[..., None], 3, axis=2)
            if image.mode in ("I", "F"):
                raise ValueError("numbers of 32 bits, whose value for white is unknown")
            return np.asarray(image.convert("RGB"), np.uint8)
    except Exception as error:  # Pillow's parsers raise whatever broken bytes lead them to
        accepted = "a picture of 8 or 16 bits"
        raise VideoError(f"{path} cannot be read: {error}.", accepted, "remove or replace it") from error
