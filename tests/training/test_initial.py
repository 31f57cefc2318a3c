"""Training from weights of the zoo: what is loaded and what is not, frozen stages, rates, terms, bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_faces
from safetensors.torch import load_file
from same_run import assert_same_run

from fer_zoo import data
from fer_zoo.errors import FerZooError, RecipeError, WeightsError
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import Recipe
from fer_zoo.training import TrainResult, distributed, preflight, train
from fer_zoo.training.run import Stage, start
from fer_zoo.weights import load_weights, read_folder

Weights = tuple[Path, TrainResult]
OTHER = ("red", "blue", "green")  # the order of logits is part of the labels


@pytest.fixture
def init(whole: Weights) -> str:
    return str(whole[1].weights)


def recipe(init: str | None, labels: tuple[str, ...] = toy_faces.LABELS, **fields: Any) -> Recipe:
    toy = toy_faces.recipe(epochs=1, ema=None).model_dump()
    train_fields, model = fields.pop("train", {}), {**toy["model"], "labels": labels, **fields.pop("model", {})}
    return Recipe.model_validate(
        {**toy, "init": init, "model": model, "train": {**toy["train"], **train_fields}, **fields}
    )


def check(requested: Recipe, folder: Path) -> None:
    preflight.check_start(requested, folder, distributed.join("cpu"), resume=False, tag="local")


def test_the_same_labels_load_everything(init: str, tmp_path: Path) -> None:
    model, source = Stage(recipe(init), tmp_path).network(), load_weights(init)
    assert all(torch.equal(tensor, source.state_dict()[key]) for key, tensor in model.state_dict().items())
    assert (model.initial["not_loaded"], model.started_from) == ([], "incres3d_tiny_lstm_lm.local")


def test_other_labels_load_all_but_the_classifier(init: str, tmp_path: Path) -> None:
    model, source = Stage(recipe(init, OTHER), tmp_path).network(), load_weights(init)
    random = Stage(recipe(None, OTHER), tmp_path).network().state_dict()
    for key, tensor in model.state_dict().items():
        expected = random if key.startswith("classifier.") else source.state_dict()
        assert torch.equal(tensor, expected[key]), key
    assert model.initial["not_loaded"] == ["classifier.weight", "classifier.bias"]


def test_run_json_and_card_say_where_it_started(init: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the run was resumed, and the weights that it started from are gone."""
    copy = tmp_path / "given"
    shutil.copytree(init, copy)
    requested = recipe(str(copy), OTHER, freeze=["stem", "unit_*"])
    train(requested, tmp_path / "run", max_steps=1, device="cpu")
    shown = capsys.readouterr().out
    assert "starting from incres3d_tiny_lstm_lm.local" in shown
    assert "not loaded: classifier.weight, classifier.bias: the weights have the labels red, green, blue" in shown
    assert "frozen: stem, unit_a, unit_b, unit_c" in shown
    shutil.rmtree(copy)
    path = tmp_path / "run" / "run.json"
    run = json.loads(path.read_text())
    run["init"]["terms"] |= {"share_weights": "no: a signed agreement", "licence": "research only"}
    path.write_text(json.dumps(run))
    result = train(requested, tmp_path / "run", resume=True, device="cpu")
    assert "starting from" not in capsys.readouterr().out
    source = read_folder(init).card
    assert run["init"]["started_from"] == {"name": source.name, "sha256": source.sha256}
    assert run["init"]["loaded"] == {"backbone": 192, "temporal": 4}
    assert run["frozen"] == ["stem", "unit_a", "unit_b", "unit_c"]
    card = read_folder(result.weights).card
    assert card.started_from is not None
    assert (card.started_from.name, card.started_from.sha256) == (source.name, source.sha256)
    assert card.share_weights == f"no: {source.name} (a signed agreement)", "the strictest terms count"
    assert card.licence == f"[toy_faces] CC0-1.0 [{source.name}] research only"
    assert f"Fine-tuned from `{source.name}`" in (result.weights / "README.md").read_text()
    assert load_recipe(result.weights / "recipe.yaml").init == "local-dir:given"
    assert load_recipe(tmp_path / "run" / "recipe.yaml").init == str(copy)


@pytest.mark.slow
def test_stopped_and_resumed_is_bit_for_bit_the_same(init: str, tmp_path: Path) -> None:
    """With frozen stages and learning rates of their own, whose groups of the optimizer are split."""
    rates = {"layer_decay": 0.5, "stage_lr": {"classifier": 0.02}, "epochs": 1, "ema": 0.9}
    requested = recipe(init, OTHER, freeze=["stem"], train=rates)
    train(requested, tmp_path / "whole", device="cpu")
    train(requested, tmp_path / "broken", max_steps=2, device="cpu")
    train(requested, tmp_path / "broken", resume=True, device="cpu")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_frozen_stages_keep_weights_and_statistics(init: str, tmp_path: Path) -> None:
    requested = recipe(init, freeze=["*", "!classifier"])
    train(requested, tmp_path, max_steps=2, device="cpu")
    before, after = load_weights(init).state_dict(), load_file(tmp_path / "last.safetensors")
    changed = {key for key, tensor in before.items() if not torch.equal(tensor, after[f"model.{key}"])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_learning_rates_by_stage(init: str, tmp_path: Path) -> None:
    """Every step uses the recipe's rate, times the schedule, times the share of the stage."""
    requested = recipe(init, train={"layer_decay": 0.5, "stage_lr": {"temporal": 0.003}, "schedule": "constant"})
    made = Stage(requested, tmp_path)
    run = start(made, made.network(), data.load(requested), distributed.join("cpu"))
    rates = {id(p): 0.01 * group["share"] for group in run.optimizer.param_groups for p in group["params"]}
    stages = run.model.stages()
    expected = {stage: 0.01 * 0.5**depth for depth, stage in enumerate(reversed(stages))} | {"temporal": 0.003}
    for stage, names in stages.items():
        found = [rates[id(run.model.get_parameter(name))] for name in names]
        assert found == pytest.approx([expected[stage]] * len(names)), stage
    decays = {id(p): group["weight_decay"] for group in run.optimizer.param_groups for p in group["params"]}
    assert all((decays[id(p)] > 0) == (p.ndim > 1) for p in run.model.parameters())


@pytest.mark.parametrize(
    ("place", "portable"),
    [
        ("/home/anna/runs/mine/weights", "local-dir:weights"),
        ("runs/mine/weights", "local-dir:weights"),
        ("incres3d_tiny_lstm_lm", "incres3d_tiny_lstm_lm"),
        ("hf-hub:anna/faces@main", "hf-hub:anna/faces@main"),
    ],
)
def test_a_shared_recipe_names_no_folder(place: str, portable: str) -> None:
    from fer_zoo.weights.local_paths import portable as made_portable

    made = made_portable(recipe(place))
    assert made.init == portable
    assert made_portable(made) == made


def test_a_frames_stage_freezes_nothing() -> None:
    from fer_zoo.training.pretrain import frame_recipe

    requested = Recipe.model_validate({**toy_faces.recipe(pretrain=True).model_dump(), "freeze": ["unit_a"]})
    assert (requested.freeze, frame_recipe(requested).freeze) == (("unit_a",), ())


def damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-1])


def incomplete(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": {"input": {"frames": 6, "size": 40}}}, r"model\.input\.size is 32 in the weights, 40 in the recipe"),
        ({"model": {"input": {"frames": 8, "size": 32}}}, r"model\.input\.frames is 6 in the weights, 8"),
        (
            {"model": {"input": {"frames": 6, "size": 32, "landmarks": {"detector": "dlib"}}}},
            r"model\.input\.landmarks\.detector.* is .*fz68.* in the weights, .*dlib",
        ),
        ({"model": {"backbone": {"name": "incres3d_tiny", "width": 0.1}}}, r"model\.backbone\.width is 0\.05"),
        ({"model": {"temporal": "gru"}}, r"model\.temporal is .*lstm.* in the weights, .*gru"),
        ({"model": {"fusion": "none"}}, r"model\.fusion is .*'lm'"),
        ({"freeze": ["unit_z"]}, "freeze: There is no stage 'unit_z'|freeze: .*'unit_z'"),
        ({"freeze": ["*"]}, "matches every stage"),
        ({"freeze": ["classifier"], "labels": OTHER}, "freezes the classifier, which is new"),
        ({"train": {"stage_lr": {"heads": 0.1}}}, r"train\.stage_lr: .*'heads'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything(
    init: str, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(FerZooError, match=message) as caught:
        check(recipe(init, **fields), tmp_path / "run")
    assert isinstance(caught.value, RecipeError | WeightsError)
    assert caught.value.accepted
    assert caught.value.do
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("harm", [damaged, incomplete])
def test_a_damaged_folder_is_refused(init: str, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    shutil.copytree(init, tmp_path / "given")
    harm(tmp_path / "given")
    with pytest.raises(WeightsError) as caught:
        check(recipe(str(tmp_path / "given")), tmp_path / "run")
    assert caught.value.accepted
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name", ["incres3d_tiny_lstm_lmm", "no/such/folder", "incres3d_tiny_lstm_lm.no7", "local-dir:no"]
)
def test_unknown_weights_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises((RecipeError, WeightsError)) as caught:
        check(recipe(name), tmp_path / "run")
    assert caught.value.accepted
    assert caught.value.do


def test_one_start_only() -> None:
    toy = recipe("incres3d_tiny_lstm_lm").model_dump()
    for further, message in (
        ({"backbone_weights": "pretrained"}, "backbone_weights is 'pretrained'; use either these or `init`"),
        ({"pretrain": {}}, "starts from `init`; use either this or `pretrain`"),
    ):
        with pytest.raises(ValueError, match=message):
            Recipe.model_validate({**toy, **further})
