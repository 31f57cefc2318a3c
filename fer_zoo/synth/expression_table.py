"""The table of natural expressions, movements and resting faces, ``data/expressions.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

Units = Mapping[str, float]


@cache
def table() -> Mapping[str, Any]:
    """Load the table; the file describes its parts."""
    text = (files("fer_zoo.synth") / "data" / "expressions.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))
