"""The toy network that the tests of `predict` and `live` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from video_files import Squares

from fer_zoo import FERModel, cli
from fer_zoo.registry import LANDMARKERS


@pytest.fixture
def squares_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`predict` and `live` use the toy network of known answers, and its landmarker is registered under its name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "inference"))
    from toy_model import brightness_model

    def load(name: str, runtime: str | None = None) -> FERModel:
        return brightness_model()

    monkeypatch.setattr(cli.predict, "load", load)
    entries = dict(LANDMARKERS._entries)
    LANDMARKERS.register("squares")(Squares)
    yield
    LANDMARKERS._entries.clear()
    LANDMARKERS._entries.update(entries)
