"""Software z-buffer: the visible triangle at each pixel, and interpolated vertex attributes.

Pixel centres are at integers; ``x`` goes right, ``y`` down; smaller depth is nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Visible:
    """Result of a z-buffer pass: depth per pixel (inf if empty); index, triangle and weights per covered pixel."""

    depth: Floats  # (size, size)
    pixel: NDArray[np.int64]  # (n,) flat index into the picture
    triangle: NDArray[np.int64]  # (n,)
    weights: Floats  # (n, 3) barycentric


def _loops() -> ModuleType:
    from fer_zoo.synth import _kernels

    return _kernels


def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Return area-weighted unit normals (n, 3)."""
    result: Floats = _loops().normals(np.ascontiguousarray(vertices, np.float64), triangles)
    return result


def rasterize(
    pixels: Floats,
    depth: Floats,
    triangles: Ints,
    size: int,
    *,
    cutout: Floats | None = None,
    cull: bool = True,
) -> Visible:
    """Find the nearest triangle at each pixel of a ``size`` x ``size`` image.

    Fragments are dropped where the interpolated ``cutout`` (n,) is negative (hair edges); ``cull`` drops back faces.
    """
    hold = np.zeros(len(pixels)) if cutout is None else np.ascontiguousarray(cutout, np.float64)
    zbuffer, owner, weights = _loops().raster(
        np.ascontiguousarray(pixels, np.float64), np.ascontiguousarray(depth, np.float64), triangles, size, hold, cull
    )
    pixel = np.flatnonzero(owner >= 0)
    return Visible(zbuffer.reshape(size, size), pixel, owner[pixel], weights[pixel])


def interpolate(visible: Visible, triangles: Ints, attributes: Floats) -> Floats:
    """Interpolate vertex attributes (v, k) at the visible pixels (n, k)."""
    result: Floats = _loops().interpolate(visible.triangle, visible.weights, triangles, attributes)
    return result


def sample(texture: NDArray[np.floating], u: Floats, v: Floats) -> Floats:
    """Sample ``texture`` (h, w, c) bilinearly, ``u`` right and ``v`` down in 0..1, clamped at the border."""
    result: Floats = _loops().sample(texture, u, v)
    return result
