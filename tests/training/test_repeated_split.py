"""The split.json of a training run can be used by another one; a split may have no test subjects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_store import of_stores, toy_store

from fer_zoo import weights
from fer_zoo.errors import OptionError
from fer_zoo.evaluation.on_store import evaluate_on_store
from fer_zoo.training import train


def test_a_training_is_repeated_on_the_clips_of_another(tmp_path: Path) -> None:
    """By another seed and another form of split, and with the same clips in every part."""
    toy_store(tmp_path / "ckplus", "ckplus", "fz68")
    train(of_stores(split={"folds": 3, "fold": 2}), tmp_path / "first", stores=tmp_path, max_steps=1)
    first = json.loads((tmp_path / "first" / "split.json").read_text())
    again = of_stores(split={"file": str(tmp_path / "first" / "split.json")}, seed=99)
    result = train(again, tmp_path / "second", stores=tmp_path, max_steps=1)
    second = json.loads((tmp_path / "second" / "split.json").read_text())
    assert second["store"] == first["store"]
    for part in ("train", "validation", "test"):
        assert second["splits"][0][part] == first["splits"][0][part]
    assert result.test is not None
    assert result.test.clips == len(first["splits"][0]["test"]) == 6


def test_a_training_on_all_subjects_has_no_test_set_and_says_so(tmp_path: Path) -> None:
    toy_store(tmp_path / "ckplus", "ckplus", "fz68")
    recipe = of_stores(split={"leave_out": None, "validation_folds": 6})
    whole = train(recipe, tmp_path / "whole", stores=tmp_path)
    assert whole.test is None
    assert whole.validation.subjects == 1
    run = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert {part: facts["subjects"] for part, facts in run["data"].items()} == {"train": 5, "validation": 1}
    card = weights.read_card(tmp_path / "whole" / "weights" / "README.md")
    assert (list(card.metrics), card.datasets, card.tested_on) == (["validation"], ("ckplus",), ())
    assert "**No subject was held out for a test.**" in (tmp_path / "whole" / "weights" / "README.md").read_text()
    split = tmp_path / "whole" / "split.json"
    with pytest.raises(OptionError, match="has no test set"):
        evaluate_on_store(tmp_path / "whole" / "weights", tmp_path / "ckplus", split=split)
    # Interrupted and resumed, by the recipe and by the file.
    for name, again in (("resumed", recipe), ("by_file", of_stores(split={"file": str(split)}))):
        train(again, tmp_path / name, stores=tmp_path, max_steps=1)
        assert train(again, tmp_path / name, stores=tmp_path, resume=True).test is None
    tensors, table = "weights/model.safetensors", "predictions/best/validation.csv"
    assert (tmp_path / "resumed" / tensors).read_bytes() == (tmp_path / "whole" / tensors).read_bytes()
    assert (tmp_path / "by_file" / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()
