"""Whether two training runs have bit-identical results; and the progress of one that may be writing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import torch
from safetensors.torch import load_file


def assert_same_tensors(one: Path, other: Path) -> None:
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key]), key


def assert_same_run(one: Path, other: Path) -> None:
    """Model, average, optimizer, best weights, figures and predictions are equal bit for bit."""
    assert_same_tensors(one / "last.safetensors", other / "last.safetensors")
    assert_same_tensors(one / "best.safetensors", other / "best.safetensors")
    rows = [[{**row, "seconds": ""} for row in csv.DictReader((out / "log.csv").open())] for out in (one, other)]
    assert rows[0] == rows[1]
    for table in one.glob("predictions/*/*.csv"):
        assert table.read_text() == (other / table.relative_to(one)).read_text()


def step_of(last: Path) -> int:
    """The step of a checkpoint that may be replaced at any moment: read through one handle, unlike `safe_open`."""
    with last.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return int(json.loads(header["__metadata__"]["progress"])["step"])
