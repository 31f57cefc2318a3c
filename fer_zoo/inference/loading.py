"""What a prediction needs before it starts: the model by name, its landmarker, its device and how it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch

from fer_zoo.devices import find_device
from fer_zoo.errors import MissingExtraError, OptionError
from fer_zoo.exporting import ExportedNetwork, check_runtime, in_runtime, is_exported, load_exported
from fer_zoo.factory import find_model
from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.model import FERModel, Network
from fer_zoo.specs import ComponentSpec

PRECISIONS = ("float32", "bf16")


def load_network(model: Network | str | Path, runtime: str | None = None) -> Network:
    """Return what predicts: a model, or, by the name of an exported file or of a runtime, an exported network.

    Raises:
        As `fer_zoo.factory.find_model`, `fer_zoo.exporting.load_exported` and `fer_zoo.export`.
    """
    check_runtime(runtime)
    if isinstance(model, str | Path) and is_exported(model):
        return load_exported(model, runtime)
    if isinstance(model, ExportedNetwork):
        if runtime not in (None, model.runtime):
            raise OptionError(
                f"runtime={runtime!r} for a network opened by {model.runtime}.", f"{model.runtime}, or none",
                "leave it out, or open the file with the other runtime",
            )  # fmt: skip
        return model
    found = find_model(cast(FERModel, model))
    return found if runtime in (None, "torch") else in_runtime(found, str(runtime))


def find_landmarker(model: Network, given: Landmarker | ComponentSpec | str | None) -> Landmarker:
    """Return the landmarker that was asked for, else the one of the weights, else, if that is not installed, fz68."""
    if isinstance(given, Landmarker):
        return given
    try:
        return create_landmarker(given or model.input_spec.landmarks.detector)
    except MissingExtraError:
        if given:
            raise
        return create_landmarker("fz68")


def weights_name(model: Network) -> str:
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
def computing(model: Network, device: torch.device | str | None, precision: str, threads: int | None) -> Iterator[None]:
    """Move the model to the device, and compute in this precision with this many CPU threads inside the block."""
    if device == "auto" and isinstance(model, ExportedNetwork):
        device = None  # it stays on the CPU
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
