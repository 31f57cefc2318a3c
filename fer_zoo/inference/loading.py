"""What a prediction needs before it starts: the model by name, its landmarker, its device and how it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fer_zoo.devices import find_device
from fer_zoo.errors import InputError, MissingExtraError, OptionError
from fer_zoo.factory import create_model
from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.model import FERModel
from fer_zoo.specs import ComponentSpec
from fer_zoo.weights import load_weights

PRECISIONS = ("float32", "bf16")


def find_model(model: FERModel | str | Path) -> FERModel:
    """Return a model with labels, from itself, a name with weights, or a weights folder.

    Raises:
        InputError: another type. UnknownNameError, WeightsError, HubError: no such weights.
        OptionError: the model has no classifier.
    """
    if isinstance(model, Path) or (isinstance(model, str) and (Path(model) / "config.json").is_file()):
        model = load_weights(Path(model).expanduser())
    elif isinstance(model, str):
        model = create_model(model, pretrained=True)
    if not (hasattr(model, "input_spec") and hasattr(model, "labels")):
        raise InputError(
            f"The model is of type {type(model).__name__}.",
            "a FERModel, the name of a model with weights, or a weights folder",
            'pass e.g. "incres3d_tiny_lstm_lm_in"; fer_zoo.list_models() lists the names',
        )
    if not model.labels:
        raise OptionError(
            "The model has no classifier (num_classes=0), so it predicts no label.",
            "a model with labels",
            "call model.reset_classifier(labels=[...]) and train it, or load the weights with their own labels",
        )
    return model


def find_landmarker(model: FERModel, given: Landmarker | ComponentSpec | str | None) -> Landmarker:
    """Return the landmarker that was asked for, else the one of the weights, else, if that is not installed, fz68."""
    if isinstance(given, Landmarker):
        return given
    try:
        return create_landmarker(given or model.input_spec.landmarks.detector)
    except MissingExtraError:
        if given:
            raise
        return create_landmarker("fz68")


def weights_name(model: FERModel) -> str:
    """Return the name of the weights, and what is not theirs."""
    if model.card is not None:
        return model.card.name
    if model.started_from:
        return f"{model.started_from} ({'untrained' if model.classifier_is_untrained else 'changed'} classifier)"
    return f"{model.spec.name} (untrained)"


def check_options(batch_size: int, precision: str, threads: int | None) -> None:
    """Check how the network is to compute.

    Raises:
        OptionError: one of them is not valid.
    """
    for name, value in (("batch_size", batch_size), ("threads", 1 if threads is None else threads)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(f"{name}={value!r}.", "an integer >= 1", "leave it out")
    if precision not in PRECISIONS:
        raise OptionError(f"precision={precision!r}.", " or ".join(PRECISIONS), "leave it out to compute in float32")


@contextmanager
def computing(
    model: FERModel, device: torch.device | str | None, precision: str, threads: int | None
) -> Iterator[None]:
    """Move the model to the device, and compute in this precision with this many CPU threads inside the block."""
    if device is not None:
        model.to(find_device(device))
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    kind = next(model.parameters()).device.type
    try:
        # Entered only when asked for, so that a caller's own autocast stays in force.
        if precision == "bf16":
            with torch.autocast(kind, torch.bfloat16):
                yield
        else:
            yield
    finally:
        torch.set_num_threads(before)
