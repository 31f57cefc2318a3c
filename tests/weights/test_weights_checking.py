"""check_folder: whatever is wrong with a folder that is to be passed on is found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from weights_folders import (
    METRICS,
    card_fields,
    change_config,
    change_record,
    make_folder,
    record,
    rewrite_tensors,
    sign,
)

from fer_zoo import weights
from fer_zoo.compose import build, model_spec
from fer_zoo.errors import WeightsError
from fer_zoo.specs import Recipe
from fer_zoo.weights.checking import check_proof

FILES = ["config.json", "model.safetensors", "check.safetensors", "recipe.yaml", "README.md"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("made") / "weights")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "weights"))


ZOO = {
    "incres3d_tiny_lstm_lm": {"backbone.width": 0.05, "hidden": 8},
    "incres2d_tiny_gru": {"backbone.width": 0.05, "hidden": 8, "head_norm": "batch"},
    "incres3d_deep_tiny_attn_lm_in": {"backbone.width": 0.05},
    "incres2plus1d_tiny_tcn_lm_traj": {"backbone.width": 0.05, "hidden": 8},
    "timm/test_resnet_transformer_lm_attn": {},
    "incres3d_v2_tiny_mean_lm_add": {},
}


@pytest.mark.parametrize(("name", "options"), ZOO.items(), ids=ZOO)
def test_any_model_goes_round(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """And writing leaves the model as it was: its modes, its numbers."""
    spec = model_spec(name, size=48, frames=10, pool="mean", labels=("a", "b", "c"), **options)
    split = {"train": (0, 2), "validation": (2, 3), "test": (3, 4)}
    fields = {"model": spec, "split": split, "protocol": "subject-independent", "seed": 1}
    torch.manual_seed(1)
    model = build(spec).train()
    model.freeze("backbone")
    modes = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    card = card_fields(name=f"{spec.name}.try", labels=spec.labels)
    folder = weights.write_weights(tmp_path / "w", model, Recipe.model_validate(fields), card)
    assert [module.training for module in model.modules()] == modes
    found = weights.check_folder(folder)
    assert found.spec == spec
    loaded = weights.load_weights(folder)
    assert loaded.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in loaded.state_dict().items())
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    check_proof(folder / "check.safetensors", loaded)
    check = load_file(folder / "check.safetensors")
    assert check["frames"].shape == (10, 48, 48, 3)
    assert check["frames"].float().std() > 20, "something can be seen"
    assert ((check["landmarks"] > 0) & (check["landmarks"] < 48)).all(), "the face is in the picture"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"lacks {name}"):
        weights.check_folder(folder)


def test_the_picture_may_be_missing_but_not_another(folder: Path) -> None:
    (folder / "confusion.png").unlink()
    weights.check_folder(folder)
    (folder / "confusion.png").write_bytes(b"\x89PNG")
    with pytest.raises(WeightsError, match=r"confusion\.png is not the file its card describes"):
        weights.check_folder(folder)


def damages(content: bytes) -> dict[str, bytes]:
    places = sorted({0, 9, len(content) // 3, len(content) // 2, len(content) - 1})
    found = {f"cut at {at}": content[:at] for at in places}
    for at in places:
        found[f"flipped at {at}"] = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    return {**found, "longer": content + b"\n"}


@pytest.mark.parametrize("name", [*FILES[:-1], "confusion.png"])
def test_every_cut_and_every_flipped_bit_is_found(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for what, wrong in damages(content).items():
        (folder / name).write_bytes(wrong)
        with pytest.raises(WeightsError):
            _accepted(folder, f"{name} {what}")
    (folder / name).write_bytes(content)
    weights.check_folder(folder)


def _accepted(folder: Path, what: str) -> None:
    weights.check_folder(folder)
    pytest.fail(f"{what} was accepted")


def test_a_card_that_is_cut_in_its_record_is_found(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    end = text.index("\n---\n", 4)
    for at in range(0, end + 4, 97):
        (folder / "README.md").write_text(text[:at])
        with pytest.raises(WeightsError):
            weights.check_folder(folder)


def figures(**changes: Any) -> dict[str, Any]:
    return {"metrics": {"test": {**METRICS, **changes}}}


BAD_RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "no figures": ({"metrics": {}}, "it has no figures"),
    "no metrics": ({"metrics": None}, "metrics: Field required"),
    "no labels": ({"labels": None}, "labels: Field required"),
    "other labels": ({"labels": ["glad", "calm", "cross"]}, "the same labels in the same order"),
    "no terms": ({"terms": None}, "terms: Field required"),
    "blank terms": ({"terms": " "}, "terms: Value error, must not be empty"),
    "no protocol": ({"protocol": ""}, "protocol is empty"),
    "other protocol": ({"protocol": "cross-database"}, "the recipe 'subject-independent'"),
    "no commit": ({"commit": " "}, "commit is empty"),
    "other name": ({"name": "incres3d_tiny_lstm_lm.two"}, "was written for incres3d_tiny_lstm_lm.try"),
    "unknown key": ({"trust_remote_code": True}, "trust_remote_code: Extra inputs"),
    "war too high": (figures(war=0.9), "WAR is 0.9000; the confusion matrix says 0.5000"),
    "uar too high": (figures(uar=0.9), "UAR is 0.9000; the confusion matrix says 0.5000"),
    "war of no number": (figures(war=float("nan")), "is not a finite number"),
    "other clips": (figures(clips=7), "has 6 clips, not 7"),
    "other matrix": (figures(confusion=[[6]]), "is not 3 x 3"),
    "no sha256": ({"sha256": None}, "sha256: Field required"),
    "sha256 of something": ({"sha256": "latest"}, "a sha256 is none"),
    "other sha256": ({"sha256": "0" * 64}, r"model\.safetensors is not the file its card describes"),
    "no hashes": ({"beside": None}, "says no sha256 of check.safetensors, config.json, recipe.yaml"),
    "hash of another file": ({"beside": {"../../passwd": "0" * 64}}, "files that no weights folder has"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_record_that_is_incomplete_or_wrong_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_record(folder, **changes)
    with pytest.raises(WeightsError, match=message):
        weights.check_folder(folder)


BAD_CARDS = {
    "no front matter": ("# a card", "no front matter"),
    "no end": ("---\nfer_zoo: {}\n", "no front matter"),
    "no YAML": ("---\nfer_zoo: [\n---\n", "damaged"),
    "no record": ("---\nlicense: mit\n---\n", "no weights of fer_zoo"),
    "a list": ("---\n- fer_zoo\n---\n", "has no keys"),
    "a record of text": ("---\nfer_zoo: yes\n---\n", "damaged"),
    "half a record": ("---\nfer_zoo: {name: a}\n---\n", "sha256: Field required"),
    "an object of Python": ("---\nfer_zoo: !!python/object/apply:os.system [ls]\n---\n", "tags .* are not read"),
    "references": ("---\na: &a [x, x]\nfer_zoo: [*a, *a]\n---\n", "anchors and aliases"),
    "a key twice": ("---\nfer_zoo: {}\nfer_zoo: {}\n---\n", "is given twice"),
    "nested": (f"---\nfer_zoo: {'[' * 50}{']' * 50}\n---\n", "nested more than"),
    "nested beyond Python": (f"---\nfer_zoo: {'[' * 50_000}\n---\n", "damaged"),
    "base 60": (f"---\nfer_zoo: {{hours: {'1:' * 50_000}1}}\n---\n", "damaged"),
    "values without end": (f"---\nfer_zoo: [{'1,' * 45_000}1]\n---\n", "more than 40000 values"),
    "long": (f"---\nfer_zoo: {'x' * 2**20}\n---\n", "longer than"),
    "larger than 4 MiB": ("---\nfer_zoo: {}\n---\n" + "x" * 2**22, "larger than"),
}


@pytest.mark.parametrize(("text", "message"), BAD_CARDS.values(), ids=BAD_CARDS)
def test_what_is_no_card_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "README.md").write_text(text)
    for refuse in (weights.read_card, lambda _: weights.load_weights(folder)):
        with pytest.raises(WeightsError, match=message):
            refuse(folder / "README.md")


def other_weights(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"][0] += 0.01
    rewrite_tensors(folder, tensors)


def weights_without_numbers(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"][0] = torch.nan
    rewrite_tensors(folder, tensors)


def other_normalisation(folder: Path) -> None:
    change_config(folder, lambda fields: fields["model"]["input"].update(mean=[0.4, 0.5, 0.5]))


def other_clip(folder: Path) -> None:
    check = load_file(folder / "check.safetensors")
    save_file({**check, "frames": 255 - check["frames"]}, folder / "check.safetensors")
    sign(folder)


def smaller_clip(folder: Path) -> None:
    check = load_file(folder / "check.safetensors")
    save_file({**check, "frames": check["frames"][:, :16].clone()}, folder / "check.safetensors")
    sign(folder)


def no_logits(folder: Path) -> None:
    check = load_file(folder / "check.safetensors")
    del check["logits"]
    save_file(check, folder / "check.safetensors")
    sign(folder)


def other_recipe(folder: Path) -> None:
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("seed: 1", "seed: 2"))
    sign(folder)


def extending_recipe(folder: Path) -> None:
    (folder / "recipe.yaml").write_text("extends: quickstart\nseed: 3\n")
    _name_recipe(folder)


def no_recipe(folder: Path) -> None:
    (folder / "recipe.yaml").write_text("model: 3\n")
    _name_recipe(folder)


def _name_recipe(folder: Path) -> None:
    """Write the tensors again with the hash of the recipe that is there now."""
    from safetensors import safe_open

    path = folder / "model.safetensors"
    with safe_open(path, framework="pt") as opened:
        facts = json.loads(opened.metadata()["fer_zoo"])
    facts["recipe_sha256"] = weights.sha256(folder / "recipe.yaml")
    save_file(load_file(path), path, {"fer_zoo": json.dumps(facts)})
    sign(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (other_weights, "a logit is off by 0.01"),
        (weights_without_numbers, "NaN or infinity in"),
        (other_normalisation, "not for the input in config.json"),
        (other_clip, "a logit is off by"),
        (smaller_clip, r"frames torch\.uint8 \(6, 16, 32, 3\)"),
        (no_logits, "logits torch.float32"),
        (other_recipe, "is not the recipe that the tensors name"),
        (extending_recipe, "extends another recipe"),
        (no_recipe, r"recipe\.yaml cannot be read"),
    ],
)
def test_files_that_are_signed_but_do_not_belong_together_are_refused(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(WeightsError, match=message):
        weights.check_folder(folder)


def test_an_option_that_no_tensor_knows_shows_in_the_logits(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(weights.find("incres3d_tiny_lstm_lm"), tmp_path / "weights"))
    change_config(folder, lambda fields: fields["model"]["fusion"].update(radius=3))
    with pytest.raises(WeightsError, match="a logit is off by"):
        weights.check_folder(folder)


def test_a_text_that_was_edited_is_fine(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("## Trained on", "## Thanks\n\nTo all.\n\n## Trained on"))
    assert "files" not in record(folder)
    weights.check_folder(folder)
