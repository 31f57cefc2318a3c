"""Software z-buffer: the visible triangle at each pixel, and interpolated vertex attributes.

Two backends do the same arithmetic in float64 and give the same bits: numba (fast) and numpy (fallback). Pixel
centres are at integers; ``x`` goes right, ``y`` down; smaller depth is nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]
Backend = Literal["auto", "numba", "numpy"]


@dataclass(frozen=True)
class Visible:
    """Result of a z-buffer pass: depth per pixel (inf if empty); index, triangle and weights per covered pixel."""

    depth: Floats  # (size, size)
    pixel: NDArray[np.int64]  # (n,) flat index into the picture
    triangle: NDArray[np.int64]  # (n,)
    weights: Floats  # (n, 3) barycentric


def kernels(backend: Backend = "auto") -> ModuleType:
    """Return the module with the inner loops; ``auto`` selects numba if it is installed."""
    if backend not in ("auto", "numba", "numpy"):
        raise OptionError(f"Unknown backend {backend!r}.", "'auto', 'numba', 'numpy'", "use 'auto'")
    if backend == "numpy" or (backend == "auto" and find_spec("numba") is None):
        from fer_zoo.synth import _kernels_numpy

        return _kernels_numpy
    from fer_zoo.synth import _kernels_numba

    return _kernels_numba


def vertex_normals(vertices: Floats, triangles: Ints, backend: Backend = "auto") -> Floats:
    """Return area-weighted unit normals (n, 3)."""
    result: Floats = kernels(backend).normals(np.ascontiguousarray(vertices, np.float64), triangles)
    return result


def rasterize(
    pixels: Floats,
    depth: Floats,
    triangles: Ints,
    size: int,
    *,
    cutout: Floats | None = None,
    cull: bool = True,
    backend: Backend = "auto",
) -> Visible:
    """Find the nearest triangle at each pixel of a ``size`` x ``size`` image.

    Fragments are dropped where the interpolated ``cutout`` (n,) is negative (hair edges); ``cull`` drops back faces.
    """
    hold = np.zeros(len(pixels)) if cutout is None else np.ascontiguousarray(cutout, np.float64)
    zbuffer, owner, weights = kernels(backend).raster(
        np.ascontiguousarray(pixels, np.float64), np.ascontiguousarray(depth, np.float64), triangles, size, hold, cull
    )
    pixel = np.flatnonzero(owner >= 0)
    return Visible(zbuffer.reshape(size, size), pixel, owner[pixel], weights[pixel])


def interpolate(visible: Visible, triangles: Ints, attributes: Floats, backend: Backend = "auto") -> Floats:
    """Interpolate vertex attributes (v, k) at the visible pixels (n, k)."""
    result: Floats = kernels(backend).interpolate(visible.triangle, visible.weights, triangles, attributes)
    return result


def sample(texture: NDArray[np.floating], u: Floats, v: Floats, backend: Backend = "auto") -> Floats:
    """Sample ``texture`` (h, w, c) bilinearly, ``u`` right and ``v`` down in 0..1, clamped at the border."""
    result: Floats = kernels(backend).sample(texture, u, v)
    return result
