"""The 68 landmarks: order, position on the face, symmetry."""

from pathlib import Path

import numpy as np
import pytest
from ict_heads import made_up_pack
from PIL import Image

from fer_zoo.synth import LABELS, render_clip
from fer_zoo.synth.character import build_character
from fer_zoo.synth.family import makehuman
from fer_zoo.synth.head import SKIN, load_head
from fer_zoo.synth.ict import ict_family
from fer_zoo.synth.scene import Camera, rotation
from fer_zoo.synth.texture import HEIGHT, WIDTH, texture_coordinates

MIRROR = {
    **{k: 16 - k for k in range(17)},
    **{17 + k: 26 - k for k in range(5)},
    **{31 + k: 35 - k for k in range(3)},
    **dict(zip(range(36, 42), (45, 44, 43, 42, 47, 46), strict=True)),
    **dict(zip(range(48, 60), (54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55), strict=True)),
    **dict(zip(range(60, 68), (64, 63, 62, 61, 60, 67, 66, 65), strict=True)),
}


def test_landmarks_are_68_different_vertices_of_the_skin():
    head = load_head()
    assert len(set(head.landmark_vertices.tolist())) == 68
    assert (head.vertex_material[head.landmark_vertices] == SKIN).all()


@pytest.mark.parametrize("head", ["makehuman", "ict"])
def test_landmarks_of_drawn_brows_are_on_them(head: str, tmp_path: Path) -> None:
    """Their height, slope and length are drawn per subject, on the same vertices."""
    family = makehuman() if head == "makehuman" else ict_family(made_up_pack(tmp_path))
    errors, lifts = [], []
    for subject in range(8):
        character = build_character(0, subject, family)
        corners, shares = character.marked
        u, v = texture_coordinates(character.head.paint)
        at = np.column_stack([(shares * u[corners]).sum(1), (shares * v[corners]).sum(1)])[17:27]
        columns, rows = (np.clip(np.rint(at.T * [[WIDTH], [HEIGHT]] - 0.5), 0, WIDTH - 1)).astype(int)
        paint = np.log(character.skin.albedo.mean(-1) + 1e-3)
        for number in (1, 2, 3, 6, 7, 8):  # the upper edge: dark hair below, skin above
            column, row = columns[number], rows[number]
            strip = paint[row - 8 : row + 9, column - 3 : column + 4].mean(1)
            edge = np.convolve(strip, [-1, -1, -1, 1, 1, 1], mode="valid").argmax() + 2.5 - 8
            errors.append(edge)
            lifts.append(row)
    assert np.abs(np.median(errors)) < 2.5, "texels, of 0.01 decimetres"
    assert np.percentile(np.abs(errors), 75) < 4
    assert np.std(lifts) > 1, "they differ between subjects"


def test_landmarks_are_symmetric():
    base = load_head().base[load_head().landmark_vertices]
    for left, right in MIRROR.items():
        np.testing.assert_allclose(base[left] * [-1, 1, 1], base[right], atol=0.02)


@pytest.mark.parametrize("label", LABELS)
def test_order_is_ibug_seen_from_the_front(label):
    for subject in range(3):
        p = render_clip(subject, label, frames=1, size=128, plain=True).landmarks[0]
        x, y = p[:, 0], p[:, 1]
        assert (np.diff(x[[0, 3, 6, 8, 10, 13, 16]]) > 0).all()  # jaw from image-left to image-right
        assert y[8] == y.max()  # chin lowest
        assert (np.diff(x[17:27]) > 0).all()
        assert (np.diff(y[27:31]) > 0).all()
        assert (np.diff(x[31:36]) > 0).all()
        for start in (36, 42):
            assert x[start] < x[start + 1] < x[start + 2] < x[start + 3]
            assert x[start + 5] < x[start + 4]
            assert y[start + 1 : start + 3].mean() <= y[start + 4 : start + 6].mean() + 0.3
        assert (np.diff(x[48:55]) > 0).all()
        assert (np.diff(x[54:60]) < 0).all()
        assert (np.diff(x[60:65]) > 0).all()
        assert (np.diff(x[64:68]) < 0).all()
        assert y[17:27].max() < y[36:48].min() + 3
        assert y[36:48].max() < y[33] < y[51] < y[57] < y[8]


def test_landmarks_are_on_the_face_in_the_image():
    """On a clean render, the irises between the eye corners are darker than the cheeks."""
    clip = render_clip(6, "surprise", frames=1, size=256, plain=True)
    grey = np.asarray(Image.fromarray(clip.frames[0]).convert("L"), float)
    p = clip.landmarks[0]
    for eye, cheek in ((p[36:42].mean(0), 2), (p[42:48].mean(0), 14)):
        x, y = np.rint(eye).astype(int)
        beside = np.rint((p[cheek] + p[33]) / 2).astype(int)
        iris = grey[y - 3 : y + 4, x - 3 : x + 4].mean()
        assert iris < 0.8 * grey[beside[1] - 3 : beside[1] + 4, beside[0] - 3 : beside[0] + 4].mean()


def test_turning_the_head_moves_the_nose_the_right_way():
    character, marks = build_character(0, 0), load_head().landmark_vertices
    face, camera = character.shape[marks] - character.shape[marks].mean(0), Camera(14.0)

    def nose_offset(yaw, pitch):
        flat = camera.project(face @ rotation(yaw, pitch, 0.0).T)[0]
        return flat[30] - flat[[0, 16]].mean(0)

    assert nose_offset(0.3, 0)[0] > nose_offset(0, 0)[0]  # to the subject's left: to the right of the picture
    assert nose_offset(0, 0.2)[1] > nose_offset(0, 0)[1]  # looking down moves the nose down
