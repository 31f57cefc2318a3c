"""Outlines read from the source say what the registry says once everything is imported."""

from __future__ import annotations

import pytest

from fer_zoo.entries import outlines
from fer_zoo.names import model_names
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS, Registry


@pytest.mark.parametrize(
    ("registry", "package", "facts"),
    [
        (BACKBONES, "fer_zoo.backbones", ("sites", "frame_wise")),
        (TEMPORALS, "fer_zoo.temporal", ()),
        (FUSIONS, "fer_zoo.fusion", ("site",)),
    ],
)
def test_outlines_agree_with_the_registry(registry: Registry, package: str, facts: tuple[str, ...]) -> None:
    found = outlines(package, registry.kind)
    builtin = [n for n in registry.names() if registry.get(n).module.startswith("fer_zoo.")]
    assert [outline.name for outline in found] == builtin
    for outline in found:
        entry = registry.get(outline.name)
        assert outline.injected == (entry.injected if registry is BACKBONES else ())
        assert {key: outline.defaults.get(key) for key in facts} == {key: entry.defaults.get(key) for key in facts}


def test_model_names_are_those_of_the_imported_registry() -> None:
    BACKBONES.names()  # imports everything
    by_entries = model_names()
    assert "incres3d_tiny_lstm_lm" in by_entries
    assert set(by_entries) >= {f"{outline.name}_mean" for outline in outlines("fer_zoo.backbones", "backbone")}
