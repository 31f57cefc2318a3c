"""config.json of a stranger: only data, and refused before anything else is opened or built."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from weights_folders import change_config, make_folder

from fer_zoo import weights
from fer_zoo.errors import WeightsError
from fer_zoo.specs import ModelSpec
from fer_zoo.weights.loading import size_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("made") / "weights")


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy; whoever opens its tensors fails the test."""

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a tensor file was opened")

    monkeypatch.setattr(weights.loading, "safe_open", opened)
    copy = tmp_path / "weights"
    copy.mkdir()
    for file in made.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(fields: dict[str, Any]) -> None:
        for key in path[:-1]:
            fields = fields[key]
        fields[path[-1]] = value

    return change


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.pop(key)


BAD_FIELDS = {
    "future format": (put("format", value=3), "has format 3"),
    "no format": (drop("format"), "it was not written by fer_zoo"),
    "format of text": (put("format", value="2"), "has format '2'"),
    "format 2.0": (put("format", value=2.0), r"has format 2\.0"),
    "a long format": (put("format", value="x" * 10**5), "has format 'x{79}"),
    "control characters": (put("model", "backbone", "x\x1b[31m", value=1), r"control characters: 'x\\x1b"),
    "a control character in a label": (put("model", "labels", value=["a", "b\x9b"]), "control characters"),
    "an absurd detector": (
        put("model", "input", "landmarks", "detector", value={"name": "dlib", "work_side": 10**8}),
        "detector.work_side is absurdly large",
    ),
    "format true": (put("format", value=True), "has format True"),
    "other library": (put("library", value="timm"), "library: Input should be 'fer-zoo'"),
    "unknown key": (put("auto_map", value={"AutoModel": "evil.Model"}), "auto_map: Extra inputs"),
    "unknown key of the model": (put("model", "code", value="import os"), r"model\.code: Extra inputs"),
    "unknown key of the input": (put("model", "input", "stride", value=2), r"model\.input\.stride: Extra inputs"),
    "no model": (drop("model"), "model: Field required"),
    "no detector version": (drop("detector_version"), "detector_version: Field required"),
    "unknown backbone": (put("model", "backbone", "name", value="incres9d"), "Unknown backbone 'incres9d'"),
    "backbone by dotted path": (put("model", "backbone", "name", value="os.system"), "Unknown backbone 'os.system'"),
    "unknown temporal": (put("model", "temporal", "name", value="../lstm"), r"Unknown temporal.* '\.\./lstm'"),
    "unknown fusion": (put("model", "fusion", "name", value="lmm"), "Unknown fusion 'lmm'"),
    "unknown detector": (put("model", "input", "landmarks", "detector", "name", value="dilb"), "'dilb'"),
    "unknown option": (put("model", "temporal", "hiden", value=8), "hiden: unknown option"),
    "option of another type": (put("model", "temporal", "hidden", value="8"), "hidden: '8' is wrong"),
    "huge option": (put("model", "temporal", "hidden", value=10**12), "hidden is absurdly large"),
    "long option": (put("model", "backbone", "norm", value="x" * 20_000), "norm"),
    "huge frames": (put("model", "input", "frames", value=10**8), "are absurd"),
    "huge size": (put("model", "input", "size", value=200_000), "are absurd"),
    "many pixels": (put("model", "input", value={"frames": 9000, "size": 9000}), "are absurd"),
    "labels twice": (put("model", "labels", value=["a", "a", "b"]), "are duplicates"),
    "labels that steer a terminal": (put("model", "labels", value=["calm", "\x1b[2J", "cross"]), "control characters"),
    "endless label": (put("model", "labels", value=["calm", "g" * 500, "cross"]), "not a printable name"),
    "negative std": (put("model", "input", "std", value=[0.25, -1, 0.25]), r"model\.input\.std"),
}


@pytest.mark.parametrize(("change", "message"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_what_no_config_says_is_refused(folder: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    change_config(folder, change)
    for refuse in (weights.read_config, lambda _: weights.read_folder(folder), lambda _: weights.load_weights(folder)):
        with pytest.raises(WeightsError, match=message) as caught:
            refuse(folder / "config.json")
        assert "Accepted:" in str(caught.value)
        assert "What to do:" in str(caught.value)


BAD_TEXTS = {
    "empty": ("", "damaged"),
    "cut short": ('{"format": 2, "library": "fer', "damaged"),
    "a list": ("[]", "not a JSON object"),
    "NaN": ('{"format": NaN}', "NaN is not a finite number"),
    "infinity": ('{"format": Infinity}', "Infinity is not a finite number"),
    "a key twice": ('{"format": 2, "format": 1}', "'format' is given twice"),
    "nested": ('{"a": ' * 40 + "1" + "}" * 40, "nested more than"),
    "nested beyond Python": ("[" * 200_000, "nested more than"),
    "larger than 1 MiB": ('{"format": 2' + " " * 2**20 + "}", "larger than 1048576 bytes"),
    "a number of a million digits": ('{"format": ' + "1" * 1_000_000 + "}", "damaged"),
}


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_what_is_no_config_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)
    for refuse in (weights.read_config, lambda _: weights.load_weights(folder)):
        with pytest.raises(WeightsError, match=message):
            refuse(folder / "config.json")


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(WeightsError, match="not UTF-8"):
        weights.read_config(folder / "config.json")


def test_a_network_of_too_many_numbers_is_refused_before_it_takes_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hidden=100000 would be an LSTM of 40 G numbers: 160 GB; hidden=20000 one of 6 GB."""
    monkeypatch.setattr(weights.loading, "safe_open", safe_open)
    monkeypatch.setattr(weights.loading, "MOST_TENSORS", 1000)
    options: dict[str, Any]
    for options in ({"hidden": 100_000}, {"hidden": 20_000}, {"hidden": 8, "layers": 1_000_000}):
        change_config(folder, put("model", "temporal", value={"name": "lstm", **options}))
        with pytest.raises(WeightsError, match="cannot be built"):
            weights.load_weights(folder)
        if options["hidden"] != 20_000:
            with pytest.raises(WeightsError, match=r"more than 2e\+09 numbers or 1000 tensors"):
                size_of(weights.read_folder(folder).spec)
    assert not torch.nn.modules.module._global_parameter_registration_hooks, "networks of others are not counted"


def test_parts_that_do_not_fit_together_are_a_weights_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.loading, "safe_open", safe_open)
    change_config(folder, put("model", "backbone", value={"name": "r3d_18"}))
    with pytest.raises(WeightsError, match="works on residual shortcuts"):
        weights.load_weights(folder)


def test_a_config_goes_round(made: Path) -> None:
    config = weights.read_config(made / "config.json")
    assert isinstance(config.model, ModelSpec)
    assert (config.format, config.detector_version) == (2, "exact points of the renderer")
    assert json.loads((made / "config.json").read_text())["model"] == config.model.model_dump(mode="json")


def test_a_duplicate_key_among_many_is_found_fast(folder: Path) -> None:
    many = ", ".join(f'"k{number}": 0' for number in range(60_000))
    (folder / "config.json").write_text(f'{{{many}, "k0": 0}}')
    began = time.process_time()
    with pytest.raises(WeightsError, match="'k0' is given twice"):
        weights.read_folder(folder)
    assert time.process_time() - began < 2
