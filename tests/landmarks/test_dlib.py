"""dlib on rendered faces, whose landmarks are known exactly; and errors if it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_files import dlib_or_skip, on_grey, rendered_face

from fer_zoo.errors import MissingExtraError, OptionError, UnknownNameError, WeightsError
from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.landmarks import dlib as module
from fer_zoo.landmarks.base import Box, Face, keep_likely
from fer_zoo.specs import ComponentSpec


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return dlib_or_skip()


def test_landmarks_of_rendered_faces(landmarker: Landmarker) -> None:
    from fer_zoo.synth import render_clip

    errors = []
    for subject in range(4):
        for label in ("neutral", "surprise"):
            clip = render_clip(subject, label, frames=2, size=160)
            faces = landmarker.detect(clip.frames[1])
            assert len(faces) == 1
            true, found = clip.landmarks[1], faces[0].landmarks
            assert (found.shape, found.dtype) == ((68, 2), np.float32)
            errors.append(np.linalg.norm(found - true, axis=1).mean() / np.ptp(true, axis=0).max())
    # Measured 2.6 % of the face's side on average; swapped axes or a shifted patch would be far above.
    assert np.mean(errors) < 0.045


@pytest.mark.parametrize(("left", "top"), [(0, 0), (37, 11), (448, 168)])
def test_landmarks_move_with_the_face(landmarker: Landmarker, left: int, top: int) -> None:
    face = rendered_face()[0]
    here = landmarker.detect(on_grey(face, 640, 360, left, top))[0]
    there = landmarker.detect(on_grey(face, 640, 360, 224, 84))[0]
    moved = here.landmarks - there.landmarks
    assert np.abs(moved - (left - 224, top - 84)).mean() < 0.015 * there.box.side


def test_small_faces_are_found_at_a_finer_size(landmarker: Landmarker) -> None:
    face = rendered_face()[0][::3, ::3]  # a face of some 40 pixels
    small = landmarker.detect(on_grey(face, 480, 270, 200, 100))
    assert len(small) == 1
    assert 25 < small[0].box.side < 55
    assert create_landmarker(ComponentSpec(name="dlib", upsample=0)).detect(on_grey(face, 1280, 720, 200, 100)) == []


def test_large_images_are_searched_at_a_reduced_size(landmarker: Landmarker) -> None:
    face = np.repeat(np.repeat(rendered_face()[0], 6, axis=0), 6, axis=1)
    found = landmarker.detect(on_grey(face, 2400, 1350, 600, 100))
    plain = landmarker.detect(rendered_face()[0])[0]
    assert len(found) == 1
    expected = (plain.landmarks + 0.5) * 6 - 0.5 + (600, 100)
    assert np.abs(found[0].landmarks - expected).mean() < 0.02 * found[0].box.side


def test_follow_finds_the_moved_face_and_only_a_face(landmarker: Landmarker) -> None:
    face = rendered_face()[0]
    before = landmarker.detect(on_grey(face, 640, 360, 200, 80))[0]
    after = landmarker.follow(on_grey(face, 640, 360, 212, 86), before)
    assert after is not None
    assert np.abs(after.landmarks - before.landmarks - (12, 6)).mean() < 0.015 * before.box.side
    assert landmarker.follow(np.full((360, 640, 3), 110, np.uint8), before) is None
    assert landmarker.follow(on_grey(face, 640, 360, 440, 80), before) is None
    at_the_edge = landmarker.detect(on_grey(face, 640, 360, 0, 0))[0]
    assert landmarker.follow(on_grey(face, 640, 360, 0, 0), at_the_edge) is not None


def test_no_face(landmarker: Landmarker) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    assert landmarker.detect(noise) == []
    assert landmarker.detect(np.zeros((1, 1, 3), np.uint8)) == []


def test_a_detection_elsewhere_or_with_another_size_is_not_the_same_face() -> None:
    def face(x: float, side: float) -> Face:
        return Face(Box(x, 0, x + side, side), 1.0, np.zeros((68, 2), np.float32))

    chosen = keep_likely([face(30, 100), face(8, 100)], face(0, 100))
    assert chosen is not None
    assert chosen.box.x0 == 8
    assert keep_likely([face(90, 100)], face(0, 100)) is None
    assert keep_likely([face(0, 190)], face(0, 100)) is None
    assert keep_likely([], face(0, 100)) is None


def test_options_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="dlib"):
        create_landmarker("dilb")
    with pytest.raises(OptionError, match="upsample"):
        create_landmarker(ComponentSpec(name="dlib", upsample=9))
    with pytest.raises(OptionError, match="unknown option"):
        create_landmarker(ComponentSpec(name="dlib", upsampling=1))


def test_a_named_predictor_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="There is no file"):
        module.find_predictor(str(tmp_path / "nowhere.dat"))
    monkeypatch.setenv(module.PREDICTOR_VARIABLE, str(tmp_path / "nowhere.dat"))
    with pytest.raises(WeightsError, match="There is no file"):
        module.find_predictor()
    (tmp_path / "here.dat").touch()
    monkeypatch.setenv(module.PREDICTOR_VARIABLE, str(tmp_path / "here.dat"))
    assert module.find_predictor() == tmp_path / "here.dat"


def test_a_damaged_predictor(tmp_path: Path, landmarker: Landmarker) -> None:
    (tmp_path / "damaged.dat").write_bytes(b"not a predictor" * 100)
    broken = create_landmarker(ComponentSpec(name="dlib", predictor=str(tmp_path / "damaged.dat")))
    with pytest.raises(WeightsError, match="cannot be read by dlib"):
        broken.detect(rendered_face()[0])


def test_without_the_extra_the_error_names_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(module.PREDICTOR_VARIABLE, raising=False)

    def nothing(name: str, package: str | None = None) -> Any:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", nothing)
        with pytest.raises(MissingExtraError, match=r'pip install "\.\[dlib\]"'):
            create_landmarker("dlib")
    (tmp_path / "there.dat").touch()
    monkeypatch.setenv(module.PREDICTOR_VARIABLE, str(tmp_path / "there.dat"))
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match="pip install dlib-bin"):
        create_landmarker("dlib")
