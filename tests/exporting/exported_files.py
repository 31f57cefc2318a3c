"""Shared by the tests of exports: the packages that a target needs, and one exported file for all tests."""

from __future__ import annotations

import functools
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor
from weights_folders import make_folder

from fer_zoo.exporting import export

NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino", "onnx", "onnxscript")}
RUNTIME_OF = {"onnx": "onnxruntime", "openvino": "openvino"}
SUFFIX = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}


def needs(target: str) -> pytest.MarkDecorator:
    """Skip the test where the extra of a target is not installed."""
    missing = [name for name in NEEDS.get(target, ()) if find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"the extra {target!r} is not installed: {', '.join(missing)}")


def targets(*names: str) -> list[object]:
    return [pytest.param(name, marks=needs(name)) for name in names]


def exported(folder: Path, target: str) -> Path:
    """Put a small weights folder, with landmarks and a recipe, and its export into a folder; exported once."""
    shutil.copytree(_made(target).name, folder, dirs_exist_ok=True)
    return folder / f"small{SUFFIX[target]}"


@functools.lru_cache
def _made(target: str) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    make_folder(Path(folder.name) / "weights")
    export(Path(folder.name) / "weights", Path(folder.name) / f"small{SUFFIX[target]}")
    return folder


def inputs(batch: int, frames: int = 6, size: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch)
    landmarks = torch.rand(batch, frames, 68, 2, generator=generator) * size
    landmarks[0, 2] = torch.nan
    return torch.randn(batch, 3, frames, size, size, generator=generator), landmarks
