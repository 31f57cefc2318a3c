"""Every row of the ablation table trains a step, pre-training included, and leaves weights that load."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.training import train
from fer_zoo.weights import load_weights

ABLATIONS = [name for name in list_recipes() if name.startswith("ablations/")]
# Two subjects, so that each stage is one step of one batch.
SMALL = ["split={train: [0, 2], validation: [2, 3], test: [3, 4]}", "data.canvas=64", "model.input.size=48"]
SHORT = [f"{stage}.{key}" for stage in ("pretrain", "train") for key in ("epochs=1", "batch_size=14")]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def test_the_rows() -> None:
    assert len(ABLATIONS) == 23


@pytest.mark.slow
@pytest.mark.parametrize("name", ABLATIONS)
def test_a_step_of_it(name: str, cache: Path, tmp_path: Path) -> None:
    recipe = load_recipe(name, [*SMALL, *SHORT])
    result = train(recipe, tmp_path, cache=cache, workers=1, max_steps=1)
    assert result.weights.parent == tmp_path, "the clips stage was reached, not only the frames"
    model = load_weights(result.weights)
    assert model.spec == recipe.model
    start, end = (load_file(tmp_path / part / "last.safetensors") for part in ("frames", ""))
    key = "model.classifier.weight"
    assert start[key].isfinite().all()
    assert end[key].isfinite().all()
