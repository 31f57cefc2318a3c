"""The split.json of a training run can be used by another one."""

from __future__ import annotations

import json
from pathlib import Path

from toy_store import of_stores, toy_store

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
    assert result.test.clips == len(first["splits"][0]["test"]) == 6
