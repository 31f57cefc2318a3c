"""The skin texture, a cylinder around the head (angle, height), and drawing functions on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]

WIDTH = HEIGHT = 384
ANGLE_MAX = 1.95  # radians on either side of the nose; more is never visible at the poses drawn
Y_LOW, Y_HIGH = 4.7, 8.6
_columns = (np.arange(WIDTH) + 0.5) / WIDTH * 2 * ANGLE_MAX - ANGLE_MAX
_rows = Y_HIGH - (np.arange(HEIGHT) + 0.5) / HEIGHT * (Y_HIGH - Y_LOW)
ANGLE, HEIGHT_Y = np.meshgrid(_columns, _rows)


def around(base: Floats) -> tuple[Floats, Floats]:
    """Return the angle of points (n, 3) on the base mesh round the cylinder's axis, and the distance from it."""
    depth = base[:, 2] - 0.25
    return np.arctan2(base[:, 0], depth), np.hypot(base[:, 0], depth)


def texture_coordinates(base: Floats) -> tuple[Floats, Floats]:
    """Return (u, v) in 0..1 of points (n, 3) on the base mesh."""
    angle, _ = around(base)
    return _unit(angle, base[:, 1])


def texel_positions(places: Floats) -> Floats:
    """Return column and row (n, 2) on the texture of places (n, 2), angle and height."""
    u, v = _unit(places[:, 0], places[:, 1])
    return np.column_stack([u * WIDTH, v * HEIGHT])


def _unit(angle: Floats, height: Floats) -> tuple[Floats, Floats]:
    return (angle + ANGLE_MAX) / (2 * ANGLE_MAX), (Y_HIGH - height) / (Y_HIGH - Y_LOW)


def resize(field: NDArray[np.floating], width: int, height: int) -> Floats:
    """Resize one float channel with bicubic interpolation."""
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float64)


def cloud(
    rng: np.random.Generator,
    cell: float,
    octaves: int = 3,
    width: int = WIDTH,
    height: int = HEIGHT,
    stretch: float = 1.0,
) -> Floats:
    """Draw smooth noise with standard deviation 1; ``cell`` is its coarsest scale in texels, stretched vertically."""
    total, gain = np.zeros((height, width)), 1.0
    for _ in range(octaves):
        grid = rng.standard_normal((max(2, round(height / cell / stretch)), max(2, round(width / cell))))
        total += gain * resize(grid, width, height)
        gain, cell = gain * 0.55, max(1.0, cell / 2)
    return np.asarray(total / total.std())


def spot(angle: float, y: float, wide: float, tall: float) -> Floats:
    """Return a Gaussian spot on the texture."""
    return np.asarray(np.exp(-0.5 * (((ANGLE - angle) / wide) ** 2 + ((HEIGHT_Y - y) / tall) ** 2)))


def ramp(low: float, high: float, x: Floats) -> Floats:
    """Return a smoothstep from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def stroke(path_angle: Floats, path_y: Floats, width: float) -> Floats:
    """Return a soft line through the points that fades at both ends; ``width`` in decimetres."""
    total = np.zeros_like(ANGLE)
    # Compute only a window of five widths around the line.
    columns = np.flatnonzero((_columns > path_angle.min() - 4 * width) & (_columns < path_angle.max() + 4 * width))
    rows = np.flatnonzero((_rows > path_y.min() - 5 * width) & (_rows < path_y.max() + 5 * width))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    angles, heights, best = ANGLE[window], HEIGHT_Y[window], total[window]
    fade = np.sin(np.linspace(0.15, np.pi - 0.15, len(path_angle)))
    for angle, y, gain in zip(path_angle, path_y, fade, strict=True):
        near = gain * np.exp(-0.5 * (((angles - angle) * 1.25 / width) ** 2 + ((heights - y) / width) ** 2))
        np.maximum(best, near, out=best)
    return total
