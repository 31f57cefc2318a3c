"""Temperature scaling: makes a trained network's probabilities honest, by its predictions on the validation set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fer_zoo.model import FERModel
from fer_zoo.specs import Calibration
from fer_zoo.training.metrics import calibration_error
from fer_zoo.training.predictions import Predictions

_RANGE = (0.2, 5.0)
_PRIOR = 0.5  # standard deviation of log(temperature) before any clip is seen: a handful of clips hardly move it
_LEAST = 1e-12


def fit_temperature(predictions: Predictions) -> float:
    """Return the temperature by which the logits are to be divided so that the probabilities fit the true labels.

    The maximum of the likelihood of the true labels (Guo et al. 2017, On Calibration of Modern Neural Networks), with a
    weak prior on a temperature near 1.
    """
    from scipy.optimize import minimize_scalar

    truth = predictions.truth[:, None]

    def loss(log_temperature: float) -> float:
        shares = at_temperature(predictions.probabilities, float(np.exp(log_temperature)))
        likelihood = np.log(np.maximum(np.take_along_axis(shares, truth, axis=1), _LEAST)).sum()
        return float((log_temperature / _PRIOR) ** 2 / 2 - likelihood)

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(_RANGE)), method="bounded").x))


def at_temperature(probabilities: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    """Return what probabilities (N, classes) become when the logits are divided by the temperature."""
    logits = np.log(np.maximum(probabilities, _LEAST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def calibrate(model: FERModel, predicted: Mapping[str, Predictions]) -> tuple[Calibration, dict[str, Predictions]]:
    """Divide the logits of a network, in its classifier, by the temperature fitted on "validation".

    Args:
        predicted: the network's predictions by part.

    Returns:
        The temperature with the expected calibration error of each part, and the predictions of the changed network.
    """
    temperature = fit_temperature(predicted["validation"])
    assert isinstance(model.classifier, nn.Linear), "only networks with a classifier are trained"
    with torch.no_grad():
        model.classifier.weight.div_(temperature)
        model.classifier.bias.div_(temperature)
    scaled = {
        part: replace(own, probabilities=at_temperature(own.probabilities, temperature))
        for part, own in predicted.items()
    }
    before, after = ({part: calibration_error(own) for part, own in parts.items()} for parts in (predicted, scaled))
    return Calibration(temperature=temperature, before=before, after=after), scaled
