"""Weights folders of every released format load and give the same predictions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fer_zoo import weights
from fer_zoo.video.crop import normalise

GOLDEN = Path(__file__).parent / "golden"
# Fixed files that must not be regenerated: the test proves that old files still load.
TENSORS = {
    2: "e6114eca60a721c1d1fe5ce0e1dbd63dfc39d918a1a6162d30531ff678ba298a",
}


def test_every_format_has_a_folder() -> None:
    folders = {folder.name for folder in GOLDEN.iterdir() if folder.is_dir()}
    assert folders == {f"format-{number}" for number in TENSORS}
    assert max(TENSORS) == weights.FORMAT


@pytest.mark.parametrize("number", TENSORS)
def test_it_loads_and_predicts_the_same(number: int) -> None:
    folder = GOLDEN / f"format-{number}"
    found = weights.read_folder(folder)
    assert found.config.format == number
    assert found.card.sha256 == weights.sha256(folder / "model.safetensors") == TENSORS[number]
    model = weights.load_weights(folder)
    assert model.labels == ("calm", "glad", "cross")
    clip = load_file(GOLDEN / "clip.safetensors")
    with torch.inference_mode():
        logits = model(normalise(clip["frames"][None], model.input_spec), clip["landmarks"][None])[0]
    torch.testing.assert_close(logits, clip["logits"], atol=1e-4, rtol=1e-4)
    weights.check_folder(folder)


def test_they_stay_small() -> None:
    for folder in GOLDEN.glob("format-*"):
        assert sum(file.stat().st_size for file in folder.iterdir()) < 250_000
