"""Baked ambient occlusion of a head: the shade in folds and hollows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.raster import rasterize, vertex_normals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def bake_occlusion(vertices: Floats, triangles: Ints, directions: int = 128, size: int = 320) -> Floats:
    """Return the cosine-weighted fraction of directions from which each vertex is visible."""
    normals = vertex_normals(vertices, triangles)
    centre = (vertices.max(0) + vertices.min(0)) / 2
    points = (vertices - centre) / np.abs(vertices - centre).max() / 1.8
    seen, total = np.zeros(len(points)), np.zeros(len(points))
    for k in range(directions):
        polar, turn = np.arccos(1 - 2 * (k + 0.5) / directions), np.pi * (1 + 5**0.5) * (k + 0.5)
        toward = np.array([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)])
        right = np.cross([0.3, 1.0, 0.2], toward)
        right /= np.linalg.norm(right)
        rotated = points @ np.stack([right, np.cross(toward, right), toward]).T
        pixels = (np.stack([rotated[:, 0], -rotated[:, 1]], 1) + 1) * (size / 2) - 0.5
        depth = rasterize(pixels, -rotated[:, 2], triangles, size, cull=False).depth
        nearest = np.clip(np.rint(pixels).astype(int), 0, size - 1)
        visible = -rotated[:, 2] <= depth[nearest[:, 1], nearest[:, 0]] + 0.012
        weight = np.clip(normals @ toward, 0, None)
        seen += weight * visible
        total += weight
    return np.asarray(seen / np.maximum(total, 1e-6))
