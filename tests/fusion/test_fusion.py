"""Fusions: what each does at its site."""

from __future__ import annotations

import torch

from fer_zoo.landmarks.maps import landmark_map
from fer_zoo.registry import FUSIONS
from fer_zoo.specs import Site

SITES = {"a": Site(6, 0), "b": Site(9, 1)}
LANDMARKS = torch.rand(2, 10, 68, 2, generator=torch.Generator().manual_seed(0)) * 32


def test_none_is_the_identity() -> None:
    shortcut = torch.randn(2, 6, 10, 16, 16)
    assert FUSIONS.get("none").build(options={})(shortcut, LANDMARKS, (32, 32), "a") is shortcut


def test_lm_multiplies_by_the_map_of_the_right_frames() -> None:
    fusion = FUSIONS.get("lm").build(options={"radius": 1, "points": "inner"}, sites=SITES)
    shortcut = torch.randn(2, 9, 8, 8, 8)
    wanted = landmark_map(LANDMARKS[:, 1:9], (32, 32), (8, 8), radius=1, points="inner").weights
    assert torch.equal(fusion(shortcut, LANDMARKS, (32, 32), "b"), shortcut * wanted)
