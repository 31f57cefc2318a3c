"""export: a network to a file, which exists only if it computes what PyTorch computes."""

from __future__ import annotations

import copy
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fer_zoo.errors import ExportError, FerZooError, InputError, MissingExtraError, OptionError, writing
from fer_zoo.exporting.facts import KEY, ExportFacts
from fer_zoo.exporting.parts import component_error
from fer_zoo.exporting.runtimes import Arrays, Run, open_in
from fer_zoo.factory import find_folder, find_model
from fer_zoo.model import FERModel
from fer_zoo.paths import shown
from fer_zoo.specs import Recipe
from fer_zoo.weights.checking import TOLERANCE, check_face
from fer_zoo.weights.folder import read_recipe


class Target(NamedTuple):
    """A kind of file: its suffix, how it is written, and how it is opened to be checked."""

    suffix: str
    write: Callable[[nn.Module, tuple[Tensor, ...], ExportFacts, Path], None]
    check: Callable[[Path], Run]
    bf16: Callable[[Path], Run] | None = None


class ExportResult(NamedTuple):
    """path: of the file; difference: the largest of a logit from PyTorch's; bf16: the same in bfloat16, if measured."""

    path: Path
    difference: float
    bf16: float | None


def export(
    model: FERModel | str | Path, path: str | Path | None = None, to: str | None = None, *, recipe: Recipe | None = None
) -> ExportResult:
    """Write a network for another runtime: inputs clip and, if needed, landmarks, output logits, any batch size.

    Labels, input spec, licence and a summary of the card are in the file's metadata (`ExportFacts`). The file is run on
    the rendered face that weights are checked with, and is kept only if its logits are within `TOLERANCE` of PyTorch's.

    Args:
        model: a model, the name of a model with weights, or a weights folder.
        path: file to write, or to replace; default: the name of the weights in the working folder.
        to: "onnx", "openvino" (an .xml, and a .bin beside it) or "torch-export"; default: by the suffix of `path`.
        recipe: how the weights were trained; read from a weights folder by itself. Evaluation on a store needs it.

    Raises:
        OptionError: no such target, a suffix of another one, or the model has no classifier.
        ExportError: a component cannot be exported (the text names it), the file cannot be written, or it computes
            something else.
        MissingExtraError: the packages of the target are not installed. UnknownNameError, WeightsError: no such model.
    """
    target = _target(path, to)
    if recipe is None:
        recipe = _recipe_of(model)
    network = find_model(model)
    if not isinstance(network, FERModel):
        raise InputError(
            f"An export of a {type(network).__name__}.", "a FERModel", "export the model that this was made from"
        )
    if network is model:  # the caller's: neither moved nor changed
        network = copy.deepcopy(network)
    network = network.cpu().float().eval().requires_grad_(False)
    facts = ExportFacts.of(network, recipe)
    path = Path(path).expanduser() if path else Path(f"{facts.name.replace('/', '-')}{TARGETS[target].suffix}")
    clip, landmarks = check_batch(network)
    inputs = (clip, landmarks) if network.needs_landmarks else (clip,)
    with writing(path, ExportError), tempfile.TemporaryDirectory(prefix=".export.", dir=path.parent) as folder:
        made = Path(folder) / path.name
        _write(target, network, inputs, facts, made)
        result = _checked(target, network, inputs, made)._replace(path=path)
        # What the file refers to first: a killed process leaves no .xml without its .bin.
        for part in sorted(Path(folder).iterdir(), key=lambda part: part.suffix == path.suffix):
            os.replace(part, path.with_name(part.name))
    return result


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
    suffixes = {target.suffix: name for name, target in TARGETS.items()}
    known = ", ".join(f"{name} ({target.suffix})" for name, target in TARGETS.items())
    by_suffix = suffixes.get(Path(path).suffix.lower()) if path else None
    if to is not None and to not in TARGETS:
        raise OptionError(f"The export target {to!r}.", known, "choose one of these")
    if path and (by_suffix is None or to not in (None, by_suffix)):
        raise OptionError(
            f"The file {shown(path)} for the export target {to or '(by its suffix)'}.", known, "change one of them"
        )
    if to is None and by_suffix is None:
        raise OptionError("Neither a file nor a target of the export was given.", known, "give one of them")
    return to or str(by_suffix)


def _recipe_of(model: object) -> Recipe | None:
    if not isinstance(model, str | Path):
        return None
    return read_recipe(find_folder(model))


def _write(target: str, network: FERModel, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    with _quiet():
        try:
            TARGETS[target].write(network, inputs, facts, path)
        except (FerZooError, OSError):
            raise
        except ImportError as error:
            raise MissingExtraError.for_extra(error.name or "onnx", target) from error
        except Exception as error:  # exporters raise many classes, also ones of their own

            def attempt(part: nn.Module, tensors: tuple[Tensor, ...]) -> None:
                with tempfile.TemporaryDirectory() as apart:
                    TARGETS[target].write(part, tensors, facts, Path(apart) / path.name)

            raise component_error(network, inputs, target, attempt, error) from error


def _checked(target: str, network: FERModel, inputs: tuple[Tensor, ...], path: Path) -> ExportResult:
    """Run the file, one clip and all together, and compare its logits with PyTorch's.

    Raises:
        ExportError: they differ.
    """
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        expected = network(*inputs).numpy()
    arrays = [tensor.numpy() for tensor in inputs]
    difference = _difference(TARGETS[target].check(path), arrays, expected)
    _refuse(target, network, difference, TOLERANCE * (1 + float(np.abs(expected).max())), "float32")
    bf16 = TARGETS[target].bf16
    moved = None if bf16 is None else _difference(bf16(path), arrays, expected)
    return ExportResult(path, difference, moved)


def _difference(run: Run, arrays: Arrays, expected: Any) -> float:
    one = run([array[:1] for array in arrays])
    return float(max(np.abs(run(arrays) - expected).max(), np.abs(one - expected[:1]).max()))


def _refuse(target: str, network: FERModel, difference: float, tolerance: float, precision: str) -> None:
    if not difference <= tolerance:  # NaN is refused too
        raise ExportError(
            f"{network.spec.name} exported to {target} computes something else in {precision}: a logit of the rendered "
            f"check face differs by {difference:.3g}.",
            f"the logits of PyTorch within {tolerance:.1g}",
            "export to another target, or update the packages of this one; the file was removed",
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' warnings about their own code from the user; no gradients, and no fused attention."""
    import logging

    fast = torch.backends.mha.get_fastpath_enabled()
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        logging.disable(before)


def _program(network: nn.Module, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(network, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))


def _write_torch(network: nn.Module, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    torch.export.save(_program(network, inputs), path, extra_files={f"{KEY}.json": facts.model_dump_json()})


def _run_torch(path: Path) -> Run:
    module = torch.export.load(path).module()  # just written by this process
    return lambda arrays: np.asarray(module(*map(torch.from_numpy, arrays)).detach().numpy())


def _write_onnx(network: nn.Module, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    import onnx  # noqa: F401  (torch's error would name onnxscript alone)
    import onnxscript  # noqa: F401

    made = torch.onnx.export(
        _program(network, inputs), dynamo=True, input_names=list(facts.inputs), output_names=["logits"], verbose=False
    )
    assert made is not None
    made.model.metadata_props[KEY] = facts.model_dump_json()
    made.save(path, external_data=False)


def _write_openvino(network: nn.Module, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    import openvino

    # By way of ONNX: OpenVINO's own conversion of PyTorch programs does not know all their operations.
    with tempfile.TemporaryDirectory() as folder:
        between = Path(folder) / "network.onnx"
        _write_onnx(network, inputs, facts, between)
        made = openvino.Core().read_model(between)
        made.set_rt_info(facts.model_dump_json(), [KEY])
        openvino.save_model(made, path, compress_to_fp16=False)


def _compiled(runtime: str, precision: str = "float32") -> Callable[[Path], Run]:
    return lambda path: open_in(runtime, path).compile(precision, torch.get_num_threads())


TARGETS = {
    "onnx": Target(".onnx", _write_onnx, _compiled("onnxruntime")),
    "openvino": Target(".xml", _write_openvino, _compiled("openvino"), _compiled("openvino", "bf16")),
    "torch-export": Target(".pt2", _write_torch, _run_torch),
}
