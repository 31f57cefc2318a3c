"""Clips for training and judging: datasets, their stores and cache, splits, and random changes."""

from __future__ import annotations

from fer_zoo.data import datasets  # noqa: F401  (importing registers the readers)
from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.load import (
    databases,
    detector_versions,
    keys_name_databases,
    load,
    open_stores,
    stores_root,
    trained_on,
)
from fer_zoo.data.synthetic import cache_root

__all__ = [
    "ClipRequest",
    "ClipSet",
    "cache_root",
    "databases",
    "detector_versions",
    "keys_name_databases",
    "load",
    "open_stores",
    "stores_root",
    "trained_on",
]
