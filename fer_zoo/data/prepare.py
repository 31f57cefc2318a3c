"""From a database on disk to a clip store: find, decode, follow the face, crop, write; goes on where it was killed.

The sources, sorted by key, are dealt into shards in their order, and a shard is written whole or not at all. So a run
that was killed and started again, with any number of workers, ends with the same store.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fer_zoo
from fer_zoo.data.cut import CutSpec, cut_source
from fer_zoo.data.pool import spread
from fer_zoo.data.sources import Database, Source
from fer_zoo.data.store import (
    ClipFacts,
    Failure,
    StoredClip,
    StoreFacts,
    StoreHeader,
    digest,
    finish_store,
    finished_shards,
    write_failures,
    write_shard,
)
from fer_zoo.data.store.records import Encoding
from fer_zoo.errors import FerZooError, InputError, OptionError
from fer_zoo.files import write_text
from fer_zoo.landmarks import create_landmarker
from fer_zoo.landmarks.base import Landmarker
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec, CropSpec

PER_SHARD = 64


@dataclass(frozen=True)
class Plan:
    """One shard to be made: its sources and all that decides what becomes of them; it goes to a worker."""

    number: int
    sources: tuple[tuple[int, Source], ...]  # with the number among those of the same subject and label
    root: Path
    out: Path
    spec: CutSpec
    encoding: Encoding


def open_database(name: str, root: Path, options: Mapping[str, Any]) -> Database:
    """Return a registered database below `root`; no picture is read.

    Raises:
        UnknownNameError, OptionError: no such dataset, an option it does not have, or it makes its clips itself.
        InputError: the layout is not there.
    """
    entry = DATASETS.get(name)
    if "root" not in entry.injected:
        readers = [known for known in DATASETS.names() if "root" in DATASETS.get(known).injected]
        raise OptionError(
            f"Dataset {name!r} makes its clips itself.", ", ".join(readers), "name it in a recipe; nothing is prepared"
        )
    database: Database = entry.build(options=options, root=root)
    return database


def prepare(
    dataset: ComponentSpec,
    root: str | Path,
    out: str | Path,
    spec: CutSpec,
    *,
    encoding: Encoding = "raw",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> StoreHeader:
    """Make the clip store of a database, or finish one that was begun with the same settings.

    A source that gives no clip is listed in failures.csv with the reason and stops nothing.

    Args:
        dataset: the registered reader and its options.
        root: folder of the database.
        out: folder of the store.
        workers: processes of this machine.
        progress: called with the number of shards done and of all.

    Raises:
        UnknownNameError, OptionError, MissingExtraError: there is no such reader, detector or option.
        InputError: the layout is not there, nothing is labelled, or `out` holds a store made otherwise.
    """
    root, out = Path(root), Path(out)
    database = open_database(dataset.name, root, dataset.options)
    sources = sorted(database.sources(), key=lambda source: source.key)
    _check(sources, root)
    version = _landmarker(spec.detector.model_dump_json()).version
    facts = StoreFacts(
        reader=dataset,
        detector=spec.detector,
        detector_version=version,
        # The stored square: the crop and a margin round it, about the same centre.
        crop=CropSpec(scale=spec.crop.scale * spec.margin, shift_up=spec.crop.shift_up / spec.margin),
        size=spec.canvas,
        frames=spec.frames,
        fps=spec.fps,
        encoding=encoding,
        sources_sha256=digest(_line(source) for source in sources),
        preparation={**spec.model_dump(mode="json", include={"face", "short", "margin"}), "per_shard": PER_SHARD},
    )
    _claim(out, facts)
    plans = _plans(sources, root, out, spec, encoding)
    done = {shard.number for shard in finished_shards(out)}
    missing = [plan for plan in plans if plan.number not in done]
    for count, _ in enumerate(spread(_make_shard, missing, workers), start=len(plans) - len(missing) + 1):
        if progress:
            progress(count, len(plans))
    failures = [Failure(*row) for plan in plans for row in json.loads(_failed_path(out, plan.number).read_text())]
    write_failures(out, [*failures, *(Failure("reader", problem) for problem in getattr(database, "problems", ()))])
    return finish_store(out, facts)


def _check(sources: Sequence[Source], root: Path) -> None:
    twice = [key for key, count in Counter(source.key for source in sources).items() if count > 1]
    if twice:
        raise InputError(
            f"The reader gives {twice[0]!r} twice.", "keys that stand once", "report it: this is its fault"
        )
    if not sources:
        raise InputError(
            f"Nothing labelled was found below {root}.",
            "labelled videos or sequences",
            "`fer-zoo data check` says what is there and what is expected",
        )


def _claim(out: Path, facts: StoreFacts) -> None:
    """Write down what the store is made of, or make sure that it is what was written down."""
    path = out / "prepare.json"
    text = (
        json.dumps({"fer_zoo": fer_zoo.__version__, **facts.model_dump(mode="json")}, indent=1, sort_keys=True) + "\n"
    )
    try:
        (out / "shards").mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any((out / "shards").iterdir()):
                raise InputError(f"{out} holds shards of unknown make.", "an empty folder", "choose another folder")
            write_text(path, text)
        found = path.read_text(encoding="utf-8")
    except OSError as error:
        given = f"The folder {out} cannot be written to: {error}."
        raise InputError(given, "a folder with room", "choose another folder") from error
    if found != text:
        old, new = json.loads(found), json.loads(text)
        changed = [f"{key} {old.get(key)!r}, now {new[key]!r}" for key in new if old.get(key) != new[key]]
        raise InputError(
            f"{out} was begun otherwise: {'; '.join(changed)}.",
            "the settings, the detector and the sources that it was begun with",
            "prepare into another folder; this one stays as it is",
        )


def _plans(sources: Sequence[Source], root: Path, out: Path, spec: CutSpec, encoding: Encoding) -> list[Plan]:
    seen: Counter[tuple[str | None, str]] = Counter()
    numbered = []
    for source in sources:
        numbered.append((seen[source.subject, source.label], source))
        seen[source.subject, source.label] += 1
    parts = [tuple(numbered[at : at + PER_SHARD]) for at in range(0, len(numbered), PER_SHARD)]
    return [Plan(number, part, root, out, spec, encoding) for number, part in enumerate(parts)]


def _make_shard(plan: Plan) -> int:
    landmarker = _landmarker(plan.spec.detector.model_dump_json())
    clips: list[StoredClip] = []
    failed: list[tuple[str, str]] = []
    for take, source in plan.sources:
        try:
            cuts = cut_source(source, plan.root, plan.spec, landmarker)
        except FerZooError as error:
            failed.append((source.key, " ".join(error.given.split())))
            continue
        for number, cut in enumerate(cuts):
            facts = ClipFacts(
                key=f"{source.key}/{number:03d}",
                label=source.label,
                subject=source.subject,
                take=take,
                files=tuple(file.as_posix() for file in source.files),
                frame_range=(min(cut.numbers), max(cut.numbers) + 1),
                fps=plan.spec.fps,
                box=tuple(float(edge) for edge in cut.box),
                split=dict(source.split),
            )
            clips.append(StoredClip(facts, cut.frames, cut.points, cut.scores))
    # Before the shard: its index says that all of it is there.
    write_text(_failed_path(plan.out, plan.number), json.dumps(failed))
    write_shard(plan.out, plan.number, clips, encoding=plan.encoding)
    return len(clips)


@functools.lru_cache(maxsize=1)
def _landmarker(spec: str) -> Landmarker:
    return create_landmarker(ComponentSpec(**json.loads(spec)))


def _failed_path(out: Path, number: int) -> Path:
    return out / "shards" / f"{number:06d}.failed.json"


def _line(source: Source) -> str:
    files = ",".join(file.as_posix() for file in source.files)
    frames = "" if source.frames is None else f"{source.frames[0]}:{source.frames[1]}"
    return "\t".join([source.key, source.label, source.subject or "", frames, files])
