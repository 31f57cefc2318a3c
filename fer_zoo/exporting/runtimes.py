"""The one interface to runtimes: open a file, read its facts, compile it, run arrays through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import MissingExtraError, OptionError, WeightsError
from fer_zoo.exporting.facts import KEY, ExportFacts, parse_facts

Arrays = Sequence[NDArray[np.float32]]
Run = Callable[[Arrays], NDArray[np.float32]]


class Opened(NamedTuple):
    """A file opened by a runtime.

    compile: given precision and CPU threads, it returns a function from the inputs, in the order of `facts.inputs`, to
    the logits.
    """

    facts: ExportFacts
    compile: Callable[[str, int], Run]


class Runtime(NamedTuple):
    """A runtime beside PyTorch: the files that it reads, the target and extra made for it, and how it opens a file."""

    suffixes: tuple[str, ...]
    target: str
    open: Callable[[Path], Opened]


def _open_onnx(path: Path) -> Opened:
    import onnxruntime

    def session(threads: int, level: Any) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.graph_optimization_level = level
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    levels = onnxruntime.GraphOptimizationLevel
    # Without optimisation, which would double the time: this session only reads the metadata.
    found = session(1, levels.ORT_DISABLE_ALL).get_modelmeta().custom_metadata_map
    facts = parse_facts(found.get(KEY), path)

    def compile_for(precision: str, threads: int) -> Run:
        if precision != "float32":
            raise OptionError(
                f"precision={precision!r} for the runtime onnxruntime.",
                "float32, as its CPU kernels have no other",
                "leave it out, or use the runtime openvino or torch",
            )
        compiled = session(threads, levels.ORT_ENABLE_ALL)
        return lambda arrays: np.asarray(
            compiled.run(None, dict(zip(facts.inputs, arrays, strict=True)))[0], np.float32
        )

    return Opened(facts, compile_for)


def _open_openvino(path: Path) -> Opened:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    # Its own format keeps the key; from ONNX files it takes metadata over as facts of the framework.
    where = [KEY] if path.suffix == ".xml" else ["framework", KEY]
    text = model.get_rt_info(where).astype(str) if model.has_rt_info(where) else None

    def compile_for(precision: str, threads: int) -> Run:
        # Without the hint it would compute in bfloat16 wherever the processor can.
        hints = {"INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else precision}
        compiled = core.compile_model(model, "CPU", {**hints, "INFERENCE_NUM_THREADS": threads})
        # Copied: the result lies in memory that the next run writes to.
        return lambda arrays: np.array(compiled(list(arrays))[0], np.float32)

    return Opened(parse_facts(text, path), compile_for)


# The suffix of each export target's files.
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}
RUNTIMES = {
    "onnxruntime": Runtime((".onnx",), "onnx", _open_onnx),
    "openvino": Runtime((".xml", ".onnx"), "openvino", _open_openvino),
}
RUNTIME_OF = {runtime.target: name for name, runtime in RUNTIMES.items()}


def open_in(runtime: str, path: Path) -> Opened:
    """Open an exported file.

    Raises:
        MissingExtraError: the runtime is not installed. WeightsError: the file is damaged, or not an export.
    """
    chosen = RUNTIMES[runtime]
    try:
        return chosen.open(path)
    except ImportError as error:
        raise MissingExtraError.for_extra(runtime, chosen.target) from error
    except WeightsError:
        raise
    except Exception as error:  # runtimes raise classes of their own
        reason = str(error).strip() or type(error).__name__
        raise WeightsError(
            f"{path} cannot be read by {runtime}: {reason.splitlines()[-1][:300]}",
            f"a whole file that `fer-zoo export` wrote{', and the .bin beside it' if path.suffix == '.xml' else ''}",
            "export the network again",
        ) from error
