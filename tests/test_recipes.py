"""Recipes: every problem at once, with its key path and line; two levels of extends; dump and load agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fer_zoo.compose import model_spec
from fer_zoo.documents import parse_yaml
from fer_zoo.errors import RecipeError, UnknownNameError
from fer_zoo.recipes import copy_recipe, diff_recipes, dump_recipe, find_recipe, list_recipes, load_recipe, show_recipe
from fer_zoo.specs import ComponentSpec

GOOD = """\
model:
  backbone: {name: incres3d_tiny, width: 0.25}
  temporal: {name: lstm, hidden: 8}
  fusion: lm
split: {train: [0, 2], validation: [2, 3], test: [3, 4]}
protocol: subject-independent
seed: 1
train: {lr: 1e-3}
"""


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", list_recipes())
def test_every_packaged_recipe_is_valid_and_round_trips(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert load_recipe(write(tmp_path, dump_recipe(recipe))) == recipe
    assert recipe.description


def test_packaged_recipes_are_seen() -> None:
    assert {"quickstart", "release/incres3d_tiny_lstm_lm"} <= set(list_recipes())


def test_scientific_numbers_are_numbers(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, GOOD)).train.lr == 0.001


def test_all_problems_at_once_with_line(tmp_path: Path) -> None:
    text = GOOD.replace("hidden: 8", "hiden: 8").replace("seed: 1", "sed: 1").replace("fusion: lm", "fusion: lmm")
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text), ["train.lrr=1", "train.momentum=2", "nonsense"])
    message = "\n".join(caught.value.problems)
    assert "model.temporal.hiden (mine.yaml:3): unknown option of temporal 'lstm' (did you mean 'hidden'?)" in message
    assert "sed (mine.yaml:7): unknown key (did you mean 'seed'?)" in message
    assert "seed: required key is missing" in message
    assert "model.fusion (mine.yaml:4): Unknown fusion 'lmm'." in message
    assert "train.lrr (--set): unknown key (did you mean 'lr'?)" in message
    assert "train.momentum (--set): 2 is wrong: Input should be less than 1" in message
    assert "--set nonsense: write key.path=value" in message
    assert len(caught.value.problems) == 7


def test_optional_sections_are_checked_and_not_switched_on_by_an_override(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"pretrain\.lrr \(--set\): unknown key \(did you mean 'lr'\?\)"):
        load_recipe("quickstart", ["pretrain.lrr=1"])
    with pytest.raises(RecipeError, match="this recipe has no 'pretrain'"):
        load_recipe(write(tmp_path, GOOD), ["pretrain.epochs=1"])


EXTENDING = [name for name in list_recipes() if "extends" in yaml.safe_load(find_recipe(name).read_text())]


# What another backbone sets.
SUITED = {f"model.input.{key}" for key in ("size", "fps", "mean", "std")}


@pytest.mark.parametrize("name", EXTENDING)
def test_a_recipe_differs_from_its_parent_only_where_it_says(name: str) -> None:
    text = find_recipe(name).read_text()
    message = yaml.safe_load(text)
    parent_name = message.pop("extends")
    assert parent_name in list_recipes(), "a packaged recipe names its parent in full, so that it can be copied"
    assert parent_name not in EXTENDING, "a packaged recipe and one more file say it all"
    parent, child = load_recipe(parent_name), load_recipe(name)
    # What a paper printed is not inherited, so it may differ unsaid.
    without = [recipe.model_copy(update={"published": None}) for recipe in (parent, child)]
    said = leaves(message) | (SUITED if "backbone" in message.get("model", {}) else set())
    assert changed(*(recipe.model_dump() for recipe in without)) <= said
    assert diff_recipes(*without), "it is the same as its parent"
    if name.startswith("ablations/"):
        assert parent_name == "ablations/base"
        assert 4 <= len(text.splitlines()) <= 8


def leaves(tree: object, key: str = "") -> set[str]:
    if not isinstance(tree, dict) or "name" in tree or key == "split":
        return {key}
    return set().union(*(leaves(value, f"{key}.{name}" if key else name) for name, value in tree.items()))


def changed(one: object, other: object, key: str = "") -> set[str]:
    if isinstance(one, dict) and isinstance(other, dict) and "name" not in one and key != "split":
        return set().union(*(changed(one[name], other[name], f"{key}.{name}" if key else name) for name in one))
    return set() if one == other else {key}


@pytest.mark.parametrize("missing", ["seed", "split", "protocol"])
def test_seed_split_and_protocol_are_required(tmp_path: Path, missing: str) -> None:
    kept = [line for line in GOOD.splitlines() if not line.startswith(missing)]
    with pytest.raises(RecipeError, match=f"{missing}: required key is missing"):
        load_recipe(write(tmp_path, "\n".join(kept)))


def test_subjects_on_two_sides_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="share subjects"):
        load_recipe(write(tmp_path, GOOD), ["split.test=[0, 5]"])


def test_overrides_are_typed(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD), ["train.lr=3e-4", "model.fusion.radius=1", "model.temporal.hidden=9"])
    assert recipe.train.lr == 3e-4
    assert recipe.model.fusion.options == {"radius": 1}
    assert recipe.model.temporal.options == {"hidden": 9}


def test_extends_one_level(tmp_path: Path) -> None:
    parent = load_recipe(write(tmp_path, GOOD, "parent"))
    child = load_recipe(write(tmp_path, "extends: parent\nmodel: {fusion: none, temporal: {name: mean}}\n", "child"))
    assert child.model.fusion.name == "none"
    assert child.model.temporal.options == {}, "options of the replaced component must not stay"
    assert child.model.backbone == parent.model.backbone
    same = load_recipe(write(tmp_path, "extends: parent\nmodel: {temporal: {name: lstm}}\n", "same"))
    assert same.model == parent.model


def test_extends_two_levels(tmp_path: Path) -> None:
    """Each level changes what it names, and drops what belongs to a component that it replaces."""
    write(tmp_path, GOOD + "published: {war: 93.2, source: a table}\n", "parent")
    write(tmp_path, "extends: parent\nmodel: {temporal: gru}\ntrain: {lr: 0.5, momentum: 0.5}\n", "child")
    text = "extends: child\nseed: 77\ntrain: {optimizer: {momentum: 0.25}}\n"
    grandchild = load_recipe(write(tmp_path, text, "grandchild"))
    expected = load_recipe(
        tmp_path / "parent.yaml", ["model.temporal=gru", "train.lr=0.5", "train.momentum=0.25", "seed=77"]
    )
    assert grandchild == expected.model_copy(update={"published": None})


def test_a_recipe_of_ones_own_extends_a_packaged_one_that_extends_another(tmp_path: Path) -> None:
    mine = load_recipe(write(tmp_path, "extends: ablations/temporal_gru\nseed: 99\n"))
    changes = diff_recipes(load_recipe("ablations/base"), mine)
    assert [key for key, _, _ in changes] == ["model.temporal", "seed"]


def test_shown_with_the_file_that_each_value_comes_from(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "parent")
    write(tmp_path, "extends: parent\nmodel: {temporal: gru}\ntrain:\n  momentum: 0.5\n", "child")
    long = "a text that is wrapped " * 9
    text = show_recipe(write(tmp_path, f"extends: child\ndescription: {long}\n", "mine"), ["seed=7"])
    assert parse_yaml(text) == parse_yaml(dump_recipe(load_recipe(tmp_path / "mine.yaml", ["seed=7"])))
    lines = [line.strip() for line in text.splitlines()]
    for line in (
        "seed: 7  # --set",
        "name: gru  # child.yaml:2",
        "momentum: 0.5  # child.yaml:4",
        "width: 0.25  # pare",
    ):
        assert any(shown.startswith(line) for shown in lines), line
    assert "epochs: 30" in lines, "a default comes from no file"
    assert not any("hidden" in line and "#" in line for line in lines), "the LSTM's went with it"
    assert show_recipe(tmp_path / "parent.yaml", ["seed=7"]) == dump_recipe(
        load_recipe(tmp_path / "parent.yaml", ["seed=7"])
    )


def test_a_parent_beside_the_file_may_be_written_with_its_suffix(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "parent")
    child = write(tmp_path, "extends: parent.yaml\nmodel: {fusion: none}\n")
    assert load_recipe(child) == load_recipe(write(tmp_path, "extends: parent\nmodel: {fusion: none}\n", "other"))
    (tmp_path / "there").mkdir()
    assert load_recipe(copy_recipe(child, tmp_path / "there" / "copy.yaml")) == load_recipe(child)


def test_an_override_of_a_name_drops_the_options_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    as_written = {
        text: load_recipe(write(tmp_path, GOOD.replace("{name: lstm, hidden: 8}", text), "other"))
        for text in ("gru", "{name: gru, layers: 2}", "{name: tcn}")
    }
    assert load_recipe(path, ["model.temporal.name=gru"]) == as_written["gru"]
    assert load_recipe(path, ["model.temporal.name=tcn"]) == as_written["{name: tcn}"]
    layers = ["model.temporal.layers=2", "model.temporal.name=gru"]
    for order in (layers, layers[::-1]):
        assert load_recipe(path, order) == as_written["{name: gru, layers: 2}"], "what --set says is meant"
    assert load_recipe(path, ["model.temporal.name=lstm"]) == load_recipe(path), "the same component keeps them"
    # Given by its name alone, a component has none.
    assert load_recipe(path, ["model.fusion.name=none"]).model.fusion.model_dump() == {"name": "none"}


def test_another_form_of_split_replaces_the_parents(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "parent")
    folds = load_recipe(write(tmp_path, "extends: parent\nsplit: {folds: 3}\n"))
    assert folds.split.model_dump() == {"folds": 3, "fold": None, "seed": 0, "pooled_with": ()}
    same = load_recipe(write(tmp_path, "extends: parent\nsplit: {train: [5, 9]}\n"))
    assert same.split.model_dump() == {"train": (5, 9), "validation": (2, 3), "test": (3, 4)}


def test_published_figures_are_not_inherited(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "published: {war: 93.2, source: a table}\n", "parent")
    child = "extends: parent\nmodel: {fusion: none}\n"
    assert load_recipe(write(tmp_path, child)).published is None
    own = load_recipe(write(tmp_path, child + "published: {war: 89.5, source: a table}\n")).published
    assert own is not None
    assert (own.war, own.std) == (89.5, None)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "", "just words", "!!python/object:os.system {}"])
def test_not_a_recipe(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError):
        load_recipe(write(tmp_path, text))


@pytest.mark.parametrize("name", ["quickstrat", "../pyproject", "nowhere.yaml"])
def test_unknown_recipe(name: str) -> None:
    with pytest.raises(UnknownNameError):
        find_recipe(name)


@pytest.mark.parametrize("name", ["quickstart", "ablations/fusion_none", "paper/cross_mmi"])
def test_a_copy_is_the_same_recipe_as_it_was_written(name: str, tmp_path: Path) -> None:
    copied = copy_recipe(name, tmp_path / "mine.yaml")
    assert copied.read_text() == find_recipe(name).read_text()
    assert load_recipe(copied) == load_recipe(name)


def test_a_copy_finds_a_parent_that_lay_beside_the_original(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    write(tmp_path, GOOD, "parent")
    child = write(tmp_path, "# mine\nextends: parent  # beside\nmodel: {fusion: none}\n")
    copied = copy_recipe(child, tmp_path / "there" / "copy.yaml")
    assert copied.read_text() == "# mine\nextends: ../parent\nmodel: {fusion: none}\n"
    assert load_recipe(copied) == load_recipe(child)


def test_a_copy_overwrites_nothing_and_is_no_copy_of_what_cannot_be_loaded(tmp_path: Path) -> None:
    there = write(tmp_path, "keep me")
    with pytest.raises(RecipeError, match="File exists") as caught:
        copy_recipe("quickstart", there)
    assert caught.value.do == "choose another name"
    assert there.read_text() == "keep me"
    with pytest.raises(RecipeError, match="No such file or directory"):
        copy_recipe("quickstart", tmp_path / "nowhere" / "mine.yaml")
    with pytest.raises(RecipeError, match="required key is missing"):
        copy_recipe(write(tmp_path, "seed: 1\n", "bad"), tmp_path / "copy.yaml")
    assert not (tmp_path / "copy.yaml").exists()


def test_a_diff_has_what_differs_and_nothing_else(tmp_path: Path) -> None:
    one = load_recipe(write(tmp_path, GOOD))
    assert diff_recipes(one, one) == []
    assert diff_recipes(one, one.model_copy(update={"description": "other words"})) == []
    message = ["train.lr=3e-4", "model.fusion=none", "model.temporal.hidden=9", "model.backbone.norm=batch"]
    other = load_recipe(write(tmp_path, GOOD), [*message, "pretrain={epochs: 3}", "split={folds: 4}"])
    assert diff_recipes(one, other) == [
        ("model.temporal.hidden", 8, 9),
        ("model.fusion", {"name": "lm", "radius": 2}, {"name": "none"}),
        (
            "split",
            {"train": [0, 2], "validation": [2, 3], "test": [3, 4]},
            {"folds": 4, "fold": None, "seed": 0, "pooled_with": []},
        ),
        ("pretrain", None, {"epochs": 3}),
        ("train.lr", 0.001, 0.0003),
    ], "norm=batch is the default, written or not"
    assert diff_recipes(other, one) == [(key, b, a) for key, a, b in diff_recipes(one, other)]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("{backbone: r3d_18, temporal: lstm}", "r3d_18_lstm"),
        ("{backbone: timm/resnet18, temporal: gru, fusion: lm_traj}", "timm/resnet18_gru_lm_traj"),
        ("{backbone: {name: incres3d_tiny}, temporal: lstm, fusion: {name: lm}}", "incres3d_tiny_lstm_lm"),
    ],
)
def test_what_suits_a_backbone_holds_in_a_recipe_as_under_its_name(tmp_path: Path, model: str, name: str) -> None:
    rest = GOOD[GOOD.index("split:") :]
    assert load_recipe(write(tmp_path, f"model: {model}\n{rest}")).model == model_spec(name)
    changed = load_recipe(write(tmp_path, f"model: {model}\n{rest}"), ["model.input.size=96", "model.pool=mean"])
    assert changed.model == model_spec(name, size=96, pool="mean")


def test_published_weights_want_their_own_normalisation(tmp_path: Path) -> None:
    rest = GOOD[GOOD.index("split:") :]
    path = write(tmp_path, f"model: {{backbone: r3d_18, temporal: lstm}}\nbackbone_weights: pretrained\n{rest}")
    assert load_recipe(path).backbone_weights == "pretrained"
    with pytest.raises(
        RecipeError, match=r"model\.input.*: std is \(0\.5, 0\.5, 0\.5\); the published weights of 'r3d_18'"
    ):
        load_recipe(path, ["model.input.std=[0.5, 0.5, 0.5]"])


@pytest.mark.parametrize("wrong", ["size=80.0", "frames='10'", "fps=yes", "std=[0, 1, 1]", "mean=[a, b, c]"])
def test_numbers_are_of_their_kind(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(RecipeError, match=rf"model\.input\.{wrong.split('=')[0]}"):
        load_recipe(write(tmp_path, GOOD), [f"model.input.{wrong}"])


def test_a_dump_keeps_what_a_loader_would_fill_in(tmp_path: Path) -> None:
    """A recipe made in code has the options' own defaults; loaded from its dump it must not get what suits instead."""
    recipe = load_recipe(write(tmp_path, GOOD))
    parts = {"fusion": ComponentSpec(name="lm"), "temporal": ComponentSpec(name="lstm")}
    bare = recipe.model_copy(update={"model": recipe.model.model_copy(update=parts)})
    again = load_recipe(write(tmp_path, dump_recipe(bare), "again")).model
    assert (again.fusion.options, again.temporal.options) == ({"radius": 3}, {"hidden": 200})


SHORT = GOOD.replace("train: {lr: 1e-3}", "train: {optimizer: adamw, momentum: 0.8, weight_decay: 0.05, warmup: 0.1}")
LONG = GOOD.replace(
    "train: {lr: 1e-3}",
    "train: {optimizer: {name: adamw, beta1: 0.8, weight_decay: 0.05}, schedule: {name: constant, warmup: 0.1}}",
)


def test_a_short_key_is_the_option_of_its_component(tmp_path: Path) -> None:
    short, long = load_recipe(write(tmp_path, SHORT, "short")), load_recipe(write(tmp_path, LONG, "long"))
    assert short == long
    assert dump_recipe(short) == dump_recipe(long)
    assert not diff_recipes(short, long)


@pytest.mark.parametrize("text", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "change", ["train: {weight_decay: 0.5}", "train: {optimizer: {weight_decay: 0.5}}"], ids=["by short", "by option"]
)
def test_what_a_child_or_an_override_sets_wins_in_either_spelling(tmp_path: Path, text: str, change: str) -> None:
    parent = write(tmp_path, text, "parent")
    child = load_recipe(write(tmp_path, f"extends: parent\n{change}\n", "child"))
    path, value = "optimizer.weight_decay" if "optimizer" in change else "weight_decay", 0.5
    overridden = load_recipe(parent, [f"train.{path}={value}"])
    for recipe in (child, overridden):
        assert recipe.train.optimizer.model_dump() == {"name": "adamw", "beta1": 0.8, "weight_decay": 0.5}


def test_options_without_a_name_are_those_of_the_parents_or_the_default_component(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("lr: 1e-3", "optimizer: adamw"), "parent")
    child = load_recipe(write(tmp_path, "extends: parent\ntrain: {optimizer: {beta1: 0.8}}\n"))
    assert child.train.optimizer.model_dump() == {"name": "adamw", "beta1": 0.8}
    recipe = load_recipe(write(tmp_path, GOOD), ["train.loss.label_smoothing=0.1"])
    assert recipe.train.loss.model_dump() == {"name": "cross_entropy", "label_smoothing": 0.1}


def test_a_short_key_and_its_option_with_two_values_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("lr: 1e-3", "weight_decay: 0.1, optimizer: {name: sgd, weight_decay: 0.2}")
    with pytest.raises(RecipeError, match=r"weight_decay is 0\.1, and the optimizer's option weight_decay is 0\.2"):
        load_recipe(write(tmp_path, text))


def test_recipes_of_earlier_versions_name_decay_with_every_schedule(tmp_path: Path) -> None:
    text = GOOD.replace("lr: 1e-3", "schedule: cosine, decay: 0.1, decay_every: 0.3, warmup: 0.2")
    assert load_recipe(write(tmp_path, text)).train.schedule.model_dump() == {"name": "cosine", "warmup": 0.2}
    stepped = load_recipe(write(tmp_path, text.replace("cosine", "step"))).train.schedule
    assert stepped.model_dump() == {"name": "step", "warmup": 0.2, "decay": 0.1, "decay_every": 0.3}
