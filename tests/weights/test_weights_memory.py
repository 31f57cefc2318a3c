"""Weights of a few hundred MB: writing and loading hold little more than the tensors themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST = 1.3

# 68 M numbers, nearly all in the LSTM as in the paper's network; a small clip, so that the tensors are what counts.
SETUP = """
import json, sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from weights_folders import METRICS, card_fields
from fer_zoo import weights
from fer_zoo.compose import build, model_spec
from fer_zoo.specs import Recipe

def peak(call):
    Path("/proc/self/clear_refs").write_text("5")  # reset the high-water mark
    before = status()["VmRSS"]
    kept = call()
    return (status()["VmHWM"] - before) * 1024

def status():
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}

torch.set_num_threads(1)
folder = Path(sys.argv[2])
labels = ("calm", "glad", "cross")
spec = model_spec("incres3d_tiny_lstm", size=80, labels=labels, hidden=3072)
small = model_spec("incres3d_tiny_lstm", size=80, labels=labels, hidden=8)
split = {"train": (0, 2), "validation": (2, 3), "test": (3, 4)}
fields = {"split": split, "protocol": "subject-independent", "seed": 1}
"""
WRITE = """
import matplotlib.figure, matplotlib.backends.backend_agg
def write(spec, folder, **options):
    recipe = Recipe.model_validate({**fields, "model": spec})
    weights.write_weights(folder, models[spec], recipe, card_fields(name=f"{spec.name}.try"), **options)
models = {spec: build(spec), small: build(small)}
write(small, folder.with_name("small"))  # what a first call loads once is no memory of the weights
whole = peak(lambda: write(spec, folder))
print(json.dumps([whole, peak(lambda: write(spec, folder, overwrite=True, max_shard=10**8))]))
"""
READ = """
with torch.device("meta"):
    build(spec)
weights.load_weights(folder.with_name("small"))
print(json.dumps([peak(lambda: weights.load_weights(folder))]))
"""
CHECK = """
with torch.device("meta"):
    build(spec)
weights.check_folder(folder.with_name("small"))
print(json.dumps([peak(lambda: weights.check_folder(folder))]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_what_they_take_at_the_most(tmp_path: Path) -> None:
    folder = tmp_path / "large"

    def measured(code: str) -> list[float]:
        command = [sys.executable, "-c", SETUP + code, str(ROOT / "tests"), str(folder)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=250)
        assert run.returncode == 0, run.stderr
        size = sum(file.stat().st_size for file in folder.glob("model*.safetensors"))
        assert size > 200_000_000
        return [held / size for held in json.loads(run.stdout.splitlines()[-1])]

    shares = {"write": measured(WRITE), "read": measured(READ), "check": measured(CHECK)}
    print(shares)
    assert max(shares["write"]) < MOST - 1, "the model itself was there before"
    assert 0.9 < shares["read"][0] < MOST
    assert 0.9 < shares["check"][0] < MOST
