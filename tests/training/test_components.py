"""An optimizer, a schedule and a loss of a plug-in are named in a recipe and trained with, like the built-in ones."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
import toy_faces
from torch import Tensor, nn

import fer_zoo
from fer_zoo.errors import OptionError, RecipeError, UnknownNameError
from fer_zoo.recipes import dump_recipe, load_recipe
from fer_zoo.registry import REGISTRIES
from fer_zoo.testing import check_loss, check_optimizer, check_schedule
from fer_zoo.training import train


@pytest.fixture
def plugin() -> Iterator[None]:
    kinds = ("optimizer", "schedule", "loss")
    before = {kind: REGISTRIES[kind].snapshot() for kind in kinds}

    @fer_zoo.register_optimizer("sign")
    def sign(parameters: Sequence[nn.Parameter], lr: float, *, beta: float = 0.9) -> torch.optim.Optimizer:
        """Sign of the gradient, with momentum."""
        return torch.optim.SGD(parameters, lr, momentum=beta)

    @fer_zoo.register_schedule("halving")
    def halving(steps: int, *, every: int = 6) -> Callable[[int], float]:
        """Half the rate after so many steps."""
        return lambda step: 0.5 ** (step // every)

    @fer_zoo.register_loss("brier")
    class Brier(nn.Module):
        """Squared distance of probabilities and truth."""

        def __init__(self, *, scale: float = 1.0) -> None:
            super().__init__()
            self.scale = scale

        def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
            truth = nn.functional.one_hot(labels, logits.shape[1])
            return self.scale * (logits.softmax(1) - truth).square().sum(1)

    yield
    for kind in kinds:
        REGISTRIES[kind].restore(before[kind])


@pytest.mark.usefixtures("plugin")
def test_they_train_by_a_recipe(tmp_path: Path) -> None:
    own = {"optimizer": {"name": "sign", "beta": 0.5}, "schedule": {"name": "halving", "every": 6}}
    recipe = toy_faces.recipe(**own, loss={"name": "brier", "scale": 0.5}, epochs=2, lr=0.05)
    (tmp_path / "mine.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "mine.yaml") == recipe
    train(recipe, tmp_path / "run", device="cpu")
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert [float(row["lr"]) for row in rows] == [0.05, 0.025]
    assert all(0 < float(row["loss"]) < 1 for row in rows), "half of a squared distance"
    for kind, name in (("optimizer", "sign"), ("schedule", "halving"), ("loss", "brier")):
        assert name in fer_zoo.list_components(kind)  # type: ignore[arg-type]
    check_optimizer("sign")
    check_schedule("halving")
    check_loss("brier")
    with pytest.raises(AssertionError, match="no smaller loss"):
        check_loss("brier", scale=0.0)


@pytest.mark.usefixtures("plugin")
def test_a_short_key_that_a_component_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: quickstart\ntrain:\n  optimizer: sign\n  momentum: 0.5\n  schedule: halving\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["train.warmup=0.1"])
    first, second = caught.value.problems
    assert first.startswith("train.momentum (mine.yaml:4): unknown option of optimizer 'sign'; it has beta")
    assert second.startswith("train.warmup (--set): unknown option of schedule 'halving'; it has every")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": {"name": "sgd", "nestrov": True}}, OptionError, "did you mean 'nesterov'"),
        ({"schedule": "cosinus"}, UnknownNameError, "Unknown schedule 'cosinus'"),
        ({"loss": {"name": "focal", "gamma": -1.0}}, OptionError, "greater than or equal to 0"),
    ],
)
def test_a_component_that_cannot_be_made_stops_a_training_before_clips_are_rendered(
    options: dict[str, object], error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fer_zoo.data, "load", lambda *_, **__: pytest.fail("clips were asked for"))
    with pytest.raises(error, match=message):
        train(toy_faces.recipe(**options), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
