"""The face-alignment adapter with that package's own classes; its two networks, which need a download, are replaced."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import face_alignment
import numpy as np
import pytest
import torch
from torch import nn

from fer_zoo.errors import OptionError, WeightsError
from fer_zoo.landmarks import create_landmarker
from fer_zoo.landmarks.base import Box, Face, Landmarker
from fer_zoo.specs import ComponentSpec

GRID = [(8 + 6 * (i % 9), 8 + 6 * (i // 9)) for i in range(68)]  # heat map pixels (x, y) of 64 x 64


class StandInFan(nn.Module):
    """Heat maps with one peak per landmark on a fixed grid; the height is the brightness of the crop."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        maps = torch.zeros(len(crops), 68, 64, 64)
        height = crops.mean(dim=(1, 2, 3))
        for index, (x, y) in enumerate(GRID):
            maps[:, index, y, x] = height
        return maps


class StandInDetector:
    """Returns the boxes that the test set."""

    boxes: list[list[float]]
    reference_scale = 195

    def __init__(self, device: str, verbose: bool) -> None:
        assert device == "cpu"

    def detect_from_image(self, image: np.ndarray) -> list[list[float]]:
        return self.boxes


@pytest.fixture
def landmarker(monkeypatch: pytest.MonkeyPatch) -> Landmarker:
    monkeypatch.setattr("face_alignment.detection.yunet.FaceDetector", StandInDetector)
    monkeypatch.setattr(face_alignment.FaceAlignment, "_load_native", lambda *_: StandInFan())
    # The package compiles two small functions at the first call, for about 10 s; plain Python gives the same results.
    for name, function in vars(face_alignment.utils).items():
        if hasattr(function, "py_func"):
            monkeypatch.setattr(face_alignment.utils, name, function.py_func)
    StandInDetector.boxes = [[40, 30, 140, 150, 0.9]]
    return create_landmarker("face_alignment")


def white(value: int = 220) -> np.ndarray:
    return np.full((200, 300, 3), value, np.uint8)


def test_detect_returns_boxes_scores_and_landmarks_in_pixels(landmarker: Landmarker) -> None:
    (face,) = landmarker.detect(white())
    assert face.box == Box(40, 30, 140, 150)
    assert face.score == pytest.approx(0.9)
    assert (face.landmarks.shape, face.landmarks.dtype) == ((68, 2), np.float32)
    # The package's crop: a square of 200 x scale pixels around the centre of the box, raised by 0.12 of its height.
    side = 200 * (100 + 120) / 195
    left, top = 90 - side / 2, 90 - 0.12 * 120 - side / 2
    expected = (np.array(GRID) + 0.5) / 64 * side + (left, top)
    assert np.abs(face.landmarks - expected).max() < 0.03 * side


def test_faces_are_returned_largest_first(landmarker: Landmarker) -> None:
    StandInDetector.boxes = [[10, 10, 50, 60, 0.99], [100, 20, 220, 160, 0.5]]
    assert [round(face.box.width) for face in landmarker.detect(white())] == [120, 40]
    StandInDetector.boxes = []
    assert landmarker.detect(white()) == []


def test_follow_needs_no_detector_and_loses_the_face_on_flat_heat_maps(landmarker: Landmarker) -> None:
    (face,) = landmarker.detect(white())
    StandInDetector.boxes = []
    again = landmarker.follow(white(), face)
    assert again is not None
    np.testing.assert_allclose(again.landmarks, face.landmarks, atol=1e-3)
    assert again.box == pytest.approx(face.box, abs=1e-3)
    assert landmarker.follow(white(20), face) is None
    elsewhere = Face(face.box, face.score, face.landmarks + 400)
    assert landmarker.follow(white(), elsewhere) is None


def test_mirroring_does_not_change_the_scale_of_scores(monkeypatch: pytest.MonkeyPatch, landmarker: Landmarker) -> None:
    flipping = create_landmarker(ComponentSpec(name="face_alignment", flip_input=True, min_score=0.3))
    (face,) = flipping.detect(white())
    # Peak of the straight heat map 0.86, of the mirrored one 0 at the same place: their mean is above the limit.
    assert flipping.follow(white(), face) is not None


def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object) -> nn.Module:
        raise URLError("no network")

    monkeypatch.setattr("face_alignment.detection.yunet.FaceDetector", StandInDetector)
    monkeypatch.setattr(face_alignment.FaceAlignment, "_load_native", offline)
    landmarker = create_landmarker("face_alignment")  # construction itself loads nothing
    with pytest.raises(WeightsError, match="no network"):
        landmarker.detect(white())


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + bytes(99)], ids=["empty", "text", "cut off"])
def test_damaged_weights_in_the_cache(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fan").write_bytes(content)
    monkeypatch.setattr("face_alignment.detection.yunet.FaceDetector", StandInDetector)
    monkeypatch.setattr("face_alignment.api.FAN", lambda _: StandInFan())
    monkeypatch.setattr("face_alignment.api.load_file_from_url", lambda _: str(tmp_path / "fan"))
    with pytest.raises(WeightsError, match=r"could not load its weights: [\s\S]*delete damaged files"):
        create_landmarker("face_alignment").detect(white())


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="detector"):
        create_landmarker(ComponentSpec(name="face_alignment", detector="haar"))
