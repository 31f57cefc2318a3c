"""The package's own landmarker: exact faces, following, pictures without a face, and damaged weights."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from video_files import on_grey, rendered_face

from fer_zoo.errors import InputError, WeightsError
from fer_zoo.folding import folded
from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.landmarks.base import Box, Face
from fer_zoo.landmarks.fz68 import WEIGHTS
from fer_zoo.landmarks.network import LandmarkNet
from fer_zoo.landmarks.stored import FACTS, TENSORS, load_network
from fer_zoo.specs import ComponentSpec
from fer_zoo.synth import render_clip
from fer_zoo.synth.still import render_still


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return create_landmarker("fz68")


def test_the_network_is_small_and_its_card_says_how_exact_it_is() -> None:
    facts = json.loads((WEIGHTS / FACTS).read_text())
    assert (WEIGHTS / TENSORS).stat().st_size < 3_000_000
    assert sum(value.numel() for value in load_network(WEIGHTS).parameters()) < 1_000_000
    assert facts["errors"]["by_part"]["all"] < 8
    assert "rendered" in (WEIGHTS / "README.md").read_text()
    with safe_open(WEIGHTS / TENSORS, framework="np") as file:
        assert file.keys()


def test_landmarks_of_rendered_faces(landmarker: Landmarker) -> None:
    errors = []
    for subject in range(4):
        for label in ("neutral", "surprise"):
            clip = render_clip(90_000 + subject, label, frames=2, size=160)
            faces = landmarker.detect(clip.frames[1])
            assert len(faces) == 1
            true, found = clip.landmarks[1], faces[0].landmarks
            assert (found.shape, found.dtype) == ((68, 2), np.float32)
            errors.append(np.linalg.norm(found - true, axis=1).mean() / np.ptp(true, axis=0).max())
    assert np.mean(errors) < 0.026  # dlib: 2.6 %


def test_covered_landmarks_are_less_certain(landmarker: Landmarker) -> None:
    image, landmarks = rendered_face()[0].copy(), landmarker.detect(rendered_face()[0])[0]
    low, high = landmarks.landmarks[48:68].min(0).astype(int) - 4, landmarks.landmarks[48:68].max(0).astype(int) + 5
    image[low[1] : high[1], low[0] : high[0]] = (30, 60, 160)
    covered = landmarker.follow(image, landmarks)
    assert covered is not None
    assert covered.uncertainty is not None
    assert landmarks.uncertainty is not None
    assert covered.uncertainty[48:68].mean() > 1.2 * landmarks.uncertainty[48:68].mean()
    half = landmarks.scaled(0.5).uncertainty
    assert half is not None
    np.testing.assert_allclose(half, landmarks.uncertainty / 2)


@pytest.mark.slow
@pytest.mark.parametrize("yaw", [(30, 50), (50, 75)])
def test_a_turned_face_is_followed(landmarker: Landmarker, yaw: tuple[int, int]) -> None:
    """From where it was a frame ago, a little off."""
    rng, errors = np.random.default_rng(0), []
    for take in range(150):
        still = render_still(90_000, take, size=192)
        if not still.attributes["face"] or still.attributes["covers"] or not yaw[0] < abs(still.pose[0]) < yaw[1]:
            continue
        if still.visible.mean() < 0.4 or not ((still.landmarks > 0) & (still.landmarks < 191)).all():
            continue
        last = still.landmarks + rng.normal(0, 2, 2).astype(np.float32)
        found = landmarker.follow(still.image, Face(Box.of_points(last), 1.0, last))
        assert found is not None
        distance = np.linalg.norm(found.landmarks - still.landmarks, axis=1)[still.visible].mean()
        errors.append(distance / np.ptp(still.landmarks, axis=0).max())
    assert len(errors) >= 2
    assert np.mean(errors) < 0.05


@pytest.mark.parametrize(("left", "top"), [(0, 0), (37, 11), (448, 168)])
def test_landmarks_move_with_the_face(landmarker: Landmarker, left: int, top: int) -> None:
    face = rendered_face()[0]
    here = landmarker.detect(on_grey(face, 640, 360, left, top))[0]
    there = landmarker.detect(on_grey(face, 640, 360, 224, 84))[0]
    moved = here.landmarks - there.landmarks
    assert np.abs(moved - (left - 224, top - 84)).mean() < 0.015 * there.box.side


@pytest.mark.parametrize("angle", [-42, 42])
def test_tilted_faces_are_found(landmarker: Landmarker, angle: int) -> None:
    upright = on_grey(rendered_face()[0], 640, 640, 224, 224)
    before = landmarker.detect(upright)[0].landmarks
    tilted = np.asarray(Image.fromarray(upright).rotate(angle, Image.Resampling.BICUBIC, fillcolor=(110, 110, 110)))
    (face,) = landmarker.detect(tilted)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turned = (before - 319.5) @ np.array([[cos, -sin], [sin, cos]]) + 319.5
    assert np.linalg.norm(face.landmarks - turned, axis=1).mean() < 0.03 * face.box.side


def test_the_network_for_inference_gives_what_the_trained_one_gives() -> None:
    net = LandmarkNet()
    for _ in range(3):  # statistics of the batch norms
        net(torch.rand(8, 1, 96, 96))
    torch.nn.init.normal_(net.whole.weight, std=0.1)
    crops = torch.rand(4, 1, 96, 96)
    with torch.inference_mode():
        for exact, fused in zip(net.eval()(crops), folded(net)(crops), strict=True):
            torch.testing.assert_close(fused, exact, atol=1e-4, rtol=1e-4)


def test_follow_finds_the_moved_face_and_only_a_face(landmarker: Landmarker) -> None:
    face = rendered_face()[0]
    before = landmarker.detect(on_grey(face, 640, 360, 200, 80))[0]
    after = landmarker.follow(on_grey(face, 640, 360, 212, 86), before)
    assert after is not None
    assert np.abs(after.landmarks - before.landmarks - (12, 6)).mean() < 0.015 * before.box.side
    assert landmarker.follow(np.full((360, 640, 3), 110, np.uint8), before) is None
    assert landmarker.follow(on_grey(face, 640, 360, 440, 80), before) is None


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((240, 320, 3), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.full((240, 320, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8),
    ],
    ids=["black", "8 px", "1 px", "white", "noise"],
)
def test_pictures_without_a_face(landmarker: Landmarker, image: np.ndarray) -> None:
    assert landmarker.detect(image) == []
    last = np.random.default_rng(1).uniform(1, 7, (68, 2)).astype(np.float32)
    assert landmarker.follow(image, Face(Box.of_points(last), 1.0, last)) is None


def test_half_a_face_at_the_border_is_finite_or_none(landmarker: Landmarker) -> None:
    face = rendered_face()[0]
    whole = landmarker.detect(on_grey(face, 640, 360, 200, 80))[0]
    half = np.ascontiguousarray(on_grey(face, 640, 360, 200, 80)[:, round(whole.box.centre[0]) :])
    moved = whole.landmarks - (round(whole.box.centre[0]), 0)
    found = landmarker.follow(half, Face(Box.of_points(moved), 1.0, moved.astype(np.float32)))
    assert found is None or np.isfinite(found.landmarks).all()


@pytest.mark.parametrize(
    "image",
    [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 4), np.uint8), np.full((20, 20, 3), np.nan)],
    ids=["grey", "four channels", "NaN"],
)
def test_what_is_not_a_picture_is_an_error(landmarker: Landmarker, image: np.ndarray) -> None:
    with pytest.raises(InputError, match="RGB, uint8"):
        landmarker.detect(image)
    last = np.zeros((68, 2), np.float32)
    with pytest.raises(InputError, match="RGB, uint8"):
        landmarker.follow(image, Face(Box.of_points(last), 1.0, last))


@pytest.mark.parametrize("damage", ["no tensors", "no facts", "one byte", "cut", "facts", "pipe", "no folder"])
def test_missing_or_damaged_weights(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    tensors = bytearray((folder / TENSORS).read_bytes())
    if damage == "no tensors":
        (folder / TENSORS).unlink()
    elif damage == "no facts":
        (folder / FACTS).unlink()
    elif damage == "one byte":
        tensors[-7] ^= 1
        (folder / TENSORS).write_bytes(tensors)
    elif damage == "cut":
        (folder / TENSORS).write_bytes(tensors[:5000])
    elif damage == "pipe":
        (folder / TENSORS).unlink()
        os.mkfifo(folder / TENSORS)
    elif damage == "facts":
        (folder / FACTS).write_text('{"sha256": 5}')
    else:
        shutil.rmtree(folder)
    with pytest.raises(WeightsError, match="restore both"):
        create_landmarker(ComponentSpec(name="fz68", weights=str(folder))).detect(rendered_face()[0])
