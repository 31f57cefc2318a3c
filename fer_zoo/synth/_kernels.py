"""Inner loops of the renderer, compiled by numba; imported late, since numba takes half a second to import."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True)
def normals(vertices, triangles):  # type: ignore[no-untyped-def]
    out = np.zeros((vertices.shape[0], 3))
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax = vertices[j, 0] - vertices[i, 0]
        ay = vertices[j, 1] - vertices[i, 1]
        az = vertices[j, 2] - vertices[i, 2]
        bx = vertices[k, 0] - vertices[i, 0]
        by = vertices[k, 1] - vertices[i, 1]
        bz = vertices[k, 2] - vertices[i, 2]
        nx = ay * bz - az * by
        ny = az * bx - ax * bz
        nz = ax * by - ay * bx
        for q in (i, j, k):
            out[q, 0] += nx
            out[q, 1] += ny
            out[q, 2] += nz
    for i in range(out.shape[0]):
        length = math.sqrt(out[i, 0] * out[i, 0] + out[i, 1] * out[i, 1] + out[i, 2] * out[i, 2]) + 1e-12
        for c in range(3):
            out[i, c] /= length
    return out


@njit(cache=True)
def raster(pixels, depth, triangles, size, cutout, cull):  # type: ignore[no-untyped-def]
    zbuffer = np.full(size * size, np.inf)
    owner = np.full(size * size, -1, np.int64)
    weights = np.empty((size * size, 3))
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = pixels[i, 0], pixels[i, 1]
        bx, by = pixels[j, 0], pixels[j, 1]
        cx, cy = pixels[k, 0], pixels[k, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9 or (cull and area > 0):
            continue
        x0 = max(0, math.ceil(min(ax, bx, cx)))
        x1 = min(size - 1, math.floor(max(ax, bx, cx)))
        y0 = max(0, math.ceil(min(ay, by, cy)))
        y1 = min(size - 1, math.floor(max(ay, by, cy)))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                w0 = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                w1 = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                w2 = 1.0 - w0 - w1
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * depth[i] + w1 * depth[j] + w2 * depth[k]
                q = y * size + x
                if z < zbuffer[q]:
                    if w0 * cutout[i] + w1 * cutout[j] + w2 * cutout[k] < 0:
                        continue
                    zbuffer[q] = z
                    owner[q] = t
                    weights[q, 0] = w0
                    weights[q, 1] = w1
                    weights[q, 2] = w2
    return zbuffer, owner, weights


@njit(cache=True)
def interpolate(triangle, weights, triangles, attributes):  # type: ignore[no-untyped-def]
    out = np.empty((triangle.shape[0], attributes.shape[1]))
    for p in range(triangle.shape[0]):
        t = triangle[p]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for c in range(attributes.shape[1]):
            out[p, c] = (
                weights[p, 0] * attributes[i, c] + weights[p, 1] * attributes[j, c] + weights[p, 2] * attributes[k, c]
            )
    return out


@njit(cache=True)
def sample(texture, u, v):  # type: ignore[no-untyped-def]
    height, width, channels = texture.shape
    out = np.empty((u.shape[0], channels))
    for p in range(u.shape[0]):
        x = min(max(u[p] * width - 0.5, 0.0), width - 1.001)
        y = min(max(v[p] * height - 0.5, 0.0), height - 1.001)
        xi, yi = int(x), int(y)
        fx, fy = x - xi, y - yi
        for c in range(channels):
            top = texture[yi, xi, c] * (1 - fx) + texture[yi, xi + 1, c] * fx
            low = texture[yi + 1, xi, c] * (1 - fx) + texture[yi + 1, xi + 1, c] * fx
            out[p, c] = top * (1 - fy) + low * fy
    return out
