"""Paths of one machine: found in any spelling, taken out of recipes, refused in what is pushed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from weights_folders import card_fields, change_record, make_folder, small_model, small_recipe

from fer_zoo.errors import HubError, WeightsError
from fer_zoo.hub.pushing import fit_to_push
from fer_zoo.specs import Recipe
from fer_zoo.weights import check_folder, load_weights, read_folder, read_recipe, rewrite, sha256, write_weights
from fer_zoo.weights.local_paths import find_local_paths, portable

LOCAL = [
    "/home/anna.example/patients/store", "/home/anna.example", "~/anna.example/store", "~anna.example/store",
    r"C:\Users\anna.example\store", "D:/anna.example/store", r"\\anna.example\share\store",
    "file:///home/anna.example/store", "$HOME/anna.example/store", r"%USERPROFILE%\anna.example\store",
    "/home/anna.example/with spaces/store",
]  # fmt: skip


def recipe_with(**changes: object) -> Recipe:
    return Recipe.model_validate({**small_recipe().model_dump(mode="json"), **changes})


@pytest.mark.parametrize("path", LOCAL)
def test_a_local_path_is_found_and_reduced(path: str) -> None:
    assert find_local_paths(path)
    assert find_local_paths(f"Clips of {path}, see there.")
    split = {"file": path}
    recipe = recipe_with(description=path, data={"stores": {"synthmh": path}}, split=split)
    assert "anna" not in portable(recipe).model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co/a/b",
        "hf-hub:OWNER/NAME",
        "and/or/not",
        "about ~5/10",
        "CK+/MMI",
        "a / b",
        "</a>",
        "km/h",
    ],
)
def test_other_slashes_are_no_paths(text: str) -> None:
    assert not find_local_paths(text)


def test_relative_folders_of_stores_go_too() -> None:
    recipe = portable(recipe_with(data={"stores": {"synthmh": "anna/store", "mmi": "mmi"}}))
    assert recipe.data.stores == {"synthmh": "store", "mmi": "mmi"}


def test_written_weights_can_be_pushed_and_older_ones_are_refused(tmp_path: Path) -> None:
    recipe = recipe_with(data={"stores": {"synthmh": LOCAL[0]}})
    new = write_weights(tmp_path / "new", small_model(), recipe, card_fields())
    assert fit_to_push(new).path == new
    from fer_zoo.recipes import dump_recipe

    old = write_weights(tmp_path / "old", small_model(), recipe, card_fields(), recipe_text=dump_recipe(recipe))
    with pytest.raises(HubError, match=r"recipe\.yaml: /home/anna(.|\n)*rewrite"):
        fit_to_push(old)
    assert fit_to_push(rewrite(old, tmp_path / "again"))


def test_a_path_in_the_card_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "w", training_data="Clips in /mnt/anna.example/clips.")
    with pytest.raises(HubError, match=r"README\.md: /mnt/anna"):
        fit_to_push(folder)


@pytest.mark.parametrize(
    "text", ["{extends: quickstart}", '"extends": quickstart', "? extends\n: quickstart", "!!str extends: quickstart",
             '{"extends": "quickstart"}', '"\\x65xtends": quickstart'],
)  # fmt: skip
def test_a_recipe_that_extends_another_is_refused_however_it_is_written(tmp_path: Path, text: str) -> None:
    folder = make_folder(tmp_path / "w")
    whole = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text if text.startswith("{") else f"{text}\n{whole}")
    with pytest.raises(WeightsError, match=r"extends another recipe|tags"):
        read_recipe(folder)
    change_record(folder, beside={**read_folder(folder).card.beside, "recipe.yaml": sha256(folder / "recipe.yaml")})
    with pytest.raises(WeightsError):
        check_folder(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path: Path, value: float) -> None:
    from safetensors.torch import load_file
    from weights_folders import rewrite_tensors

    folder = make_folder(tmp_path / "w")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if tensors[name].is_floating_point())
    tensors[name].view(-1)[0] = value
    rewrite_tensors(folder, tensors)
    for use in (load_weights, check_folder, fit_to_push):
        with pytest.raises(WeightsError, match=f"NaN or infinity in {name}"):
            use(folder)
    model = small_model()
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = value
    with pytest.raises(WeightsError, match="NaN or infinity"):
        write_weights(tmp_path / "x", model, small_recipe(), card_fields())
    assert not (tmp_path / "x").exists()
