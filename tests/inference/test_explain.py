"""Explanations: what is known of a network must be found, and the pictures show it where it is."""

from __future__ import annotations

import csv
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from picture_texts import check_texts
from toy_model import BrightnessNet
from video_files import Squares, draw, encode

import fer_zoo
from fer_zoo import FERModel, cli, create_model
from fer_zoo.compose import build
from fer_zoo.errors import MissingExtraError, OptionError
from fer_zoo.inference.explain import METHODS, clip_maps, explain_clip
from fer_zoo.inference.explanation import _figure, _pasted
from fer_zoo.inference.face_regions import REGIONS, region_masks
from fer_zoo.synth import render_clip, render_video
from fer_zoo.video.align import MEAN_FACE
from fer_zoo.video.crop import crop_clip, normalise, place_crop
from fer_zoo.video.reader import open_video

sys.path.append(str(Path(__file__).parent.parent / "evaluation"))

import toy_databases

pytestmark = pytest.mark.skipif(find_spec("captum") is None, reason="needs the extra explain")

FACE = (np.array(MEAN_FACE, np.float32) * 60 + 40)[None]


class MouthNet(BrightnessNet):
    """Sees only how bright the clip is at the mouth in the fourth of eight frames."""

    def __init__(self) -> None:
        super().__init__(frames=8, needs_landmarks=False)
        self.input_spec = self.input_spec.model_copy(update={"size": 80})

    def forward(self, clip: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        found = clip[:, :, 3, 50:56, 34:46].mean((1, 2, 3)) * self.weight
        return torch.stack([0 * found, 0 * found, found - 8], 1)


@pytest.fixture(scope="module")
def model() -> FERModel:
    torch.manual_seed(0)
    return build(toy_databases.recipe().model).eval()


def face_clip(frames: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A dark clip that is bright at the mouth, on black, with a border that blur cannot miss."""
    images = np.full((frames, 80, 80, 3), 20, np.uint8)
    images[:, 48:58, 30:50] = 250
    return images, np.repeat(FACE, frames, 0)


def test_regions_do_not_overlap_and_lie_where_their_landmarks_are() -> None:
    masks = region_masks(np.concatenate([FACE, np.full_like(FACE, np.nan)]), 80)
    assert tuple(masks) == REGIONS
    total = sum(masks.values())
    assert total[0].max() <= 1 + 1e-6
    assert total[1].max() == 0  # no face
    for region, first, end in (("brows", 17, 27), ("nose", 28, 36), ("eyes", 36, 48), ("mouth", 48, 68)):
        middle = (
            FACE[0, first:end].reshape(2, -1, 2).mean(1) if region in ("brows", "eyes") else FACE[:, first:end].mean(1)
        )
        for x, y in np.rint(middle).astype(int):
            assert masks[region][0, y, x] > 0.9, region
    areas = {region: float(mask[0].sum()) for region, mask in masks.items()}
    assert min(areas.values()) > 40


@pytest.mark.parametrize("method", METHODS)
def test_what_a_network_looks_at_is_found(method: Any) -> None:
    found = explain_clip(cast(FERModel, MouthNet()), *face_clip(), method=method)
    assert found.label == "bright"
    assert max(found.regions, key=lambda region: found.regions[region]) == "mouth"
    assert max(found.alone, key=lambda region: found.alone[region]) == "mouth"
    assert max(found.shares, key=lambda region: found.shares[region]) == "mouth"
    assert (found.moments > 0.2).tolist() == [frame in (2, 3, 4) for frame in range(8)]
    where = np.argwhere(found.maps)
    assert (where.min(0).tolist(), where.max(0).tolist()) == ([3, 50, 34], [3, 55, 45])


def test_integrated_gradients_add_up_to_the_difference(model: FERModel) -> None:
    torch.manual_seed(1)
    frames = torch.randint(0, 256, (6, 32, 32, 3), dtype=torch.uint8)
    landmarks = torch.rand(6, 68, 2) * 32
    with torch.no_grad():
        clip = normalise(frames, model.input_spec)[None]
        logs = torch.log_softmax(model(torch.cat([clip, 0 * clip]), landmarks.expand(2, -1, -1, -1)), 1)
    label = model.labels[1]
    was = [parameter.requires_grad for parameter in model.parameters()]
    maps = clip_maps(model.train(), frames.numpy(), landmarks.numpy(), label, steps=64)
    assert maps.sum() == pytest.approx(float(logs[0, 1] - logs[1, 1]), abs=0.02)
    assert model.training
    assert [parameter.requires_grad for parameter in model.parameters()] == was
    model.eval()


def test_a_map_is_pasted_where_its_crop_was() -> None:
    """A bright pixel of a crop comes back to the place in the frame that it was cut from, at any size of the video."""
    heat = np.zeros((32, 32), np.float32)
    heat[8, 20] = 1
    matrix = np.array([[0.4, 0, -10], [0, 0.4, -6]])  # pixels of the video to those of the crop
    for scale in (1.0, 0.5, 2.0):
        found = _pasted(heat, matrix, (round(120 * scale), round(160 * scale)), scale)
        y, x = (float((found * axis).sum() / found.sum()) for axis in np.mgrid[: found.shape[0], : found.shape[1]])
        assert ((x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5) == pytest.approx((75, 35), abs=0.3)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return encode(tmp_path / "me.mp4", [draw([("red", 50 + i, 60, 40)]) for i in range(13)])


def test_a_video_is_explained_and_shown(model: FERModel, video: Path, tmp_path: Path) -> None:
    found = fer_zoo.explain(model, video, landmarker=Squares(), steps=2, time_s=0.3)
    assert len(found.timeline) == 13
    assert found.frames.tolist() == [6, 7, 8, 9, 10, 11]
    assert sorted(found.heats) == list(range(13))
    assert found.clip.maps.shape == (6, 32, 32)
    found.plot(tmp_path / "a.png")
    check_texts(_figure(found), smallest=7)
    found.write_video(tmp_path / "a.mp4")
    found.write_table(tmp_path / "a.csv")
    assert len(list(open_video(tmp_path / "a.mp4").frames())) == 13
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == [*REGIONS, *(f"{frame / 25:.2f} s" for frame in range(6, 12))]
    assert float(rows[0]["lost_when_hidden"]) == pytest.approx(found.clip.regions["brows"], abs=1e-4)
    assert "mouth" in found.describe()


def test_a_network_of_single_frames_has_no_moments(video: Path) -> None:
    model = create_model("incres2d_tiny_mean", frames=1, size=32).eval()
    found = fer_zoo.explain(model, video, landmarker=Squares(), steps=2, time_s=0.2)
    assert [part for part, *_ in found.table()] == list(REGIONS)
    assert found.describe().startswith(f"me.mp4, {int(found.frames[0]) / 25:.2f} s: {found.clip.label} ")
    check_texts(_figure(found), smallest=7)


def test_bad_input(model: FERModel, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ({"label": "joy"}, {"method": "guess"}, {"steps": 0}, {"time_s": 9.0}, {"hop": 7}):
        with pytest.raises(OptionError):
            fer_zoo.explain(model, video, landmarker=Squares(), **{"steps": 1, **wrong})  # type: ignore[arg-type]
    monkeypatch.setattr("fer_zoo.inference.explain.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="explain"):
        fer_zoo.explain(model, video)


def test_the_command_refuses_before_it_computes(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["explain", str(video), "--label", "joy", "--out", str(out)]) == cli.EXIT_ERROR
    assert "'joy'" in capsys.readouterr().err
    assert cli.main(["explain", str(tmp_path / "none.mp4"), "--out", str(out)]) == cli.EXIT_VIDEO
    assert not out.exists()


def cropped(model: FERModel, frames: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = place_crop(landmarks, model.input_spec.crop)
    assert place is not None
    return crop_clip(frames, landmarks, place, model.input_spec.size)


@pytest.mark.slow
@pytest.mark.parametrize(("label", "region"), [("happiness", "mouth"), ("anger", "brows"), ("surprise", "mouth")])
def test_the_shipped_weights_read_expressions_where_people_do(label: str, region: str) -> None:
    """On average over rendered clips that are read right; single clips differ."""
    model = create_model("incres3d_tiny_lstm_lm_in", pretrained=True)
    lost = []
    for subject in range(900, 908):
        clip = render_clip(subject, label, frames=model.input_spec.frames)
        found = explain_clip(model, *cropped(model, clip.frames, clip.landmarks), method="saliency")
        if found.label == label:
            lost.append(list(found.regions.values()))
    assert len(lost) >= 4
    assert REGIONS[int(np.mean(lost, axis=0).argmax())] == region


@pytest.mark.slow
def test_the_onset_matters_most_and_a_random_network_has_other_maps() -> None:
    trained = create_model("incres3d_tiny_lstm_lm_in", pretrained=True)
    torch.manual_seed(3)
    random = create_model("incres3d_tiny_lstm_lm_in").eval()
    lost, correlations, frames = [], [], trained.input_spec.frames
    for subject in (900, 901, 902):
        video = render_video(subject, ["neutral", "surprise"], seconds_each=0.8)
        onset = int((video.intensity >= 0.5).argmax())
        part = slice(onset - frames // 2, onset - frames // 2 + frames)
        clip = cropped(trained, video.frames[part], video.landmarks[part])
        found = explain_clip(trained, *clip, "surprise", steps=4)
        lost.append(found.moments)
        other = clip_maps(random, *clip, "surprise", steps=4)
        correlations.append(np.corrcoef(found.maps.ravel(), other.ravel())[0, 1])
    onset = frames // 2
    assert np.mean(lost, axis=0)[onset : onset + 3].min() > 3 * np.mean(lost, axis=0)[:3].max()
    assert np.abs(correlations).max() < 0.1
