"""The second family of heads: tests on the real ICT-FaceKit, if available, and on a generated head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import kernels_numpy
import numpy as np
import pytest
from ict_heads import made_up_arrays, made_up_pack, real_pack
from PIL import Image

from fer_zoo.errors import InputError
from fer_zoo.synth import LABELS, raster, render_clip, render_video
from fer_zoo.synth.character import build_character
from fer_zoo.synth.family import HeadFamily, makehuman
from fer_zoo.synth.head import EYE, SKIN
from fer_zoo.synth.ict import ict_family
from fer_zoo.synth.prototypes import ICT, prototype_weights, sides

MIRROR = np.array([
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
])  # fmt: skip


@pytest.fixture(scope="module", params=["real", "made up"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HeadFamily:
    return ict_family(real_pack() if request.param == "real" else made_up_pack(tmp_path_factory.mktemp("head")))


def plain(family: HeadFamily, label: str, identity: int = 0, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    clip = render_clip(identity, label, frames=1, size=size, plain=True, family=family)
    return clip.frames[0], clip.landmarks[0].astype(float)


def test_the_head_is_registered_to_the_makehuman_head(family: HeadFamily) -> None:
    head, model = family.head, makehuman().head
    ours, theirs = head.base[head.landmark_vertices], model.base[model.landmark_vertices]
    assert np.linalg.norm(ours - theirs, axis=1)[17:].mean() < 0.12  # decimetres
    painted = head.paint[head.landmark_vertices]
    assert np.linalg.norm(painted - theirs, axis=1)[17:].mean() < 0.05
    for sign in (1, -1):
        ball = (head.vertex_material == EYE) & (head.base[:, 0] * sign > 0)
        theirs = model.base[(model.vertex_material == EYE) & (model.base[:, 0] * sign > 0)]
        np.testing.assert_allclose(head.paint[ball].mean(0)[:2], theirs.mean(0)[:2], atol=0.03)


def test_landmarks_are_68_symmetric_vertices_of_the_skin(family: HeadFamily) -> None:
    head = family.head
    assert len(set(head.landmark_vertices.tolist())) == 68
    assert (head.vertex_material[head.landmark_vertices] == SKIN).all()
    points = head.base[head.landmark_vertices]
    np.testing.assert_allclose(points[MIRROR] * [-1, 1, 1], points, atol=0.03)


def test_masks_cover_the_right_parts(family: HeadFamily) -> None:
    head = family.head
    marks = head.base[head.landmark_vertices]
    lips = head.base[head.lip > 0.5]
    assert len(lips) > 50
    assert lips[:, 1].max() < marks[33, 1]  # below the nose
    assert lips[:, 1].min() > marks[8, 1]  # above the chin
    assert head.lip[head.landmark_vertices[[62, 66]]].min() > 0.5
    assert head.lip[head.landmark_vertices[[30, 8, 2, 14, 19]]].max() < 0.1
    assert np.abs(head.base[head.ear > 0.5, 0]).min() > np.abs(marks[36:48, 0]).max()


def test_surprise_opens_the_mouth_and_the_eyes(family: HeadFamily) -> None:
    def opened(label: str) -> tuple[float, float]:
        points = plain(family, label)[1]
        unit = np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0))
        eyes = (points[[41, 40, 47, 46], 1] - points[[37, 38, 43, 44], 1]).mean()
        return (points[66, 1] - points[62, 1]) / unit, eyes / unit

    mouth, eyes = np.array(opened("surprise")) - opened("neutral")
    assert mouth > 0.12
    assert eyes > 0.01


@pytest.mark.parametrize(
    ("label", "measure", "sign"),
    [
        ("happiness", lambda p: p[[48, 54], 1].mean() - p[[51, 57], 1].mean(), 1),
        ("sadness", lambda p: p[[48, 54], 1].mean() - p[[51, 57], 1].mean(), -1),
        ("sadness", lambda p: p[[21, 22], 1].mean() - p[[17, 26], 1].mean(), 1),
        ("fear", lambda p: p[54, 0] - p[48, 0], 1),
        ("fear", lambda p: p[[21, 22], 1].mean() - p[[17, 26], 1].mean(), 1),
        ("anger", lambda p: p[17:27, 1].mean() - p[27, 1], -1),
        ("disgust", lambda p: p[33, 1] - p[[50, 51, 52], 1].mean(), -1),
    ],
)
def test_every_variant_moves_the_landmarks_as_expected_for_its_label(
    family: HeadFamily, label: str, measure: Callable[[np.ndarray], float], sign: int
) -> None:
    """Frontal, at full weight, y up, in decimetres; the change from rest is at least a millimetre."""
    head = family.head
    rest = head.base[head.landmark_vertices]
    for _, text in ICT[label]:
        weights = {side: weight for name, weight in prototype_weights(text).items() for side in sides(name)}
        shown = rest + head.offsets(weights)[head.landmark_vertices]
        assert sign * (measure(shown) - measure(rest)) > 0.01


def test_weights_above_one_are_clipped(family: HeadFamily) -> None:
    np.testing.assert_array_equal(
        family.head.offsets({"unit/jawOpen": 1.7}), family.head.offsets({"unit/jawOpen": 1.0})
    )


def test_eyes_turn_with_the_gaze_and_keep_their_size(family: HeadFamily) -> None:
    head = family.head
    left = (head.vertex_material == EYE) & (head.base[:, 0] > 0)
    ball = head.base[left]
    pupil = ball[:, 2].argmax()
    for unit, axis, sign in (("OutLeft", 0, 1), ("InLeft", 0, -1), ("UpLeft", 1, 1), ("DownLeft", 1, -1)):
        turned = (head.base + head.offsets({f"unit/eyeLook{unit}": 1.0}))[left]
        assert sign * (turned - ball)[pupil, axis] > 0.04
        np.testing.assert_allclose(np.ptp(turned, 0).max(), np.ptp(ball, 0).max(), rtol=0.12)


def test_landmarks_surround_dark_irises_and_coloured_lips(family: HeadFamily) -> None:
    picture, points = plain(family, "surprise", size=256)
    grey = np.asarray(Image.fromarray(picture).convert("L"), float)

    def around(where: np.ndarray, of: np.ndarray) -> np.ndarray:
        x, y = np.rint(where).astype(int)
        return of[y - 2 : y + 3, x - 2 : x + 3].reshape(25, *of.shape[2:]).mean(0)

    for eye in (points[36:42], points[42:48]):
        corners = eye[[0, 3]] + 0.18 * (eye[[3, 0]] - eye[[0, 3]])
        assert around(eye.mean(0), grey) < 0.85 * np.mean([around(corner, grey) for corner in corners])
    lip = around(points[[57, 66]].mean(0), picture.astype(float))
    chin = around(points[[57, 8]].mean(0), picture.astype(float))
    assert lip[0] / lip[1] > 1.05 * chin[0] / chin[1]  # redder


def test_labels_and_subjects_differ(family: HeadFamily) -> None:
    points = {label: plain(family, label)[1] for label in LABELS}
    for k, label in enumerate(LABELS):
        for other in LABELS[k + 1 :]:
            assert np.abs(points[label] - points[other]).max() > 1  # pixels of 64
    shapes = [build_character(0, identity, family).shape for identity in range(3)]
    for k in range(3):
        assert np.abs(shapes[k] - shapes[k - 1]).max() > 0.02


def test_subjects_differ_from_makehumans(family: HeadFamily) -> None:
    ours, theirs = ([build_character(0, k, f).traits.skin_tone for k in range(4)] for f in (family, makehuman()))
    assert not set(ours) & set(theirs)


def test_the_same_arguments_give_the_same_bytes(family: HeadFamily) -> None:
    first = render_clip(3, "fear", frames=2, size=48, family=family)
    build_character.cache_clear()
    again = render_clip(3, "fear", frames=2, size=48, family=family)
    assert first.frames.tobytes() == again.frames.tobytes()
    assert first.landmarks.tobytes() == again.landmarks.tobytes()


def test_numba_and_numpy_give_the_same_image(family: HeadFamily, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = render_clip(3, "fear", frames=1, size=48, plain=True, family=family)
    monkeypatch.setattr(raster, "_loops", lambda: kernels_numpy)
    assert (render_clip(3, "fear", frames=1, size=48, plain=True, family=family).frames == fast.frames).all()


def test_a_video_of_two_expressions(family: HeadFamily) -> None:
    video = render_video(1, ["happiness", "anger"], seconds_each=0.4, size=48, fps=10, family=family)
    assert video.frames.shape == (8, 48, 48, 3)
    assert {"happiness", "anger"} <= set(video.labels)


def without(shape: str) -> dict[str, np.ndarray]:
    arrays = made_up_arrays()
    kept = arrays["shape_names"] != shape
    return {**arrays, "shapes": arrays["shapes"][kept], "shape_names": arrays["shape_names"][kept]}


def torn(path: Path) -> None:
    np.savez(path, **made_up_arrays())
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b"no zip"), "not a packed"),
        (lambda path: None, "not a packed"),  # empty
        (lambda path: torn(path), "not a packed"),
        (lambda path: np.savez(path, base=np.zeros((3, 3))), "quads"),
        (lambda path: np.savez(path, **{**made_up_arrays(), "landmarks68": np.zeros(5, int)}), "do not match"),
        (lambda path: np.savez(path, **{**made_up_arrays(), "shape_names": np.array(["jawOpen"])}), "do not match"),
        (lambda path: np.savez(path, **without("eyeLookIn_R")), "the shape 'eyeLookIn_R' is missing"),
        (lambda path: np.savez(path, **without("noseSneer_L")), "the shape 'noseSneerLeft' is missing"),
    ],
)
def test_an_invalid_pack_is_an_error(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    path = tmp_path / "head.npz"
    path.touch()
    spoil(path)
    with pytest.raises(InputError, match=words) as error:
        ict_family(path)
    assert "pack_ict.py" in error.value.do
