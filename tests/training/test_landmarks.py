"""Training the landmark network: it learns, a stopped run resumes exactly, crops carry their landmarks, bad recipes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fer_zoo.data.prepare import prepare
from fer_zoo.data.rendering import RenderSpec
from fer_zoo.data.stills import StillsSpec, StoreSpec, prepare_stills
from fer_zoo.data.store import open_store
from fer_zoo.errors import InputError, RecipeError, TrainingError, WeightsError
from fer_zoo.landmarks.network import SIDE, LandmarkNet
from fer_zoo.landmarks.stored import load_network, read_network
from fer_zoo.specs import ComponentSpec
from fer_zoo.training.landmark_crops import Arrays, cut_squares, draw_batch, squares
from fer_zoo.training.landmarks import RECIPE, LandmarkRecipe, errors, fit, read_recipe, train_landmarks

SPEC = StillsSpec(database="synthmh", subjects=3, takes=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stills")
    prepare_stills([SPEC], path)
    return path


@pytest.fixture(scope="module")
def stills(folder: Path) -> Arrays:
    return prepare_stills([SPEC], folder)


def recipe(steps: int, **changes: object) -> LandmarkRecipe:
    return LandmarkRecipe.model_validate({"train": [SPEC], "test": [SPEC], "steps": steps, "batch": 8, **changes})


def test_kept_stills_are_not_rendered_again(folder: Path, stills: Arrays) -> None:
    (part,) = folder.iterdir()
    before = part.stat().st_mtime_ns
    again = prepare_stills([SPEC], folder)
    assert part.stat().st_mtime_ns == before
    assert all(np.array_equal(again[name], stills[name], equal_nan=True) for name in stills)


def test_crops_carry_their_landmarks(stills: Arrays) -> None:
    """A bright cross drawn at a landmark of the still is where the batch says that the landmark is."""
    frames = squares(stills)
    face = int(np.flatnonzero(np.isfinite(frames[:, 0]))[0])
    x, y = np.rint(stills["landmarks"][face, 30]).astype(int)
    image = np.zeros((1, 1, 128, 128), np.float32)
    image[0, 0, y - 1 : y + 2, x - 1 : x + 2] = 1
    marked = {
        "images": (image[0] * 255).astype(np.uint8),
        "landmarks": np.repeat([[[x, y]]], 68, 1).astype(np.float32),
        "visible": np.ones((1, 68), bool),
    }
    for seed in range(12):
        crops, expected, _, has_face = draw_batch(marked, frames[[face]], None, np.random.default_rng(seed))
        assert has_face[0] == 1
        rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
        light = crops[0, 0].numpy()
        place = np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum() / (SIDE / 2) - 1
        np.testing.assert_allclose(place, expected[0, 0].numpy(), atol=0.02)


def test_a_mirrored_square_is_the_mirrored_crop() -> None:
    image = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    square = np.array([[60.0, 70.0, 80.0, 0.0]])
    plain = cut_squares(image, square, np.array([False]), "zeros")
    mirrored = cut_squares(image, square, np.array([True]), "zeros")
    torch.testing.assert_close(plain.flip(-1), mirrored, atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "store"
    prepare(ComponentSpec(name="synthmh"), None, path, RenderSpec(labels=("fear",), subjects=(0, 2), frames=4))
    return path


def test_frames_of_a_store_are_stills(store: Path, tmp_path: Path) -> None:
    found = prepare_stills([SPEC, StoreSpec(store=str(store), every=3)], tmp_path / "no")
    assert len(found["images"]) == SPEC.subjects * SPEC.takes + 2 + 1  # frames 0 and 3 of one clip, 1 of the other
    clip = open_store(store).clip(0)
    image, landmarks = found["images"][-3], found["landmarks"][-3]
    assert image.shape == (128, 128)
    # A landmark lies on the same part of the picture: the picture cut round it agrees, at either size.
    column, row = np.rint(landmarks[30]).astype(int)
    x, y = np.rint(clip.landmarks[0, 30]).astype(int)
    grey = clip.frames[0] @ np.array([0.299, 0.587, 0.114])
    assert (
        abs(float(image[row - 4 : row + 5, column - 4 : column + 5].mean()) - grey[y - 3 : y + 4, x - 3 : x + 4].mean())
        < 8
    )
    assert found["visible"][-3].all()


def test_a_store_of_detected_landmarks_is_refused(tmp_path: Path) -> None:
    spec = RenderSpec(labels=("fear",), subjects=(0, 1), frames=2, detector=ComponentSpec(name="fz68"))
    prepare(ComponentSpec(name="synthmh"), None, tmp_path / "store", spec)
    with pytest.raises(InputError, match="fz68"):
        prepare_stills([StoreSpec(store=str(tmp_path / "store"))], tmp_path)


def test_training_starts_from_weights(stills: Arrays, tmp_path: Path) -> None:
    started = fit(stills, tmp_path, recipe(1, init=str(RECIPE.parent), lr=1e-9), lambda line: None)
    for name, value in read_network(RECIPE.parent).named_parameters():
        torch.testing.assert_close(started.get_parameter(name), value, atol=1e-6, rtol=0)
    with pytest.raises(WeightsError):
        fit(stills, tmp_path / "other", recipe(1, init=str(tmp_path / "no")), lambda line: None)


@pytest.mark.slow
def test_it_learns(stills: Arrays, tmp_path: Path) -> None:
    before = errors(LandmarkNet().eval(), stills)["by_part"]["all"]
    net = fit(stills, tmp_path, recipe(60, lr=3e-3), lambda line: None)
    # The average of the weights starts from the first ones; the trained ones are in the checkpoint.
    assert errors(net, stills)["by_part"]["all"] < before


def test_a_stopped_run_resumes_to_the_same_bytes(folder: Path, stills: Arrays, tmp_path: Path) -> None:
    whole = train_landmarks(recipe(6, save_every=3), tmp_path / "whole", stills=folder, report=lambda line: None)

    class StopError(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("step 3"):
            raise StopError

    with pytest.raises(StopError):
        train_landmarks(recipe(6, save_every=3), tmp_path / "cut", stills=folder, report=stop)
    resumed = train_landmarks(recipe(6, save_every=3), tmp_path / "cut", stills=folder, report=lambda line: None)
    assert resumed["sha256"] == whole["sha256"]
    assert load_network(tmp_path / "cut").training is False


def test_yaws_that_no_still_has_are_left_out(stills: Arrays) -> None:
    frontal = {name: values[np.nan_to_num(np.abs(stills["pose"][:, 0]), nan=0) < 15] for name, values in stills.items()}
    assert list(errors(LandmarkNet().eval(), frontal)["by_yaw"]) == ["0 to 15"]


@pytest.mark.parametrize("change", [{"variety": 0.1}, {"subjects": 2}, {"seed": 1}, {"takes": 2}, {"size": 64}])
def test_stills_of_other_settings_are_not_taken(folder: Path, change: dict[str, object]) -> None:
    before = {file.name for file in folder.iterdir()}
    spec = StillsSpec.model_validate({**SPEC.model_dump(), "subjects": 1, "takes": 1, **change})
    made = prepare_stills([spec], folder)
    assert len(made["images"]) == spec.subjects * spec.takes
    assert len({file.name for file in folder.iterdir()} - before) == 1


def test_a_run_of_another_recipe_is_not_resumed(stills: Arrays, tmp_path: Path) -> None:
    fit(stills, tmp_path, recipe(1), lambda line: None)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="different recipe: lr, steps"):
        fit(stills, tmp_path, recipe(2, lr=1e-3), lambda line: None)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_a_damaged_checkpoint(stills: Arrays, tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"last\.safetensors"):
        fit(stills, tmp_path, recipe(2), lambda line: None)


def test_the_packages_recipe() -> None:
    found = read_recipe(RECIPE)
    assert not {(s.database, n) for s in found.train for n in range(s.first, s.first + s.subjects)} & {
        (s.database, n) for s in found.test for n in range(s.first, s.first + s.subjects)
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [("steps: 0", "steps"), ("steps: many", "steps"), ("train: 3", "train"), ("- 1", "recipe"), ("a: [", "line 2")],
)
def test_bad_recipes(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(tmp_path / "recipe.yaml")


def test_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml")
