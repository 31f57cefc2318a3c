"""What a prediction needs before it starts: the model by name, its landmarker, its device and how it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch

from fer_zoo.devices import find_device
from fer_zoo.errors import InputError, MissingExtraError, OptionError
from fer_zoo.exporting import ExportedNetwork, check_runtime, in_runtime, is_exported, load_exported
from fer_zoo.factory import find_model
from fer_zoo.inference.network import ProgressCallback
from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.model import FERModel, Network
from fer_zoo.specs import ComponentSpec

_PRECISIONS = ("float32", "bf16")
Faces = int | Literal["largest", "all"]


@dataclass(frozen=True)
class Options:
    """Whose faces are looked for, and how a source is read and computed on; see `predict_video` and `predict_faces`.

    Raises:
        OptionError: faces, batch_size, precision or threads is not valid.
    """

    faces: Faces
    landmarker: Landmarker | ComponentSpec | str | None
    hop: int | None
    batch_size: int
    device: torch.device | str | None
    precision: str
    threads: int | None
    fps: float | None = None
    progress: ProgressCallback | None = None

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size)
        if self.threads is not None:
            check_count("threads", self.threads)
        if self.faces not in ("largest", "all"):
            check_count("faces", self.faces, '"largest", "all", or ')
        if self.precision not in _PRECISIONS:
            raise OptionError(
                f"Unknown precision {self.precision!r}.", " or ".join(_PRECISIONS), "leave it out to compute in float32"
            )

    @property
    def most_faces(self) -> int | None:
        """How many faces are looked for; None: all."""
        return self.faces if isinstance(self.faces, int) else 1 if self.faces == "largest" else None


def check_count(name: str, value: object, words: str = "") -> None:
    """Raise OptionError for anything but an integer >= 1; `words` name what else is accepted."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OptionError(f"{name}={value!r}.", f"{words}an integer >= 1", "leave it out")


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
                f"runtime={runtime!r} for a network opened by {model.runtime}.",
                f"{model.runtime}, or none",
                "leave it out, or open the file with the other runtime",
            )
        return model
    found = find_model(cast(FERModel, model))
    return found if runtime in (None, "torch") else in_runtime(found, str(runtime))


def load_model(model: Network | str | Path, lacks: str) -> FERModel:
    """Return what predicts, as PyTorch computes it; `lacks` says what an exported network does not have.

    Raises:
        InputError: it is an exported network. Others as `load_network`.
    """
    found = load_network(model)
    if not isinstance(found, FERModel):
        raise InputError(
            f"An exported network, which has no {lacks}.",
            "the name of a model with weights, a weights folder, or a FERModel",
            "name the weights from which it was exported",
        )
    return found


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
    if not model.labels:  # it gives embeddings
        return model.started_from or model.spec.name
    if model.card is not None:
        return model.card.name
    if model.started_from:
        return f"{model.started_from} ({'untrained' if model.classifier_is_untrained else 'changed'} classifier)"
    return f"{model.spec.name} (untrained)"


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
        with torch.autocast(kind, torch.bfloat16) if precision == "bf16" else nullcontext():
            yield
    finally:
        torch.set_num_threads(before)
