"""export: a network to a file, which exists only if it computes what PyTorch computes."""

from __future__ import annotations

import copy
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fer_zoo.errors import ExportError, FerZooError, InputError, MissingExtraError, OptionError, writing
from fer_zoo.exporting.facts import ExportFacts, Int8Facts
from fer_zoo.exporting.network import ExportedNetwork, load_exported
from fer_zoo.exporting.parts import component_error
from fer_zoo.exporting.runtimes import RUNTIME_OF, RUNTIMES, SUFFIXES, Arrays, Run
from fer_zoo.exporting.targets import FINISH, TARGETS, quiet, run_file
from fer_zoo.factory import find_folder, find_model
from fer_zoo.model import FERModel
from fer_zoo.paths import shown
from fer_zoo.specs import Recipe
from fer_zoo.weights.checking import TOLERANCE, check_face
from fer_zoo.weights.folder import read_recipe


class ExportResult(NamedTuple):
    """path: of the file; difference: the largest of a logit of the check face from PyTorch's; bf16: the same in
    bfloat16, if measured; int8: the accuracy on a store, if exported in int8.
    """

    path: Path
    difference: float
    bf16: float | None = None
    int8: Int8Facts | None = None


def export(
    model: FERModel | str | Path,
    path: str | Path | None = None,
    to: str | None = None,
    *,
    int8: str | Path | None = None,
    recipe: Recipe | None = None,
) -> ExportResult:
    """Write a network for another runtime: inputs clip and, if needed, landmarks, output logits, any batch size.

    Labels, input spec, licence and a summary of the card are in the file's metadata (`ExportFacts`). The file is run on
    the rendered face that weights are checked with, and is kept only if its logits are within `TOLERANCE` of PyTorch's.

    Args:
        model: a model, the name of a model with weights, or a weights folder.
        path: file to write, or to replace; default: the name of the weights in the working folder.
        to: "onnx", "openvino" (an .xml, and a .bin beside it) or "torch-export"; default: by the suffix of `path`.
        int8: a clip store (its folder, or its name in `stores_root()`): convolutions are in int8, with ranges from some
            of its clips; the accuracy on the other clips, beside float32's, is in the result and in the file. Instead
            of `TOLERANCE` this accuracy says how good the file is. For "onnx" and "openvino".
        recipe: how the weights were trained; read from a weights folder by itself. Evaluation on a store needs it.

    Raises:
        OptionError: no such target, a suffix of another one, no int8 for it, or the model has no classifier.
        InputError: no such store, or it does not match the network.
        ExportError: a component cannot be exported (the text names it), the file cannot be written, or it computes
            something else.
        MissingExtraError: the packages of the target are not installed. UnknownNameError, WeightsError: no such model.
    """
    target = _target(path, to)
    if int8 is not None and target == "torch-export":
        raise OptionError("int8 for the export target torch-export.", "onnx or openvino", "choose one of these")
    if recipe is None and isinstance(model, str | Path):
        recipe = read_recipe(find_folder(model))
    network = find_model(model)
    if not isinstance(network, FERModel):
        raise InputError(
            f"An export of a {type(network).__name__}.", "a FERModel", "export the model that this was made from"
        )
    if network is model:  # the caller's: neither moved nor changed
        network = copy.deepcopy(network)
    network = network.cpu().float().eval().requires_grad_(False)
    facts = ExportFacts.of(network, recipe)
    path = Path(path).expanduser() if path else Path(f"{facts.name.replace('/', '-')}{SUFFIXES[target]}")
    clip, landmarks = check_batch(network)
    inputs = (clip, landmarks) if network.needs_landmarks else (clip,)
    with writing(path, ExportError), tempfile.TemporaryDirectory(prefix=".export.", dir=path.parent) as folder:
        made = Path(folder) / path.name
        if int8 is None:
            found = None
            _write(target, network, inputs, facts, made)
        else:
            found = _write_int8(target, network, inputs, facts, made, int8)
        result = _checked(target, network, inputs, made, found)
        # What the file refers to first: a killed process leaves no .xml without its .bin.
        for part in sorted(Path(folder).iterdir(), key=lambda part: part.suffix == path.suffix):
            os.replace(part, path.with_name(part.name))
    return result._replace(path=path)


def in_runtime(model: FERModel, runtime: str, recipe: Recipe | None = None) -> ExportedNetwork:
    """Return a network exported to a temporary folder, which lives as long as the result, and opened by a runtime.

    Raises:
        As `export` and `load_exported`.
    """
    folder = tempfile.TemporaryDirectory(prefix="fer-zoo-", ignore_cleanup_errors=True)
    target = RUNTIMES[runtime].target
    made = export(model, Path(folder.name) / f"network{SUFFIXES[target]}", recipe=recipe)
    network = load_exported(made.path, runtime)
    network.folder = folder
    return network


def check_batch(network: FERModel) -> tuple[Tensor, Tensor]:
    """Return three clips (3, 3, T, H, W) and their landmarks (3, T, 68, 2).

    They are the rendered face of the weights' check, the same without landmarks in one frame, and backwards.
    """
    from fer_zoo.video.crop import normalise

    frames, landmarks = check_face(network.input_spec)
    clip = normalise(frames, network.input_spec)
    gap = landmarks.clone()
    gap[-1] = torch.nan
    return torch.stack([clip, clip, clip.flip(1)]), torch.stack([landmarks, gap, landmarks.flip(0)])


def _target(path: str | Path | None, to: str | None) -> str:
    suffixes = {suffix: name for name, suffix in SUFFIXES.items()}
    known = ", ".join(f"{name} ({suffix})" for name, suffix in SUFFIXES.items())
    by_suffix = suffixes.get(Path(path).suffix.lower()) if path else None
    if to is not None and to not in TARGETS:
        raise OptionError(f"Unknown export target {to!r}.", known, "choose one of these")
    if path and (by_suffix is None or to not in (None, by_suffix)):
        given = f"not one of {to}" if to else "unknown"
        raise OptionError(f"The suffix of {shown(path)} is {given}.", known, "change the suffix or the target")
    if to is None and by_suffix is None:
        raise OptionError("Neither a file nor a target of the export was given.", known, "give one of them")
    return to or str(by_suffix)


def _write(target: str, network: FERModel, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    with quiet():
        try:
            TARGETS[target](network, inputs, facts, path)
        except (FerZooError, OSError):
            raise
        except ImportError as error:
            raise MissingExtraError.for_extra(error.name or "onnx", target) from error
        except Exception as error:  # exporters raise many classes, also ones of their own

            def attempt(part: nn.Module, tensors: tuple[Tensor, ...]) -> None:
                with tempfile.TemporaryDirectory() as apart:
                    TARGETS[target](part, tensors, facts, Path(apart) / path.name)

            raise component_error(network, inputs, target, attempt, error) from error


def _write_int8(
    target: str, network: FERModel, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path, store: str | Path
) -> Int8Facts:
    """Write the ONNX file, make its convolutions int8, and turn it into the target's file with its accuracy."""
    from fer_zoo.exporting.int8 import int8_clips, to_int8  # needs the stores and the evaluation

    clips = int8_clips(store, network, facts.recipe)
    with tempfile.TemporaryDirectory() as folder:
        between = Path(folder) / "network.onnx"
        _write("onnx", network, inputs, facts, between)
        found = to_int8(between, network, clips, lambda made: load_exported(made, RUNTIME_OF[target]))
        facts = facts.model_copy(update={"int8": found, "summary": f"{facts.summary} {found}."})
        FINISH[target](between, facts, path)
    return found


def _checked(
    target: str, network: FERModel, inputs: tuple[Tensor, ...], path: Path, int8: Int8Facts | None
) -> ExportResult:
    """Run the file, one clip and all together, and compare its logits with PyTorch's.

    Raises:
        ExportError: they differ, and not because of int8.
    """
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        expected, arrays = network(*inputs).numpy(), [tensor.numpy() for tensor in inputs]
    difference = _difference(run_file(target, path), arrays, expected)
    if int8 is not None:
        return ExportResult(path, difference, int8=int8)
    # As for weights: 1e-4 of a logit up to 1, more in proportion where logits are large. NaN is refused too.
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ExportError(
            f"{network.spec.name} exported to {target} computes something else: a logit of the rendered check face "
            f"differs by {difference:.3g}.",
            f"the logits of PyTorch within {TOLERANCE:g}",
            "export to another target, or update the packages of this one; the file was removed",
        )
    bf16 = _difference(run_file(target, path, "bf16"), arrays, expected) if target == "openvino" else None
    return ExportResult(path, difference, bf16)


def _difference(run: Run, arrays: Arrays, expected: Any) -> float:
    one = run([array[:1] for array in arrays])
    return float(max(np.abs(run(arrays) - expected).max(), np.abs(one - expected[:1]).max()))
