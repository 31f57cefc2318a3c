"""The public contract kit: every registered component passes it, and a component that breaks a rule does not."""

from __future__ import annotations

import pytest

from fer_zoo.registry import FUSIONS, TEMPORALS
from fer_zoo.testing import check_fusion, check_temporal


@pytest.mark.parametrize("name", TEMPORALS.names())
def test_temporal(name: str) -> None:
    check_temporal(name)


@pytest.mark.parametrize("name", FUSIONS.names())
def test_fusion(name: str) -> None:
    check_fusion(name)
