"""Temperature scaling: known temperatures are found, few clips hardly move it, and the network itself is changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import toy_faces

from fer_zoo import weights
from fer_zoo.compose import build
from fer_zoo.specs.card import FEW_CLIPS
from fer_zoo.training import train
from fer_zoo.training.evaluate import at_temperature, calibrate, fit_temperature
from fer_zoo.training.metrics import calibration_error
from fer_zoo.training.predictions import Predictions


def drawn(clips: int, temperature: float, seed: int = 0) -> Predictions:
    """Predictions of a network whose logits are too large by a factor `temperature`; honest ones draw the labels."""
    rng = np.random.default_rng(seed)
    honest = at_temperature(rng.dirichlet(np.full(5, 0.3), clips), 1.0)
    truth = np.array([rng.choice(5, p=row) for row in honest])
    names = np.array([f"{number}" for number in range(clips)])
    return Predictions(
        labels=tuple("abcde"), keys=names, subjects=names, videos=names, truth=truth,
        probabilities=at_temperature(honest, 1 / temperature), groups={},
    )  # fmt: skip


@pytest.mark.parametrize("temperature", [0.5, 0.8, 1.0, 1.5, 3.0])
def test_a_known_temperature_is_found_and_helps_new_clips(temperature: float) -> None:
    found = fit_temperature(drawn(2000, temperature))
    assert found == pytest.approx(temperature, rel=0.08)
    new = drawn(2000, temperature, seed=1)
    scaled = Predictions(**{**new.__dict__, "probabilities": at_temperature(new.probabilities, found)})
    assert calibration_error(scaled) < 0.055  # 0.03 to 0.045 is what 2,000 honest predictions have
    if temperature in (0.5, 3.0):
        assert calibration_error(scaled) < 0.6 * calibration_error(new)


def test_a_few_clips_hardly_move_it() -> None:
    """Four clips predicted correctly would have no finite best temperature."""
    sure = drawn(4, 1.0)
    sure = Predictions(**{**sure.__dict__, "truth": sure.probabilities.argmax(1)})
    assert 0.4 < fit_temperature(sure) <= 1.01


def test_from_how_many_clips_on_the_card_does_not_warn() -> None:
    """With FEW_CLIPS, at least 95 % of the temperatures are within 20 % of the true one; with a quarter, far fewer."""

    def near(clips: int) -> float:
        found = np.array([fit_temperature(drawn(clips, 1.5, seed)) for seed in range(100)])
        return float(np.mean(np.abs(np.log(found / 1.5)) < np.log(1.2)))

    assert near(FEW_CLIPS) >= 0.95
    assert near(FEW_CLIPS // 4) < 0.85


def test_the_order_of_labels_stays() -> None:
    probabilities = drawn(50, 2.0).probabilities
    for temperature in (0.3, 4.0):
        assert (at_temperature(probabilities, temperature).argsort(1) == probabilities.argsort(1)).all()


def test_the_network_itself_gives_the_scaled_probabilities() -> None:
    model = build(toy_faces.recipe().model).eval()
    spec = model.input_spec
    clip, landmarks = torch.rand(6, 3, spec.frames, spec.size, spec.size), torch.rand(6, spec.frames, 68, 2) * spec.size
    with torch.inference_mode():
        before = model(clip, landmarks).double().softmax(1).numpy()
    names = np.array(list("abcdef"))
    own = Predictions(
        labels=model.labels, keys=names, subjects=names, videos=names, truth=np.arange(6) % len(model.labels),
        probabilities=before, groups={},
    )  # fmt: skip
    calibration, scaled = calibrate(model, {"validation": own})
    with torch.inference_mode():
        after = model(clip, landmarks).double().softmax(1).numpy()
    np.testing.assert_allclose(after, scaled["validation"].probabilities, atol=1e-5)
    assert calibration.after == {"validation": pytest.approx(calibration_error(scaled["validation"]))}


def test_trained_weights_are_calibrated_and_their_card_says_how(tmp_path: Path) -> None:
    train(toy_faces.recipe(epochs=1), tmp_path, device="cpu")
    model = weights.load_weights(tmp_path / "weights")
    assert model.card is not None
    calibration = model.card.calibration
    assert calibration is not None
    assert set(calibration.before) == set(calibration.after) == {"validation", "test", "test_noisy"}
    table = Predictions.read(tmp_path / "predictions" / "best" / "validation.csv")
    assert calibration_error(table) == pytest.approx(calibration.after["validation"], abs=1e-6)
    text = (tmp_path / "weights" / "README.md").read_text()
    assert f"divided by {calibration.temperature:.2f}" in text
    assert model.card.calibration_warning
    assert model.card.calibration_warning in text
