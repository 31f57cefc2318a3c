"""The z-buffer is correct, and compiled loops give the same bits as plain numpy."""

import kernels_numpy
import numpy as np
import pytest

from fer_zoo.synth import raster, render_clip
from fer_zoo.synth.raster import interpolate, rasterize, sample, vertex_normals

PIXELS = np.array([[1.0, 1.0], [1.0, 8.0], [8.0, 1.0], [0.0, 0.0], [0.0, 9.0], [9.0, 0.0]])
DEPTH = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
TRIANGLES = np.array([[0, 1, 2], [3, 4, 5]])


@pytest.fixture(params=["numba", "numpy"])
def loops(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(raster, "_loops", lambda: kernels_numpy)


@pytest.mark.usefixtures("loops")
def test_nearest_triangle_wins():
    seen = rasterize(PIXELS, DEPTH, TRIANGLES, 10)
    owner = np.full(100, -1)
    owner[seen.pixel] = seen.triangle
    owner = owner.reshape(10, 10)
    assert owner[2, 2] == 0
    assert owner[0, 3] == 1
    assert owner[9, 9] == -1
    assert np.isinf(seen.depth[9, 9])
    np.testing.assert_allclose(seen.weights.sum(1), 1)
    np.testing.assert_allclose(interpolate(seen, TRIANGLES, DEPTH[:, None])[:, 0], seen.triangle + 1.0)


@pytest.mark.usefixtures("loops")
def test_back_faces_are_culled_and_cutouts_are_holes():
    assert len(rasterize(PIXELS, DEPTH, TRIANGLES[:, ::-1], 10).pixel) == 0
    assert len(rasterize(PIXELS, DEPTH, TRIANGLES[:, ::-1], 10, cull=False).pixel) > 0
    hole = np.array([-1.0, -1, -1, 1, 1, 1])
    assert set(rasterize(PIXELS, DEPTH, TRIANGLES, 10, cutout=hole).triangle) == {1}


@pytest.mark.usefixtures("loops")
def test_normals_and_samples():
    square = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    found = vertex_normals(square, np.array([[0, 1, 2], [1, 3, 2]]))
    np.testing.assert_allclose(found, np.tile([0, 0, 1.0], (4, 1)))
    texture = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    middle = sample(texture, np.array([1.5 / 4, 0.5]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(middle[:, 0], [5.0, 5.5])


@pytest.mark.parametrize(("subject", "label"), [(3, "happiness"), (60, "surprise"), (8, "disgust")])
def test_numba_and_numpy_give_the_same_image(subject, label, monkeypatch):
    fast = render_clip(subject, label, frames=1, size=80)
    monkeypatch.setattr(raster, "_loops", lambda: kernels_numpy)
    plain = render_clip(subject, label, frames=1, size=80)
    assert (fast.frames == plain.frames).all()
    assert (fast.landmarks == plain.landmarks).all()
