"""What a type-checker sees of the installed package, in a user's own script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import torch
import fer_zoo
from fer_zoo.recipes import load_recipe

model = fer_zoo.create_model("incres3d_tiny_lstm_lm", pretrained=True)
reveal_type(model)
reveal_type(model(torch.zeros(1, 3, 10, 80, 80), torch.zeros(1, 10, 68, 2)))
reveal_type(model.labels)
reveal_type(model.input_spec.crop.scale)
reveal_type(fer_zoo.list_models("*lstm*", exclude=["*tiny*"]))
reveal_type(fer_zoo.model_info("incres3d_lstm").gmac)
reveal_type(fer_zoo.parameter_groups(model, 1e-3))
reveal_type(load_recipe("quickstart").train.lr)
model(torch.zeros(1), foo=1)
model("a clip")
fer_zoo.list_components("backbones")
fer_zoo.create_model("incres3d_lstm", pretrained=None)
"""
SEEN = [
    "FERModel",
    "Tensor",
    "tuple[str, ...]",
    "float",
    "list[str]",
    "float",
    "list[dict[str, Any]]",
    "float",
]


@pytest.mark.slow
def test_types_are_seen_and_mistakes_are_found(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(script)]
    output = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path).stdout.splitlines()
    notes = [line.split('Revealed type is "')[1].rstrip('"') for line in output if "Revealed type" in line]
    short = [note.replace("builtins.", "").replace("torch._tensor.", "") for note in notes]
    assert [note.rsplit(".", 1)[-1] if "FERModel" in note else note for note in short] == SEEN
    errors = [line for line in output if ": error:" in line]
    assert len(errors) == 4, output
    for line, word in zip(errors, ("foo", "str", "backbones", "None"), strict=True):
        assert word in line
