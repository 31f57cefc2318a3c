"""Specs refuse what makes no sense, before anything is built."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_zoo.specs import ComponentSpec, InputSpec, Metrics, ModelSpec, SplitSpec


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
