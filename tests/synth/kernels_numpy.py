"""The inner loops of the renderer in numpy: what those of the package, which numba compiles, are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


def normals(vertices: Floats, triangles: Ints) -> Floats:
    corner = vertices[triangles]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    face = np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        1,
    )
    # bincount adds in the given order, like the compiled loop, so the sums agree to the last bit.
    where, each = triangles.ravel(), np.repeat(face, 3, axis=0)
    out = np.stack([np.bincount(where, each[:, c], len(vertices)) for c in range(3)], 1)
    length = np.sqrt(out[:, 0] * out[:, 0] + out[:, 1] * out[:, 1] + out[:, 2] * out[:, 2]) + 1e-12
    return np.asarray(out / length[:, None])


def _fragments(pixels: Floats, triangles: Ints, size: int, cull: bool) -> tuple[Ints, Ints, Ints]:
    """Return triangle, column and row of every pixel in the bounding box of every triangle."""
    a, b, c = (pixels[triangles[:, q]] for q in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.maximum(np.ceil(np.minimum(np.minimum(a, b), c)), 0).astype(np.int64)
    high = np.minimum(np.floor(np.maximum(np.maximum(a, b), c)), size - 1).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    keep = (np.abs(area) >= 1e-9) & (extent > 0).all(1)
    if cull:
        keep &= area <= 0
    chosen = np.flatnonzero(keep)
    width, count = extent[chosen, 0], extent[chosen, 0] * extent[chosen, 1]
    which = np.repeat(np.arange(len(chosen)), count)
    step = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    x = low[chosen, 0][which] + step % width[which]
    y = low[chosen, 1][which] + step // width[which]
    return chosen[which], x, y


def raster(
    pixels: Floats, depth: Floats, triangles: Ints, size: int, cutout: Floats, cull: bool
) -> tuple[Floats, Ints, Floats]:
    owner_of, x, y = _fragments(pixels, triangles, size, cull)
    corner = triangles[owner_of]
    a, b, c = (pixels[corner[:, q]] for q in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    w0 = ((b[:, 0] - x) * (c[:, 1] - y) - (b[:, 1] - y) * (c[:, 0] - x)) / area
    w1 = ((c[:, 0] - x) * (a[:, 1] - y) - (c[:, 1] - y) * (a[:, 0] - x)) / area
    w2 = 1.0 - w0 - w1
    hold = w0 * cutout[corner[:, 0]] + w1 * cutout[corner[:, 1]] + w2 * cutout[corner[:, 2]]
    inside = np.flatnonzero((w0 >= 0) & (w1 >= 0) & (w2 >= 0) & (hold >= 0))
    owner_of, corner = owner_of[inside], corner[inside]
    weight = np.stack([w0, w1, w2], 1)[inside]
    z = weight[:, 0] * depth[corner[:, 0]] + weight[:, 1] * depth[corner[:, 1]] + weight[:, 2] * depth[corner[:, 2]]
    where = y[inside] * size + x[inside]
    # The last write wins: nearest last; for equal depth the first triangle, as in the compiled loop.
    order = np.lexsort((-owner_of, -z))
    zbuffer, owner, weights = (
        np.full(size * size, np.inf),
        np.full(size * size, -1, np.int64),
        np.empty((size * size, 3)),
    )
    where = where[order]
    zbuffer[where], owner[where], weights[where] = z[order], owner_of[order], weight[order]
    return zbuffer, owner, weights


def interpolate(triangle: Ints, weights: Floats, triangles: Ints, attributes: Floats) -> Floats:
    corner = triangles[triangle]
    a, b, c = (attributes[corner[:, q]] * weights[:, q : q + 1] for q in range(3))
    return np.asarray(a + b + c)


def sample(texture: NDArray[np.floating], u: Floats, v: Floats) -> Floats:
    height, width = texture.shape[:2]
    x = np.minimum(np.maximum(u * width - 0.5, 0.0), width - 1.001)
    y = np.minimum(np.maximum(v * height - 0.5, 0.0), height - 1.001)
    xi, yi = x.astype(np.int64), y.astype(np.int64)
    fx, fy = (x - xi)[:, None], (y - yi)[:, None]
    top = texture[yi, xi] * (1 - fx) + texture[yi, xi + 1] * fx
    low = texture[yi + 1, xi] * (1 - fx) + texture[yi + 1, xi + 1] * fx
    return np.asarray(top * (1 - fy) + low * fy)
