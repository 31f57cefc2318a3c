"""Networks as files for other runtimes: ONNX, OpenVINO and torch.export; written, checked against PyTorch, and run."""

from fer_zoo.exporting.facts import ExportFacts
from fer_zoo.exporting.network import ExportedNetwork, check_runtime, in_runtime, is_exported, load_exported
from fer_zoo.exporting.runtimes import RUNTIMES
from fer_zoo.exporting.write import TARGETS, ExportResult, export
from fer_zoo.weights.checking import TOLERANCE

__all__ = [
    "RUNTIMES",
    "TARGETS",
    "TOLERANCE",
    "ExportFacts",
    "ExportResult",
    "ExportedNetwork",
    "check_runtime",
    "export",
    "in_runtime",
    "is_exported",
    "load_exported",
]
