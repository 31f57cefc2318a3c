"""Specs refuse what makes no sense, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from fer_zoo.specs import (
    SPLITS,
    ComponentSpec,
    DatabaseSplit,
    FoldSplit,
    InputSpec,
    Metrics,
    ModelSpec,
    Published,
    Recipe,
    SplitSpec,
    split_form,
)


def test_component_from_name_and_back() -> None:
    assert ComponentSpec.model_validate("lstm") == ComponentSpec(name="lstm")
    spec = ComponentSpec.model_validate({"name": "lstm", "hidden": 3})
    assert (spec.options, spec.model_dump()) == ({"hidden": 3}, {"name": "lstm", "hidden": 3})


@pytest.mark.parametrize("labels", [["a", "b", "a"], ["a"], []])
def test_refuses_labels(labels: list[str]) -> None:
    with pytest.raises(ValidationError, match="label"):
        ModelSpec(backbone="b", temporal="t", labels=labels)  # type: ignore[arg-type]


def test_specs_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        InputSpec(frame=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        InputSpec().size = 3  # type: ignore[misc]


ranges = st.tuples(st.integers(0, 30), st.integers(0, 30))


@given(ranges, ranges, ranges)
def test_split_accepts_exactly_disjoint_ranges(train: Any, validation: Any, test: Any) -> None:
    parts = [set(range(*part)) for part in (train, validation, test)]
    disjoint = all(parts) and len(set.union(*parts)) == sum(map(len, parts))
    try:
        SplitSpec(train=train, validation=validation, test=test)
    except ValidationError:
        assert not disjoint
    else:
        assert disjoint


def test_metrics_refuse_nan() -> None:
    with pytest.raises(ValidationError):
        Metrics(clips=1, subjects=1, war=float("nan"), uar=0.5, confusion=((1,),))


def test_model_name_has_no_suffix_without_fusion() -> None:
    parts: dict[str, Any] = {"backbone": "incres3d", "temporal": "lstm"}
    assert ModelSpec(**parts).name == "incres3d_lstm"
    assert ModelSpec(**parts, fusion="lm").name == "incres3d_lstm_lm"


RANGES = {"train": [0, 2], "validation": [2, 3], "test": [3, 4]}
DATABASES = {"train_on": ["mmi", "fera"], "test_on": "ckplus"}


def recipe(**changed: Any) -> Recipe:
    fields = {
        "model": {"backbone": "b", "temporal": "t"},
        "split": RANGES,
        "protocol": "subject-independent",
        "seed": 0,
    }
    return Recipe.model_validate({**fields, **changed})


def test_a_split_is_read_by_its_keys() -> None:
    cross = recipe(split=DATABASES, protocol="cross-database", data={"dataset": "ckplus"})
    assert cross.split == DatabaseSplit(train_on=("mmi", "fera"), test_on="ckplus")
    assert recipe(split={"folds": 5}).split == FoldSplit(folds=5)
    assert recipe().split == SplitSpec(train=(0, 2), validation=(2, 3), test=(3, 4))
    for one in (cross, recipe(split={"folds": 5}), recipe()):
        assert Recipe.model_validate(one.model_dump()) == one
        assert Recipe.model_validate(one.model_dump(mode="json")) == one
        assert recipe(split=one.split, protocol=one.protocol, data=one.data).split == one.split


@pytest.mark.parametrize(
    ("keys", "form"),
    [
        (("folds",), "FoldSplit"),
        (("fold",), "FoldSplit"),
        (("folds", "fold"), "FoldSplit"),
        (("leave_one_out",), "LeaveOneOutSplit"),
        (("leave_out",), "LeaveOneOutSplit"),
        (("published",), "PublishedSplit"),
        (("published", "validation_folds"), "PublishedSplit"),
        (("train_on", "test_on", "validation_folds"), "DatabaseSplit"),
        (("train_on", "test_on"), "DatabaseSplit"),
        (("test_on",), "DatabaseSplit"),
        (("train", "validation", "test"), "SplitSpec"),
        (("train", "validaton"), "SplitSpec"),
        (("file",), "FileSplit"),
        (("file", "name"), "FileSplit"),
        ((), "SplitSpec"),
    ],
)
def test_the_form_of_a_split_is_the_one_that_was_meant(keys: tuple[str, ...], form: str) -> None:
    assert split_form(dict.fromkeys(keys)) == form
    every = {
        "SplitSpec",
        "FoldSplit",
        "LeaveOneOutSplit",
        "PublishedSplit",
        "DatabaseSplit",
        "DisjointSplit",
        "FileSplit",
    }
    assert set(SPLITS) == every
    assert split_form(5) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"split": {"folds": 2}}, "greater than or equal to 3"),
        ({"split": {"folds": 5, "fold": 6}}, "fold must be at most 5"),
        ({"split": {"published": "set_1"}}, "a split with published needs the protocol 'published'"),
        (
            {"split": {"folds": 5}, "protocol": "cross-database"},
            "a split with folds needs the protocol 'subject-independent'",
        ),
        (
            {"protocol": "cross-database"},
            "a split with train, validation, test needs the protocol 'subject-independent'",
        ),
        (
            {"split": DATABASES, "data": {"dataset": "ckplus"}},
            "a split with train_on, test_on needs the protocol 'cross-database'",
        ),
        ({"split": DATABASES, "protocol": "cross-database"}, "data.dataset is 'synthmh'; it must be test_on"),
        ({"split": {"train_on": ["mmi", "fera"], "test_on": "mmi"}}, "test_on 'mmi' is also in train_on"),
        ({"split": {"train_on": ["mmi", "mmi"], "test_on": "fera"}}, r"train_on has duplicates"),
        ({"split": {"train_on": [], "test_on": "fera"}}, "at least 1 item"),
        ({"backbone_weights": "pretrained", "pretrain": {}}, "use either these or `pretrain`"),
    ],
)
def test_refuses_what_does_not_go_together(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**changed)


@pytest.mark.parametrize("fields", [{"war": 0.9321}, {"war": 90, "std": -1}, {"war": 120}, {"war": float("nan")}, {}])
def test_published_figures_are_per_cent(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Published.model_validate({"source": "a table", **fields})


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}", field.description
        for kind in (field.annotation, *get_args(field.annotation)):
            kind = getattr(kind, "__origin__", kind)
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not ComponentSpec:
                yield from fields_of(kind)


def test_every_key_of_a_recipe_says_what_it_means() -> None:
    described = dict(fields_of(Recipe))
    assert {"Recipe.seed", "CropSpec.scale", "AugmentSpec.flip", "FoldSplit.folds"} <= set(described)
    assert [name for name, meaning in described.items() if not meaning] == []
