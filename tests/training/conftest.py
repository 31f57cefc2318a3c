"""One thread: on networks this small, more only wait for each other, and bits would depend on their number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import toy_faces

from fer_zoo.training import TrainResult, train


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def whole(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    """A run from start to end without a break."""
    out = tmp_path_factory.mktemp("whole")
    return out, train(toy_faces.recipe(), out, device="cpu")
