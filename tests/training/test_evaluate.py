"""Evaluation: tables of the best and the last weights, which give the metrics of the card; cropped clips."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
import toy_faces
from safetensors.torch import load_file

from fer_zoo import data
from fer_zoo.compose import build
from fer_zoo.data.clips import ClipSet
from fer_zoo.specs import InputSpec, ViewsSpec
from fer_zoo.training import evaluate_clips, train
from fer_zoo.training.evaluate import _on_card, as_predictions, crop_clips, predict_cropped, predict_views
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions


def test_the_tables_are_of_the_best_and_the_last_weights(tmp_path: Path) -> None:
    """At a rate that wrecks the network no later epoch is better than the first."""
    recipe = toy_faces.recipe(lr=3.0, epochs=2, ema=None)
    result = train(recipe, tmp_path, device="cpu")
    tables = [(tmp_path / "predictions" / which / "test.csv").read_text() for which in ("best", "last")]
    assert tables[0] != tables[1], "no use as a test"
    clips, model = data.load(recipe), build(recipe.model)
    last = {key.removeprefix("model."): value for key, value in load_file(tmp_path / "last.safetensors").items()}
    for which, state in (("last", last), ("best", load_file(tmp_path / "best.safetensors"))):
        model.load_state_dict({key: value for key, value in state.items() if not key.startswith("optimizer.")})
        for part in ("validation", "test"):
            message = Predictions.read(tmp_path / "predictions" / which / f"{part}.csv")
            assert figures(message).card() == evaluate_clips(model, clips[part])
            assert message.keys.tolist() == [clips[part].key(clip) for clip in range(len(clips[part]))]
            assert set(message.subjects) == {f"{subject:06d}" for subject in clips[part].subjects}
            if which == "best":
                assert figures(message).card() == getattr(result, part)
        assert (tmp_path / "predictions" / which / "test_noisy.csv").is_file()


def test_fields_of_a_clip_set_stay_when_it_is_cropped() -> None:
    clips = data.load(toy_faces.recipe())["test"]
    named = dataclasses.replace(clips, videos=tuple(f"v{n}" for n in range(12)), subject_names={20: "Ann"})
    cropped = crop_clips(named, toy_faces.recipe().model.input)
    assert (cropped.videos, cropped.subject_names, cropped.subject_of(0)) == (named.videos, named.subject_names, "Ann")
    assert cropped.read(np.array([0])).shape == (1, 6, 32, 32, 3)


def test_clips_are_grouped_by_their_intensity() -> None:
    clips = data.load(toy_faces.recipe())["test"]
    intensities = np.repeat(np.linspace(0, 1, 12, dtype=np.float32)[:, None], 6, axis=1)
    known = dataclasses.replace(clips, intensities=intensities)
    found = as_predictions(known, np.full((12, 3), 1 / 3)).groups["intensity"].tolist()
    assert found == ["", *["0 to 0.25"] * 2, *["0.25 to 0.5"] * 3, *["0.5 to 0.75"] * 3, *["0.75 to 1"] * 3]
    assert "intensity" not in as_predictions(clips, np.full((12, 3), 1 / 3)).groups


class Seer(torch.nn.Module):
    """Its logits are the brightness of the left and of the right half, and where points 36 and 45 are."""

    labels = ("a", "b", "c", "d")

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(0.01))
        self.input_spec = InputSpec(frames=2, size=8, sampling="uniform")

    def forward(self, clip: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        halves = [half.mean(dim=(1, 2, 3, 4)) for half in clip.chunk(2, dim=-1)]
        return torch.stack([*halves, *(self.scale * landmarks[:, :, point, 0].mean(1) for point in (36, 45))], dim=1)


def test_views_of_clips() -> None:
    """Flipped, left is right and the corner of the right eye is that of the left; the mean is over all views."""
    rng, model = np.random.default_rng(0), Seer()
    frames = rng.integers(0, 256, (3, 2, 8, 8, 3), dtype=np.uint8)
    points = rng.uniform(0, 7, (3, 2, 68, 2)).astype(np.float32)
    clips = ClipSet.from_arrays(frames, points, [0, 1, 2], [0, 1, 2], model.labels)
    swapped = points.copy()
    swapped[:, :, [36, 45]] = points[:, :, [45, 36]]
    swapped[..., 0] = 7 - swapped[..., 0]
    mirrored = ClipSet.from_arrays(frames[..., ::-1, :].copy(), swapped, [0, 1, 2], [0, 1, 2], model.labels)
    both = [predict_cropped(model, own) for own in (clips, mirrored)]
    np.testing.assert_allclose(predict_cropped(model, clips, flip=True), np.mean(both, axis=0), atol=1e-6)
    assert np.abs(both[0] - both[1]).max() > 0.01, "no use as a test"

    long = ClipSet.from_arrays(
        rng.integers(0, 256, (3, 6, 20, 20, 3), dtype=np.uint8),
        rng.uniform(6, 14, (3, 6, 68, 2)).astype(np.float32), [0, 1, 2], [0, 1, 2], model.labels,
    )  # fmt: skip
    views = [
        crop_clips(
            dataclasses.replace(long, frames=long.frames[:, kept], landmarks=long.landmarks[:, kept]), model.input_spec
        )
        for kept in ([0, 3], [2, 5])
    ]
    expected = np.mean([predict_cropped(model, view) for view in views], axis=0)
    np.testing.assert_allclose(predict_views(model, long, ViewsSpec(clips=2)), expected, atol=1e-6)


def test_metrics_by_video_where_videos_were_cut() -> None:
    shares = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    clips = Predictions(
        ("a", "b"), np.array(list("xyz")), np.array([""] * 3), np.array(list("vvw")), np.array([0, 0, 1]), shares
    )
    found = dict(_on_card("test", clips))
    assert {name: (own.clips, own.war) for name, own in found.items()} == {
        "test": (3, 2 / 3),
        "test, by video": (2, 1.0),
    }
    assert list(dict(_on_card("test", clips.take(np.array([0, 2]))))) == ["test"]
