"""How sources are dealt to shards, and what of them a store is made of."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from fer_zoo.data import reading
from fer_zoo.data.shards import per_shard
from fer_zoo.data.sources import Source

LINES = {
    "key": "b", "files": (Path("b.avi"),), "label": "anger", "subject": "S2", "frames": (0, 9), "fps": 12.5,
    "rotate": 1, "region": (0.0, 0.0, 0.5, 1.0), "split": {"set_1": "test"}, "part": "last",
    "groups": {"sex": "female"},
}  # fmt: skip


def test_every_field_of_a_source_counts_among_what_a_store_is_made_of() -> None:
    """A changed published split or region must not go on with the clips of before."""
    assert set(LINES) == {field.name for field in fields(Source)}
    source = Source("a", (Path("a.avi"),), "fear", "S1", split={"set_1": "train"})
    known = reading._line(source, [5])
    assert reading._line(replace(source, split=dict(source.split)), [5]) == known
    others = [reading._line(replace(source, **{field: value}), [5]) for field, value in LINES.items()]
    assert len({known, reading._line(source, [6]), reading._line(source, [None]), *others}) == len(LINES) + 3


def test_shards_depend_only_on_the_sources() -> None:
    """As many as there are sources or 64 at least, for that many workers; large files have shards of their own."""
    for jobs in (1, 27, 64, 65, 127, 128, 700, 4095):
        shards = -(-jobs // per_shard(jobs))
        assert min(jobs, 64) <= shards <= 128, jobs
    assert per_shard(10**6) == 64
    sources = [(0, Source(f"s{n:03d}", (), "fear", None)) for n in range(640)]
    assert [len(part) for part in reading._assigned(sources, [1] * 640)] == [10] * 64
    large = [reading.SHARD_BYTES // 4] * 640
    assert [len(part) for part in reading._assigned(sources, large)] == [4] * 160
    huge = [reading.SHARD_BYTES * 3] * 640
    assert [part[0] for part in reading._assigned(sources, huge)] == sources
