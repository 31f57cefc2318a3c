"""The turned square that the network of `fz68` sees: exact maps, upright faces, and pictures cut without a shift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.landmarks.frame import Frame
from fer_zoo.synth import render_clip

FACE = render_clip(3, "happiness", frames=1, size=128, plain=True)
squares = st.builds(
    Frame,
    x=st.floats(-50, 300),
    y=st.floats(-50, 300),
    side=st.floats(8, 400),
    angle=st.floats(-3.1, 3.1),
)


@given(squares)
@settings(max_examples=50)
def test_to_the_picture_and_back(frame: Frame) -> None:
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (68, 2)).astype(np.float32)
    np.testing.assert_allclose(frame.from_image(frame.to_image(points)), points, atol=2e-3)


@given(st.floats(-3.0, 3.0), st.floats(0.3, 4), st.floats(-200, 200))
@settings(max_examples=50)
def test_a_face_turned_scaled_and_moved_fills_its_square_alike(angle: float, scale: float, shift: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    marks = FACE.landmarks[0]
    moved = (marks @ turn.T * scale + shift).astype(np.float32)
    plain, turned = Frame.of_landmarks(marks), Frame.of_landmarks(moved)
    np.testing.assert_allclose(turned.from_image(moved), plain.from_image(marks), atol=2e-3)
    assert turned.side == pytest.approx(plain.side * scale, rel=1e-3)
    assert np.cos(turned.angle - plain.angle - angle) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2])
@pytest.mark.parametrize("side", [60.0, 96.0, 500.0])
def test_a_dot_lands_where_the_map_says(side: float, angle: float) -> None:
    image = np.zeros((700, 800, 3), np.uint8)
    frame = Frame(400.0, 350.0, side, angle)
    for u, v in ((0.0, 0.0), (0.5, -0.3), (-0.6, 0.7)):
        x, y = frame.to_image(np.array([[u, v]], np.float32))[0]
        image[:] = 0
        radius = max(2, round(side / 40))
        rows, columns = np.mgrid[0:700, 0:800]
        image[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 255
        crop = frame.cut(image, 96)
        rows, columns = np.mgrid[0:96, 0:96] + 0.5
        found = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum() / 48 - 1
        np.testing.assert_allclose(found, (u, v), atol=0.03)


@pytest.mark.parametrize("frame", [Frame(-500, 50, 60, 0), Frame(5, 5, 30, 0.3), Frame(60, 60, 3000, 0)])
def test_outside_the_picture_is_black(frame: Frame) -> None:
    crop = frame.cut(np.full((100, 120, 3), 255, np.uint8), 96)
    assert (crop.shape, crop.dtype) == ((96, 96), np.float32)
    assert crop[0, 0] == 0
