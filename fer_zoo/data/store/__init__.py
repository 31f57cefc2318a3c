"""The clip store: prepared clips in tar shards, with all that made them; docs/clip-store.md describes the files."""

from __future__ import annotations

from fer_zoo.data.store.fits import differences
from fer_zoo.data.store.reader import Store, open_store
from fer_zoo.data.store.records import ClipFacts, Failure, ShardIndex, StoredClip, StoreFacts, StoreHeader, digest
from fer_zoo.data.store.writer import finish_store, finished_shards, write_failures, write_shard

__all__ = [
    "ClipFacts",
    "Failure",
    "ShardIndex",
    "Store",
    "StoreFacts",
    "StoreHeader",
    "StoredClip",
    "differences",
    "digest",
    "finish_store",
    "finished_shards",
    "open_store",
    "write_failures",
    "write_shard",
]
