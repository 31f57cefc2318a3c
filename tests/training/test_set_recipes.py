"""The recipes of the sets in use: their protocols and figures, and that each takes a step on a tree of its layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from set_trees import make_tree
from video_files import Squares

from fer_zoo.data.prepare import prepare
from fer_zoo.data.recipe_settings import settings_for
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.registry import DATASETS, LANDMARKERS, register_landmarker
from fer_zoo.specs import ComponentSpec, PublishedSplit
from fer_zoo.training import train
from fer_zoo.training.predictions import Predictions
from fer_zoo.weights import load_weights

SETS = {
    "afew": "official",
    "cremad": "fold_1",
    "dfew": "set_1",
    "ferv39k": "all_scenes",
    "mafw": "set_1",
    "ravdess": "fold_1",
}
NETWORKS = ("convnext_transformer_lm", "incres3d_lstm_lm", "r2plus1d_18", "r3d_18", "swin3d_t", "videomae_b")
# War and UAR; sources are in the recipes and in docs/sets.md.
PUBLISHED = {
    "dfew/r3d_18": (58.27, 46.52),
    "dfew/r2plus1d_18": (53.22, 42.79),
    "ferv39k/r3d_18": (37.57, 26.67),
    "ferv39k/r2plus1d_18": (41.28, 31.55),
}
SMALL = [
    "model.input.size=64", "model.input.frames=6", "model.input.landmarks.detector=squares", "backbone_weights=random",
    "split.validation_folds=2", "train.epochs=1", "train.batch_size=4", "train.precision=fp32",
]  # fmt: skip


def test_every_set_has_every_network() -> None:
    found = {name for name in list_recipes() if name.split("/")[0] in SETS}
    assert found == {f"{name}/{network}" for name in SETS for network in NETWORKS}


@pytest.mark.parametrize("name", SETS)
def test_the_protocol(name: str) -> None:
    """The labels of the reader, an official split, 16 frames over each video; the same for all networks of a set."""
    recipe = load_recipe(f"{name}/r3d_18")
    assert recipe.data.dataset == ComponentSpec(name=name)
    assert set(recipe.model.labels) == set(DATASETS.get(name).defaults["labels"])
    assert isinstance(recipe.split, PublishedSplit)
    assert recipe.split.published == SETS[name]
    assert (recipe.model.input.frames, recipe.model.input.sampling) == (16, "segments")
    for network in NETWORKS:
        other = load_recipe(f"{name}/{network}")
        assert (other.split, other.data, other.model.labels) == (recipe.split, recipe.data, recipe.model.labels)
        assert (other.model.input.frames, other.model.input.sampling) == (16, "segments")
        figures = PUBLISHED.get(f"{name}/{network}")
        assert (other.published and (other.published.war, other.published.uar)) == figures


def test_a_store_for_them_has_the_middle_frame_of_each_part() -> None:
    spec = settings_for("dfew", load_recipe("dfew/r3d_18"), {})
    assert (spec.sampling, spec.frames) == ("uniform", 48)
    assert settings_for("dfew", load_recipe("dfew/r3d_18", ["views.clips=4"]), {}).frames == 80
    assert settings_for("dfew", load_recipe("dfew/r3d_18", ["model.input.sampling=uniform"]), {}).frames == 16


@pytest.fixture(autouse=True)
def squares() -> Iterator[None]:
    before = LANDMARKERS.snapshot()
    register_landmarker("squares")(_squares)
    yield
    LANDMARKERS.restore(before)


def _squares() -> Squares:
    """Take coloured squares for faces."""
    return Squares()


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "network"),
    [*(("dfew", one) for one in NETWORKS if one != "videomae_b"), *((one, "r3d_18") for one in SETS if one != "dfew")],
)
def test_a_step_of_it(name: str, network: str, trees: Path, tmp_path: Path) -> None:
    recipe = load_recipe(f"{name}/{network}", SMALL)
    if not (trees / name).exists():
        make_tree(name, trees / name, recipe.model.labels)
        spec = settings_for(name, recipe, {})
        header = prepare(ComponentSpec(name=name), trees / name, trees / "stores" / name, spec)
        assert (header.failures, header.clips, header.frames) == (0, 3 * len(recipe.model.labels), 18)
    result = train(recipe, tmp_path, stores=trees / "stores", max_steps=1, device="cpu")
    model = load_weights(result.weights)
    assert model.input_spec.sampling == "segments"
    test = Predictions.read(tmp_path / "predictions" / "best" / "test.csv")
    assert len(test) == len(set(test.videos)) == len(recipe.model.labels), "one clip per video"
    assert result.test.uar == pytest.approx(sum(test.predicted == test.truth) / len(test))
