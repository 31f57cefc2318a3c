"""Measure how fast clips come out of a clip store that lies in the page cache, beside a plain read of its files.

    python tools/measure_store.py

One process. Rounds alternate between the kinds, so that what else the machine does meets all of them; ratios are taken
within a round. Every byte of a clip is brought into memory of the process in each of them:

- plain: each tar read front to back into one buffer of a mebibyte, nothing else done: the fastest here;
- cat: the same with 128 KiB, as the program of that name does;
- random: batches of random clips through `ClipSet.read`, copied out of the memory map.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from fer_zoo.data.store import ClipFacts, Store, StoredClip, StoreFacts, digest, finish_store, open_store, write_shard
from fer_zoo.specs import ComponentSpec, CropSpec

FRAMES, BATCH = 10, 32


def clips(first: int, count: int, size: int, rng: np.random.Generator) -> Iterator[StoredClip]:
    """Clips of noise, which no file system can make smaller."""
    for number in range(first, first + count):
        facts = ClipFacts(
            key=f"s{number:06d}", label="neutral", subject=f"{number % 100}", files=(f"{number}.mp4",),
            frame_range=(0, FRAMES), fps=25.0, box=(0, 0, size, size),
        )  # fmt: skip
        frames = np.frombuffer(rng.bytes(FRAMES * size * size * 3), np.uint8).reshape(FRAMES, size, size, 3)
        points = rng.random((FRAMES, 68, 2), np.float32) * size
        yield StoredClip(facts, frames, points, rng.random(FRAMES, np.float32))


def make_store(folder: Path, count: int, per_shard: int, size: int) -> Store:
    """A store of `count` clips, finished."""
    rng = np.random.default_rng(0)
    for number, first in enumerate(range(0, count, per_shard)):
        write_shard(folder, number, clips(first, min(per_shard, count - first), size, rng))
    facts = StoreFacts(
        reader=ComponentSpec(name="noise"), detector=ComponentSpec(name="given"), detector_version="", crop=CropSpec(),
        size=size, frames=FRAMES, fps=25.0, encoding="raw", sources_sha256=digest([]),
    )  # fmt: skip
    finish_store(folder, facts)
    return open_store(folder)


def plain(store: Store, at_once: int = 2**20) -> int:
    """Bytes read."""
    buffer, total = bytearray(at_once), 0
    for path in sorted(store.folder.glob("shards/*.tar")):
        with path.open("rb", buffering=0) as stream:
            while count := stream.readinto(buffer):
                total += count
    return total


def cat(store: Store) -> int:
    """Bytes read."""
    return plain(store, 2**17)


def random(store: Store) -> int:
    """Clips read in random batches."""
    taken = store.as_clip_set(("neutral",))
    order = np.random.default_rng(1).permutation(len(taken))
    return sum(len(taken.read(order[first : first + BATCH])) for first in range(0, len(order), BATCH))


def seconds(job: Callable[[Store], int], store: Store) -> float:
    """Wall time of a job."""
    start = time.perf_counter()
    job(store)
    return time.perf_counter() - start


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2048)
    parser.add_argument("--per-shard", type=int, default=256)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="where the store is made for the time of the run")
    args = parser.parse_args()
    jobs = (plain, cat, random)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        store = make_store(Path(folder), args.clips, args.per_shard, args.size)
        for job in jobs:
            job(store)
        rounds = [[seconds(job, store) for job in jobs] for _ in range(args.rounds)]
        megabytes = plain(store) / 1e6
    print(
        f"{args.clips} clips of {FRAMES}x{args.size}x{args.size}x3, {megabytes:.0f} MB in shards of {args.per_shard};"
    )
    print(f"{args.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; median (least to most)")
    for job, times in zip(jobs, zip(*rounds, strict=True), strict=True):
        speed = sorted(args.clips / t for t in times)
        ratios = [median(row[base] / t for row, t in zip(rounds, times, strict=True)) for base in (0, 1)]
        print(
            f"{job.__name__:7} {median(speed):7.0f} clips/s ({speed[0]:.0f} to {speed[-1]:.0f})"
            f" {median(speed) * megabytes / args.clips:6.0f} MB/s   {ratios[0]:.2f} of plain   {ratios[1]:.2f} of cat"
        )


if __name__ == "__main__":
    main()
