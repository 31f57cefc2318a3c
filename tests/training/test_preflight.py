"""Problems are found before training starts: micro batches of one clip or none, folds without a label."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_faces
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_zoo import data
from fer_zoo.errors import RecipeError, TrainingError
from fer_zoo.specs import Recipe
from fer_zoo.training import train
from fer_zoo.training.preflight import check_clips, check_shares


@pytest.mark.parametrize(
    ("options", "count", "joint", "message"),
    [
        ({"batch_size": 1}, 1, False, r"batch_size 1, and the network has batch norm.*raise train\.batch_size to 2"),
        ({"micro_batch": 1}, 1, False, r"in 4 pieces.*pieces of one clip.*raise train\.micro_batch"),
        ({"batch_size": 3}, 2, False, r"on each of 2 devices: pieces of one clip.*use fewer devices"),
        ({"batch_size": 2}, 4, True, r"some have no clip.*raise train\.batch_size to 4"),
        ({"norm": "none", "micro_batch": 1, "batch_size": 3}, 2, False, r"some have no clip"),
    ],
)  # fmt: skip
def test_shares_that_are_refused(options: dict[str, Any], count: int, joint: bool, message: str) -> None:
    recipe = toy_faces.recipe(**options)
    with pytest.raises(TrainingError, match=rf"(?s){message}"):
        check_shares(recipe, count, joint=joint)


@pytest.mark.parametrize(
    ("options", "count", "joint"),
    [
        ({"batch_size": 2}, 1, False),
        ({"batch_size": 4, "micro_batch": 2}, 2, False),
        ({"batch_size": 4}, 4, True),  # batch norms see the clips of all GPUs
        ({"norm": "none", "batch_size": 1}, 1, False),
        ({"norm": "none", "micro_batch": 1, "batch_size": 4}, 4, False),
    ],
)
def test_shares_that_are_fine(options: dict[str, Any], count: int, joint: bool) -> None:
    recipe = toy_faces.recipe(**options)
    check_shares(recipe, count, joint=joint)


@settings(deadline=None)
@given(st.integers(1, 9), st.none() | st.integers(1, 9), st.integers(1, 4), st.booleans(), st.booleans())
def test_the_advice_of_the_error_is_accepted(
    batch_size: int, micro_batch: int | None, count: int, joint: bool, frames: bool
) -> None:
    block, other = ("pretrain", "train") if frames else ("train", "pretrain")
    changed_recipe = changed(
        changed(toy_faces.recipe(pretrain=True), other, batch_size=64),
        block,
        batch_size=batch_size,
        micro_batch=micro_batch,
    )
    try:
        check_shares(changed_recipe, count, joint=joint)
    except TrainingError as error:
        if "some have no clip" in error.given:
            return
        ways = re.findall(rf"raise {block}\.(batch_size|micro_batch) to (\d+)", error.do)
        assert ways
        for key, value in ways:
            more = {"micro_batch": None} if f"leave {block}.micro_batch out" in error.do else {}
            check_shares(changed(changed_recipe, block, **{key: int(value)}, **more), count, joint=joint)


def changed(recipe: Recipe, block: str, **values: int | None) -> Recipe:
    return recipe.model_copy(update={block: getattr(recipe, block).model_copy(update=values)})


@pytest.mark.parametrize("block", ["train", "pretrain"])
def test_too_few_clips_for_a_batch_are_reported_before_the_first_stage(block: str, tmp_path: Path) -> None:
    changed_recipe = changed(toy_faces.recipe(pretrain=True), block, batch_size=64)
    with pytest.raises(TrainingError, match=rf"(?s)24 training clips for batches of 64.*lower {block}\.batch_size"):
        train(changed_recipe, tmp_path, device="cpu")
    assert not list(tmp_path.rglob("*.safetensors"))
    train(toy_faces.recipe(pretrain=True), tmp_path, max_steps=1, device="cpu")


@pytest.mark.parametrize("stage", ["train", "pretrain"])
def test_it_is_reported_before_clips_are_made_and_nothing_is_left(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", lambda *_, **__: pytest.fail("clips were asked for"))
    recipe = toy_faces.recipe(pretrain=True)
    with pytest.raises(TrainingError, match=rf"(?s){stage}\.batch_size 1, and the network has batch norm"):
        train(changed(recipe, stage, batch_size=1), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_one_clip_at_a_time_without_batch_norm(tmp_path: Path) -> None:
    result = train(toy_faces.recipe(norm="none", micro_batch=1), tmp_path, max_steps=1, device="cpu")
    assert result.test.clips == 12


def test_partly_neutral_clips_need_the_label_and_intensities(tmp_path: Path) -> None:
    fields = toy_faces.recipe().model_dump(mode="json")
    fields["train"]["neutral_below"] = 0.5
    with pytest.raises(ValidationError, match="needs the label neutral"):
        Recipe.model_validate(fields)
    fields["model"]["labels"] = ["neutral", "green", "blue"]
    with pytest.raises(RecipeError, match=r"(?s)not all training clips have a known intensity.*prepare the stores"):
        train(Recipe.model_validate(fields), tmp_path / "run", device="cpu")


def test_folds_without_a_label() -> None:
    clips = data.load(toy_faces.recipe())
    folds = toy_faces.recipe().model_dump() | {"split": {"folds": 3, "fold": 2}}
    check_clips(Recipe.model_validate(folds), clips)
    lacking = clips | {"test": clips["test"].take(np.flatnonzero(clips["test"].labels != 1))}
    with pytest.raises(RecipeError, match=r"(?s)Fold 2 of 3 has no test clip of green.*another split\.seed"):
        check_clips(Recipe.model_validate(folds), lacking)
    check_clips(toy_faces.recipe(), lacking)


def test_a_part_that_lacks_a_label_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    clips = data.load(toy_faces.recipe())
    lacking = clips | {"test": clips["test"].take(np.flatnonzero(clips["test"].labels != 1))}
    monkeypatch.setattr(data, "load", lambda *_, **__: lacking)
    result = train(toy_faces.recipe(), tmp_path, max_steps=1, device="cpu")
    facts = json.loads((tmp_path / "run.json").read_text())["data"]["test"]
    assert facts == {
        "fingerprint": clips["test"].fingerprint,
        "clips": 8,
        "subjects": 4,
        "labels": {"red": 4, "green": 0, "blue": 4},
    }
    recalls = [row[label] / 4 for label, row in enumerate(result.test.confusion) if label != 1]
    assert result.test.uar == pytest.approx(np.mean(recalls))
