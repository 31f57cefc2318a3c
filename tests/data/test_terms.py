"""What a card says of the data of several datasets, and what each dataset must state to be registered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import fer_zoo.data  # noqa: F401  (importing registers the datasets)
from fer_zoo.data.sources import LABELS
from fer_zoo.data.terms import provenance
from fer_zoo.errors import OptionError, UnknownNameError
from fer_zoo.registry import DATASETS, register_dataset
from fer_zoo.specs import TERMS

FACTS: dict[str, Any] = {
    "synthetic": True,
    "licence": "CC0-1.0",
    "terms": "None.",
    "training_data": "Squares.",
    "may_use": "anybody",
    "share_weights": "yes",
    "terms_source": "a note of 2026-11-22",
}


@pytest.fixture
def registered() -> Iterator[Any]:
    """Register a dataset with these facts changed; all is forgotten afterwards."""
    before = DATASETS.snapshot()

    def register(name: str, **changes: Any) -> None:
        def clips(root: object) -> None:
            """Clips."""

        stated = {key: value for key, value in {**FACTS, **changes}.items() if value is not None}
        register_dataset(name, **stated)(clips)

    yield register
    DATASETS.restore(before)


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_dataset_says_all_a_card_needs(name: str) -> None:
    facts = DATASETS.get(name).defaults
    assert provenance([name]) == {term: facts[term] for term in TERMS}
    assert set(facts.get("labels", ())) <= set(LABELS)
    assert facts["share_weights"].startswith("yes") == facts["synthetic"], "nobody's permission is made up"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"share_weights": None}, "it does not state share_weights"),
        ({"licence": None, "may_use": None}, "it does not state licence, may_use"),
        ({"terms": " "}, "terms=' ' is wrong: must not be empty; write 'unknown'"),
        ({"share_weights": "perhaps"}, "share_weights='perhaps' is wrong: must begin with yes, no or unknown"),
        ({"share_weights": "nobody knows"}, "must begin with yes, no or unknown"),
        ({"terms_source": "a page"}, "terms_source='a page' is wrong: must have a date"),
        ({"synthetic": "yes"}, "synthetic='yes' is wrong"),
        ({"license": "MIT"}, "there is no fact 'license' (did you mean 'licence'?)"),
    ],
)
def test_facts_are_refused_at_registration(facts: dict[str, Any], message: str, registered: Any) -> None:
    with pytest.raises(OptionError) as caught:
        registered("squares", **facts)
    assert f"dataset 'squares' cannot be registered: {message}" in str(caught.value) or message in str(caught.value)
    assert "squares" not in DATASETS


def test_terms_of_several_datasets_are_joined(registered: Any) -> None:
    registered("ours")
    registered("theirs", licence="gated", synthetic=False)
    assert provenance(["ours", "theirs", "ours"]) == {
        **FACTS,
        "licence": "[ours] CC0-1.0 [theirs] gated",
        "share_weights": "yes: ours; theirs",
        "synthetic": False,
    }


@pytest.mark.parametrize(
    ("statements", "joined"),
    [
        (("yes", "yes, as it is ours"), "yes: d0; d1 (as it is ours)"),
        (("yes", "unknown", "unknown: not said"), "unknown: d1; d2 (not said)"),
        (("unknown: not said", "no: forbidden", "yes", "no"), "no: d1 (forbidden); d3"),
        (("no, never",), "no, never"),
    ],
)
def test_the_strictest_answer_holds_and_names_whose_it_is(
    statements: tuple[str, ...], joined: str, registered: Any
) -> None:
    for number, answer in enumerate(statements):
        registered(f"d{number}", share_weights=answer)
    assert provenance([f"d{number}" for number in range(len(statements))])["share_weights"] == joined


def test_of_a_gated_and_a_free_one_the_card_stays_careful() -> None:
    found = provenance(["synthmh", "ckplus"])
    assert found["synthetic"] is False
    assert str(found["share_weights"]).startswith("unknown: ckplus (")
    assert re.findall(r"\[(\w+)\]", str(found["licence"])) == ["synthmh", "ckplus"]


def test_no_dataset_and_one_that_is_not_there() -> None:
    with pytest.raises(OptionError, match="No dataset is named"):
        provenance([])
    with pytest.raises(UnknownNameError, match="ckpuls"):
        provenance(["ckpuls"])
