"""Software z-buffer: which triangle is seen at each pixel, and what its corners' attributes are there.

Two backends with the same arithmetic in float64, so that they give the same bits: numba (fast) and numpy (fallback).
Pixel centres lie at integers; ``x`` goes right, ``y`` down; smaller depth is nearer.
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
    """What a z-buffer pass sees: per pixel the depth (inf: nothing); per covered pixel its index, triangle, weights."""

    depth: Floats  # (size, size)
    pixel: NDArray[np.int64]  # (n,) flat index into the picture
    triangle: NDArray[np.int64]  # (n,)
    weights: Floats  # (n, 3) barycentric


def kernels(backend: Backend = "auto") -> ModuleType:
    """The module with the inner loops: ``auto`` takes numba where it can be imported."""
    if backend not in ("auto", "numba", "numpy"):
        raise OptionError(f"backend {backend!r}", "'auto', 'numba', 'numpy'", "use 'auto' when unsure")
    if backend == "numpy" or (backend == "auto" and find_spec("numba") is None):
        from fer_zoo.synth import _kernels_numpy

        return _kernels_numpy
    from fer_zoo.synth import _kernels_numba

    return _kernels_numba


def vertex_normals(vertices: Floats, triangles: Ints, backend: Backend = "auto") -> Floats:
    """Area-weighted unit normals (n, 3)."""
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
    """Nearest triangle per pixel of a ``size`` x ``size`` picture.

    ``cutout`` (n,): a fragment is dropped where the interpolated value is negative (hair edges); ``cull`` drops
    triangles that turn their back.
    """
    hold = np.zeros(len(pixels)) if cutout is None else np.ascontiguousarray(cutout, np.float64)
    zbuffer, owner, weights = kernels(backend).raster(
        np.ascontiguousarray(pixels, np.float64), np.ascontiguousarray(depth, np.float64), triangles, size, hold, cull
    )
    pixel = np.flatnonzero(owner >= 0)
    return Visible(zbuffer.reshape(size, size), pixel, owner[pixel], weights[pixel])


def interpolate(visible: Visible, triangles: Ints, attributes: Floats, backend: Backend = "auto") -> Floats:
    """Attributes (v, k) of the vertices at the visible pixels (n, k)."""
    result: Floats = kernels(backend).interpolate(visible.triangle, visible.weights, triangles, attributes)
    return result


def sample(texture: NDArray[np.floating], u: Floats, v: Floats, backend: Backend = "auto") -> Floats:
    """Bilinear look-up in ``texture`` (h, w, c), ``u`` right and ``v`` down in 0..1, clamped at the border."""
    result: Floats = kernels(backend).sample(texture, u, v)
    return result
