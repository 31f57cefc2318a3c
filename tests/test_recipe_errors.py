"""What a user reads when a recipe is wrong: the whole text, all three parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_zoo.errors import RecipeError, UnknownNameError
from fer_zoo.recipes import load_recipe

GOOD = """\
model:
  backbone: incres3d_tiny
  temporal: {name: lstm, hidden: 8}
  fusion: lm
data: {dataset: mmi}
split: {train: [0, 2], validation: [2, 3], test: [3, 4]}
protocol: subject-independent
seed: 1
train: {lr: 1e-3}
"""
RANGES = "split: {train: [0, 2], validation: [2, 3], test: [3, 4]}"
END = """
  Accepted: keys of fer_zoo.specs.Recipe and options of the registered components
  What to do: correct the lines named above"""

# Text to replace in GOOD, its replacement, and the expected problems.
CASES: dict[str, tuple[str, str, list[str]]] = {
    "unknown component": (
        "fusion: lm",
        "fusion: lm_gat",
        ["model.fusion (mine.yaml:4): Unknown fusion 'lm_gat'. did you mean 'lm_gate' or 'lm_attn' or 'lm_add'?"],
    ),
    "misspelt option": (
        "hidden: 8",
        "hiden: 8",
        [
            "model.temporal.hiden (mine.yaml:3): unknown option of temporal 'lstm' (did you mean 'hidden'?); "
            "it has hidden, layers, bidirectional, state"
        ],
    ),
    "option of the wrong type": (
        "hidden: 8",
        "hidden: many",
        ["model.temporal.hidden (mine.yaml:3): 'many' is wrong for temporal 'lstm': Input should be a valid integer"],
    ),
    "value of the wrong type": (
        "lr: 1e-3",
        "lr: fast",
        ["train.lr (mine.yaml:9): 'fast' is wrong: Input should be a valid number"],
    ),
    "component of the wrong type": (
        "fusion: lm",
        "fusion: 5",
        ["model.fusion (mine.yaml:4): 5 is wrong: write NAME or {name: NAME, OPTION: VALUE}"],
    ),
    "section of the wrong type": (
        "data: {dataset: mmi}",
        "data: mmi",
        ["data (mine.yaml:5): 'mmi' is wrong: write settings: dataset, takes, canvas, stores, any_fps"],
    ),
    "unknown key": (
        "seed: 1",
        "seed: 1\nsede: 1",
        [
            "sede (mine.yaml:9): unknown key (did you mean 'seed'?); accepted: description, published, model, data, "
            "split, protocol, seed, backbone_weights, init, freeze, pretrain, train, views"
        ],
    ),
    "no range": ("[2, 3]", "2", ["split.validation (mine.yaml:6): 2 is wrong: Input should be a list"]),
    "subjects on two sides": (
        "[3, 4]",
        "[0, 5]",
        [
            "split (mine.yaml:6): {'train': [0, 2], 'validation': [2, 3], 'test': [0, 5]} is wrong: "
            "train (0, 2) and test (0, 5) share subjects"
        ],
    ),
    "misspelt part": (
        "test: [3, 4]",
        "tset: [3, 4]",
        [
            "split.test (mine.yaml:6): required key is missing",
            "split.tset (mine.yaml:6): unknown key (did you mean 'test'?); accepted: train, validation, test",
        ],
    ),
    "a key of a section outside of it": (
        "seed: 1",
        "seed: 1\nlr: 0.1",
        [
            "lr (mine.yaml:9): unknown key (did you mean 'pretrain.lr' or 'train.lr'?); accepted: description, "
            "published, model, data, split, protocol, seed, backbone_weights, init, freeze, pretrain, train, views"
        ],
    ),
    "a key of a section two levels below": (
        "  fusion: lm",
        "  fusion: lm\n  size: 64",
        [
            "model.size (mine.yaml:5): unknown key (did you mean 'model.input.size'?); accepted: backbone, temporal, "
            "fusion, pool, head_norm, dropout, labels, input"
        ],
    ),
    "misspelt folds": (
        RANGES,
        "split: {flods: 5}",
        [
            "split.folds (mine.yaml:6): required key is missing",
            "split.flods (mine.yaml:6): unknown key (did you mean 'folds'?); accepted: folds, fold, seed, pooled_with",
        ],
    ),
    "a fold that does not exist": (
        RANGES,
        "split: {identity_disjoint: films.csv, folds: 5, fold: 6}",
        [
            "split (mine.yaml:6): {'identity_disjoint': 'films.csv', 'folds': 5, 'fold': 6} is wrong: fold must be at "
            "most 5, the number of folds; it is 6"
        ],
    ),
    "no split": (
        RANGES,
        "split: 5",
        [
            "split (mine.yaml:6): 5 is wrong: Input should be ranges of subjects (train, validation, test), folds, "
            "leave_out, published, databases (train_on, test_on), identity_disjoint, or a file"
        ],
    ),
    "ranges with the other protocol": (
        "subject-independent",
        "cross-database",
        [
            "protocol (mine.yaml:7): 'cross-database' is wrong: a split with train, validation, test needs the "
            "protocol 'subject-independent'"
        ],
    ),
    "databases with the other protocol": (
        RANGES,
        "split: {train_on: [ckplus, disfa], test_on: mmi}",
        [
            "protocol (mine.yaml:7): 'subject-independent' is wrong: a split with train_on, test_on needs the "
            "protocol 'cross-database'",
        ],
    ),
    "a database on two sides": (
        f"{RANGES}\nprotocol: subject-independent",
        "split: {train_on: [mmi, disfa], test_on: mmi}\nprotocol: cross-database",
        [
            "split (mine.yaml:6): {'train_on': ['mmi', 'disfa'], 'test_on': 'mmi'} is wrong: test_on 'mmi' is also in "
            "train_on; use different databases"
        ],
    ),
    "unknown database": (
        f"{RANGES}\nprotocol: subject-independent",
        "split: {train_on: [ckpls, disfa], test_on: mmi}\nprotocol: cross-database",
        ["split.train_on (mine.yaml:6): Unknown dataset 'ckpls'. did you mean 'ckplus'?"],
    ),
    "two starts": (
        "seed: 1",
        "seed: 1\nbackbone_weights: pretrained\npretrain: {epochs: 1}",
        [
            "pretrain (mine.yaml:10): {'epochs': 1} is wrong: backbone_weights is 'pretrained'; use either "
            "these or `pretrain`"
        ],
    ),
}


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("case", CASES)
def test_the_whole_text_of_a_problem(tmp_path: Path, case: str) -> None:
    old, new, problems = CASES[case]
    assert GOOD.count(old) == 1
    load_recipe(write(tmp_path, GOOD))
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, GOOD.replace(old, new)))
    given = f"Recipe {str(tmp_path / 'mine.yaml')!r} has {len(problems)} problem{'s' * (len(problems) > 1)}:"
    assert str(caught.value) == "\n    - ".join([given, *problems]) + END


def test_the_whole_text_of_an_override_that_fits_nothing() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("quickstart", ["train.augment.flp=1"])
    assert str(caught.value) == (
        "Recipe 'quickstart' has 1 problem:\n"
        "    - train.augment.flp (--set): unknown key (did you mean 'flip'?); accepted: flip, rotate_deg, scale, "
        "shift, warp, brightness, contrast, colour, gamma, grey, noise, noise_share, blur, lowres, compress, jpeg, "
        "erase, detector_noise, lose_landmarks, stride, frame_jitter, reverse, still" + END
    )


def test_the_whole_text_of_a_duplicate_key(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "seed: 2\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value) == (
        f"{path} has duplicate keys:\n"
        "    - seed: mine.yaml:8 and mine.yaml:10\n"
        "  Accepted: each key once\n"
        "  What to do: delete one of each pair"
    )


def test_the_whole_text_of_three_levels_of_extends(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "base")
    write(tmp_path, "extends: base\n", "parent")
    write(tmp_path, "seed: 2\nextends: parent\n", "child")
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, "description: x\nextends: child\n", "grandchild"))
    assert str(caught.value) == (
        "parent.yaml:1: grandchild.yaml extends child.yaml, which extends parent.yaml, which extends base.\n"
        "  Accepted: at most 2 levels of `extends`\n"
        "  What to do: let grandchild.yaml extend parent.yaml, and repeat in it what child.yaml changes"
    )


@pytest.mark.parametrize(("files", "written"), [
    ({"mine": "mine"}, "mine.yaml:2: mine.yaml extends mine."),
    ({"mine": "b", "b": "mine"}, "b.yaml:2: mine.yaml extends b.yaml, which extends mine."),
    ({"mine": "b", "b": "c", "c": "b"}, "c.yaml:2: mine.yaml extends b.yaml, which extends c.yaml, which extends b."),
    ({"mine": "b", "b": "../{}/mine.yaml"}, "b.yaml:2: mine.yaml extends b.yaml, which extends ../{}/mine.yaml."),
])  # fmt: skip
def test_the_whole_text_of_recipes_in_a_circle(files: dict[str, str], written: str, tmp_path: Path) -> None:
    for name, parent in files.items():
        write(tmp_path, f"seed: 2\nextends: {parent.format(tmp_path.name)}\n", name)
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "mine.yaml")
    assert str(caught.value) == (
        f"{written.format(tmp_path.name)}\n"
        "  Accepted: recipes that do not extend each other in a circle\n"
        "  What to do: take `extends` out of one"
    )


def test_the_whole_text_of_an_unknown_recipe() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_recipe("quickstrat")
    assert str(caught.value) == (
        "Unknown recipe 'quickstrat'.\n"
        "  Accepted: did you mean 'quickstart'?\n"
        "  What to do: give a path to a YAML file or one of these names"
    )


def test_the_whole_text_of_a_packaged_recipe_written_as_a_file() -> None:
    for name, meant in (("quickstart.yaml", "quickstart"), ("ablations/fusion_non.yml", "ablations/fusion_none")):
        with pytest.raises(UnknownNameError) as caught:
            load_recipe(name)
        assert str(caught.value) == (
            f"There is no recipe file {name!r}.\n"
            "  Accepted: a path to a YAML file\n"
            f"  What to do: check the path, or write {meant!r}, which is a packaged recipe"
        )


def test_the_whole_text_of_a_parent_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_recipe(write(tmp_path, "description: x\nextends: quickstrat\n"))
    assert str(caught.value) == (
        "mine.yaml:2: extends 'quickstrat'. Unknown recipe 'quickstrat'.\n"
        "  Accepted: did you mean 'quickstart'?\n"
        "  What to do: give a path to a YAML file or one of these names"
    )


@pytest.mark.parametrize(
    ("parent", "shown"), [("[a, b]", "['a', 'b']"), ("{name: a}", "{'name': 'a'}"), ("3", "3"), ("false", "False")]
)
def test_the_whole_text_of_more_than_one_parent(parent: str, shown: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, f"description: x\nextends: {parent}\n"))
    assert str(caught.value) == (
        f"mine.yaml:2: extends {shown}.\n"
        "  Accepted: the name of one recipe, packaged or beside this file\n"
        "  What to do: extend one, and write what the others change in this file"
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_override_of_a_name_is_blamed_itself(order: tuple[int, int]) -> None:
    message = ["model.fusion.name=lm_in", "model.fusion.radius=1"]
    with pytest.raises(RecipeError) as caught:
        load_recipe("quickstart", [message[i] for i in order])
    (problem,) = caught.value.problems
    assert problem.startswith("model.fusion.radius (--set): unknown option of fusion 'lm_in'")
    with pytest.raises(RecipeError) as caught:
        load_recipe("quickstart", ["model.fusion.name=lmm"])
    assert caught.value.problems[0].startswith("model.fusion (--set): Unknown fusion 'lmm'.")
