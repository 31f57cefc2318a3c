"""Evaluation: tables of the best and the last weights, which give the metrics of the card; cropped clips."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import toy_faces
from safetensors.torch import load_file

from fer_zoo import data
from fer_zoo.compose import build
from fer_zoo.training import evaluate_clips, train
from fer_zoo.training.evaluate import as_predictions, crop_clips
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
