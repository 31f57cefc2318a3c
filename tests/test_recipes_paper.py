"""The paper's recipes against a table typed from the paper: figures, networks, protocols, training, labels."""

from __future__ import annotations

import pytest
import torch

from fer_zoo import create_model
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import DatabaseSplit, FoldSplit

# Hasani & Mahoor 2017, recognition rates in per cent: Table 1, three columns, and Table 2.
FIGURES: dict[str, tuple[float, float | None] | None] = {
    "ckplus_2d": (85.77, None),
    "ckplus_3d": (89.50, None),
    "ckplus_3d_landmarks": (93.21, 2.32),
    "cross_ckplus": (67.52, None),
    "mmi_2d": (55.83, None),
    "mmi_3d": (67.50, None),
    "mmi_3d_landmarks": (77.50, 1.76),
    "cross_mmi": (54.76, None),
    "fera_2d": (49.64, None),
    "fera_3d": (67.74, None),
    "fera_3d_landmarks": (77.42, 3.67),
    "cross_fera": (41.93, None),
    "disfa_2d": None,
    "disfa_3d": (51.35, None),
    "disfa_3d_landmarks": (58.00, 5.77),
    "cross_disfa": (40.51, None),
}
CLASSES = {"ckplus": 7, "mmi": 6, "fera": 5, "disfa": 7}
TITLES = {"ckplus": "CK+", "mmi": "MMI", "fera": "FERA", "disfa": "DISFA"}
# Name of the network and what its temporal head gets: the 3D network's map flattened, the 2D one's averaged.
NETWORKS = {
    "2d": ("incres2d_mean", "mean"),
    "3d": ("incres3d_lstm", "flatten"),
    "3d_landmarks": ("incres3d_lstm_lm", "flatten"),
    "cross": ("incres3d_lstm_lm", "flatten"),
}


def parts(name: str) -> tuple[str, str]:
    """Database and network of a recipe's name."""
    first, _, rest = name.partition("_")
    return (rest, "cross") if first == "cross" else (first, rest)


def labels(database: str, network: str) -> tuple[str, ...]:
    """Labels of a database; across databases those of the training databases, otherwise the run would be refused."""
    own = DATASETS.get(database).defaults["labels"]
    others = {label for name in CLASSES if name != database for label in DATASETS.get(name).defaults["labels"]}
    return tuple(label for label in own if label in others) if network == "cross" else own


def test_every_row_and_column_has_its_recipe() -> None:
    assert [name for name in list_recipes() if name.startswith("paper/")] == sorted(f"paper/{name}" for name in FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_the_published_figure(name: str) -> None:
    published, figure = load_recipe(f"paper/{name}").published, FIGURES[name]
    if figure is None:
        assert published is None
        assert "figure not given" in load_recipe(f"paper/{name}").description
        return
    assert published is not None
    assert (published.war, published.std) == figure
    database, network = parts(name)
    table = 2 if network == "cross" else 1
    assert published.source.startswith(f"Hasani & Mahoor 2017, Table {table}, {TITLES[database]}, ")


@pytest.mark.parametrize("name", FIGURES)
def test_the_network_and_its_input(name: str) -> None:
    database, network = parts(name)
    model = load_recipe(f"paper/{name}").model
    assert (model.name, model.pool) == NETWORKS[network]
    assert (model.input.frames, model.input.size) == (10, 299)
    assert (model.dropout, model.head_norm) == (0.2, "none")
    if model.temporal.name == "lstm":
        assert model.temporal.options == {"hidden": 200}
    if model.fusion.name == "lm":
        assert model.fusion.options == {"points": "all", "radius": 3}
    assert model.labels == labels(database, network)
    if network != "cross":
        assert len(model.labels) == CLASSES[database]
        assert ("contempt" in model.labels) == (database == "ckplus")
        assert ("neutral" in model.labels) == (database == "disfa")


@pytest.mark.parametrize("name", FIGURES)
def test_the_protocol_and_the_training(name: str) -> None:
    database, network = parts(name)
    recipe = load_recipe(f"paper/{name}")
    assert recipe.data.dataset.name == database
    if network == "cross":
        assert isinstance(recipe.split, DatabaseSplit)
        assert (recipe.protocol, recipe.split.test_on) == ("cross-database", database)
        assert {*recipe.split.train_on, database} == set(CLASSES)
    else:
        assert (recipe.protocol, recipe.split) == ("subject-independent", FoldSplit(folds=5))
    train = recipe.train
    assert train.optimizer.model_dump() == {"name": "sgd", "momentum": 0.9, "weight_decay": 1e-4}
    assert (train.lr, train.schedule.name, train.loss.name) == (0.01, "constant", "cross_entropy")
    assert (recipe.pretrain, recipe.backbone_weights) == (None, "random")
    changes = {**train.augment.model_dump(), "stride": train.augment.stride - 1}
    assert not any(changes.values()), "the paper names no random changes"


@pytest.mark.parametrize("name", FIGURES)
def test_the_network_builds(name: str) -> None:
    database, network = parts(name)
    with torch.device("meta"):
        model = create_model(recipe=f"paper/{name}")
    assert model.needs_landmarks == (network in ("3d_landmarks", "cross"))
    assert model.classifier.out_features == len(labels(database, network))
    features = {"2d": 2144}.get(network, 200)
    assert model.classifier.in_features == features
