"""One colour per label, the same in every figure."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

RGB = tuple[int, int, int]

# Different in lightness as well as in hue, for colour-blind readers and greyscale prints.
_KNOWN: dict[str, RGB] = {
    "neutral": (150, 155, 165),
    "anger": (214, 49, 49),
    "disgust": (98, 140, 44),
    "fear": (126, 80, 176),
    "happiness": (245, 183, 30),
    "sadness": (48, 104, 196),
    "surprise": (40, 184, 186),
    "contempt": (150, 98, 62),
    "uncertain": (205, 208, 214),
}


def label_colours(labels: Sequence[str]) -> dict[str, RGB]:
    """Return a colour (0 to 255) per label: fixed for the usual emotions, spread over the hues for others."""
    others = [label for label in labels if label not in _KNOWN]
    spread = {label: _colour(index / len(others), index % 2 == 1) for index, label in enumerate(others)}
    return {label: _KNOWN.get(label) or spread[label] for label in labels}


def track_colours(tracks: Sequence[int]) -> dict[int, RGB]:
    """Return a colour (0 to 255) per number of a face, whatever the other numbers are."""
    # Steps of the golden ratio keep neighbouring numbers far apart on the circle of hues.
    return {track: _colour(track * 0.618 % 1, track % 2 == 1) for track in tracks}


def _colour(hue: float, darker: bool) -> RGB:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, 0.65 if darker else 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)
