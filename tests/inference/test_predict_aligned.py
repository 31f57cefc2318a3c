"""A network trained on aligned faces is shown aligned faces; what the timeline tells stays in pixels of the video."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import numpy as np
import pytest
import torch
from toy_model import BrightnessNet
from video_files import encode

from fer_zoo.data.clips import ClipSet
from fer_zoo.inference import predict_video
from fer_zoo.landmarks.base import Box, Face
from fer_zoo.model import FERModel
from fer_zoo.specs import CropSpec
from fer_zoo.training.evaluate import crop_clips
from fer_zoo.video.align import MEAN_FACE

RED, BLUE = 36, 45  # outer corners of the eyes, which carry a spot


class SeeingNet(BrightnessNet):
    """Keeps the clips it was given."""

    def __init__(self, align: Literal["box", "similarity"]) -> None:
        super().__init__()
        crop = CropSpec(scale=1.6, align=align)
        self.input_spec = self.input_spec.model_copy(update={"size": 64, "crop": crop})
        self.clips: list[torch.Tensor] = []

    def forward(self, clip: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        assert landmarks is not None
        self.clips.append(clip)
        self.points.append(landmarks)
        return torch.zeros(len(clip), 3) + 0 * self.weight


def centroid(light: np.ndarray) -> np.ndarray:
    light = np.clip(light.astype(float) - 60, 0, None)
    y, x = np.indices(light.shape)
    return np.array([(light * x).sum(), (light * y).sum()]) / light.sum()


class Spots:
    """A face is where its two spots are: red at the left eye, blue at the right."""

    name, version, detect_every = "spots", "spots 1", 1

    def detect(self, image: np.ndarray) -> list[Face]:
        eyes = [complex(*centroid(image[..., channel])) for channel in (0, 2)]
        mean = np.array(MEAN_FACE) @ (1, 1j)
        points = eyes[0] + (mean - mean[RED]) * (eyes[1] - eyes[0]) / (mean[BLUE] - mean[RED])
        found = np.stack([points.real, points.imag], axis=1).astype(np.float32)
        return [Face(Box.of_points(found), 1.0, found)]

    def follow(self, image: np.ndarray, last: Face) -> Face | None:
        return self.detect(image)[0]


def turning_head(frames: int = 6) -> list[np.ndarray]:
    y, x = np.mgrid[0:160, 0:160]
    images = []
    for angle in np.linspace(-0.6, 0.6, frames):
        image = np.full((160, 160, 3), 20.0)
        for side, channel in ((-1, 0), (1, 2)):
            spot_x, spot_y = 80 + side * 24 * np.cos(angle), 70 + side * 24 * np.sin(angle)
            image[..., channel] += 220 * np.exp(-((x - spot_x) ** 2 + (y - spot_y) ** 2) / 30)
        images.append(image.astype(np.uint8))
    return images


@pytest.mark.parametrize("align", ["box", "similarity"])
def test_the_network_sees_what_it_was_trained_on(tmp_path: Path, align: Literal["box", "similarity"]) -> None:
    images = turning_head()
    path = encode(tmp_path / "a.mp4", images, options={"crf": "4"}, pix_fmt="yuv444p")
    model = SeeingNet(align)
    timeline = predict_video(cast(FERModel, model), path, landmarker=Spots(), hop=1)
    clips, points = torch.cat(model.clips), torch.cat(model.points).numpy()
    assert clips.shape == (3, 3, 4, 64, 64)  # 6 frames, windows of 4
    for clip, marks in zip((255 * clips).numpy(), points, strict=True):
        for frame in range(4):
            for channel, point in ((0, RED), (2, BLUE)):
                assert np.abs(centroid(clip[channel, frame]) - marks[frame, point]).max() < 0.5
    slope = points[:, :, BLUE, 1] - points[:, :, RED, 1]
    assert (np.abs(slope).max() < 0.5) == (align == "similarity")
    # The timeline's boxes and points are the face's in the video, however the network was shown it.
    for row, image in zip(timeline.rows, images, strict=True):
        assert row.box is not None
        assert row.landmarks is not None
        assert np.abs(row.landmarks[RED] - centroid(image[..., 0])).max() < 0.7
        assert np.abs(np.array(row.box.centre) - (row.landmarks.min(0) + row.landmarks.max(0)) / 2).max() < 1
    # Evaluation uses the same crop of the same frames.
    marks = np.stack([row.landmarks for row in timeline.rows[:4] if row.landmarks is not None])[None]
    kept = crop_clips(ClipSet.from_arrays(np.stack(images[:4])[None], marks, [0], [0], ["a"]), model.input_spec)
    np.testing.assert_allclose(kept.landmarks[0], points[0], atol=1e-3)
    assert np.abs(kept.read(np.array([0]))[0] / 255 - clips[0].permute(1, 2, 3, 0).numpy()).mean() < 0.01
