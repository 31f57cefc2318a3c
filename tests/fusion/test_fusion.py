"""Fusions: what each does to a shortcut."""

from __future__ import annotations

import pytest
import torch

from fer_zoo.landmarks.maps import landmark_map
from fer_zoo.registry import FUSIONS
from fer_zoo.specs import ResidualSite

SITES = {"a": ResidualSite(6, 0), "b": ResidualSite(9, 1)}
LANDMARKS = torch.rand(2, 10, 68, 2, generator=torch.Generator().manual_seed(0)) * 32


@pytest.mark.parametrize("name", FUSIONS.names())
def test_contract(name: str) -> None:
    fusion = FUSIONS.get(name).build(SITES, options={})
    shortcut = torch.randn(2, 6, 10, 16, 16)
    assert fusion("a", shortcut, LANDMARKS, (32, 32)).shape == shortcut.shape
    assert fusion.site in ("none", "residual")
    assert FUSIONS.get(name).summary


def test_none_is_the_identity() -> None:
    shortcut = torch.randn(2, 6, 10, 16, 16)
    assert FUSIONS.get("none").build(SITES, options={})("a", shortcut, LANDMARKS, (32, 32)) is shortcut


def test_lm_multiplies_by_the_map_of_the_right_frames() -> None:
    fusion = FUSIONS.get("lm").build(SITES, options={"radius": 1, "points": "inner"})
    shortcut = torch.randn(2, 9, 8, 8, 8)
    wanted = landmark_map(LANDMARKS[:, 1:9], (32, 32), (8, 8), radius=1, points="inner").weights
    assert torch.equal(fusion("b", shortcut, LANDMARKS, (32, 32)), shortcut * wanted)
