"""An exported file as a network that inference and evaluation call like any other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from fer_zoo.errors import InputError, OptionError, WeightsError
from fer_zoo.exporting.runtimes import RUNTIMES, SUFFIXES, Opened, Run, open_in
from fer_zoo.model import Network
from fer_zoo.paths import missing, shown


class ExportedNetwork(Network):
    """An exported network: float32 clips and landmarks on the CPU in, logits out, in evaluation mode.

    It computes with PyTorch's current number of CPU threads, and in bfloat16 inside `torch.autocast("cpu")`.

    Attributes:
        facts: what the file says about itself.
        runtime: "onnxruntime" or "openvino".
    """

    def __init__(self, runtime: str, opened: Opened) -> None:
        super().__init__(opened.facts.model, opened.facts.card)
        self.facts, self.runtime, self._opened = opened.facts, runtime, opened
        self.started_from = self.facts.started_from
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self._compiled: dict[tuple[str, int], Run] = {}
        # Says where it computes and with which numbers; the weights are in the file.
        self.marker = nn.Parameter(torch.empty(0), requires_grad=False)
        self.eval()

    @property
    def needs_landmarks(self) -> bool:
        """Whether `forward` needs landmarks."""
        return "landmarks" in self.facts.inputs

    @property
    def classifier_is_untrained(self) -> bool:
        """Whether the classifier had random weights when it was exported."""
        return self.facts.untrained

    def forward(self, clip: Tensor, landmarks: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Return logits (B, classes) of clips (B, 3, T, H, W) and their landmarks (B, T, 68, 2) in clip pixels.

        Raises:
            InputError: clip or landmarks do not have the declared shape, or lengths were given.
            OptionError: the runtime does not have the precision.
        """
        if lengths is not None:
            raise InputError("lengths were given.", "clips without padding", "use the PyTorch model for padded clips")
        self._check_clip(clip)
        tensors = [clip, self._points(landmarks, None, clip)] if self.needs_landmarks else [clip]
        how = ("bf16" if torch.is_autocast_enabled("cpu") else "float32"), torch.get_num_threads()
        if how not in self._compiled:
            self._compiled[how] = self._opened.compile(*how)
        arrays = [np.ascontiguousarray(tensor.detach().float().numpy()) for tensor in tensors]
        return torch.from_numpy(self._compiled[how](arrays))

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> Self:
        moved = fn(self.marker.data)
        if moved.device.type != "cpu" or moved.dtype != torch.float32:
            raise OptionError(
                f"An exported network was to be moved to {moved.device}, {moved.dtype}.",
                "the CPU and float32, where exported networks are run",
                "use device=cpu, or the PyTorch model (--runtime torch)",
            )
        return self


def is_exported(given: object) -> bool:
    """Return whether this is the name of an exported file, by its suffix."""
    return isinstance(given, str | Path) and Path(given).suffix.lower() in SUFFIXES.values()


def check_runtime(runtime: str | None) -> None:
    """Check the name of a runtime.

    Raises:
        OptionError: there is no such runtime.
    """
    if runtime not in (None, "torch", *RUNTIMES):
        raise OptionError(f"Unknown runtime {runtime!r}.", ", ".join(("torch", *RUNTIMES)), "choose one of these")


def load_exported(path: str | Path, runtime: str | None = None) -> ExportedNetwork:
    """Open an exported file as a network: ONNX with "onnxruntime" (default) or "openvino", .xml with "openvino".

    Raises:
        OptionError: no such runtime, or one that does not read such files.
        MissingExtraError: the runtime is not installed.
        WeightsError: there is no such file, or it is damaged or not an export.
    """
    check_runtime(runtime)
    path = Path(os.path.expanduser(path))
    if not os.path.isfile(path):
        raise WeightsError(missing(path), "a file that `fer-zoo export` wrote", "check the path")
    reading = [name for name, each in RUNTIMES.items() if path.suffix.lower() in each.suffixes]
    if path.suffix.lower() == ".pt2":
        # torch.export.load unpickles parts of the file, which can run any code.
        raise OptionError(
            f"{shown(path)} was given as a model.",
            "an exported .onnx or .xml file, or the name of a model",
            "give the name of the model that was exported, or load the file yourself with torch.export.load",
        )
    if runtime is not None and runtime not in reading:
        raise OptionError(
            f"{shown(path)} was to be run by {runtime}.",
            " or ".join(reading) + f" for {path.suffix} files",
            "leave the runtime out, or export the network for it",
        )
    chosen = runtime or reading[0]
    return ExportedNetwork(chosen, open_in(chosen, path))
