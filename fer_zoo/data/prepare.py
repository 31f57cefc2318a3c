"""From a database on disk, or from a dataset that makes its clips, to a clip store; a killed run resumes.

Sources are assigned to shards in a fixed order, and a shard is complete or absent. So a run that was killed and started
again, with any number of workers and either engine, ends with the same store.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_zoo._version import __version__
from fer_zoo.data.cut import CutSpec
from fer_zoo.data.pool import Engine, spread
from fer_zoo.data.reading import plan_reading
from fer_zoo.data.rendering import RenderSpec, plan_rendering
from fer_zoo.data.shards import Made, StorePlan, make_shard, read_notes
from fer_zoo.data.store import (
    Failure,
    StoreHeader,
    finish_store,
    finished_shards,
    write_failures,
)
from fer_zoo.data.store.reader import is_begun
from fer_zoo.data.store.records import FORMAT, Encoding
from fer_zoo.data.store.writer import alone_in, writing
from fer_zoo.errors import InputError, OptionError
from fer_zoo.files import clear_leftovers, write_text
from fer_zoo.paths import find_path
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec


@dataclass(frozen=True)
class ShardProgress:
    """Finished shards, of how many, and what those of this run took."""

    done: int
    shards: int
    made: Made


def makes_clips(dataset: str) -> bool:
    """Whether a dataset makes its clips itself (RenderSpec) or is read from a folder (CutSpec).

    Raises:
        UnknownNameError: no such dataset.
    """
    return "request" in DATASETS.get(dataset).injected


def prepare(
    dataset: ComponentSpec,
    root: str | Path | None,
    out: str | Path,
    spec: CutSpec | RenderSpec,
    *,
    encoding: Encoding = "raw",
    workers: int = 1,
    engine: Engine = "processes",
    progress: Callable[[ShardProgress], None] | None = None,
    landmark_cache: bool = True,
) -> StoreHeader:
    """Make the clip store of a dataset, or finish one that was begun with the same settings.

    A source that gives no clip, or fewer than it should, is listed in failures.csv with the reason and stops nothing;
    problems of the database as a whole are listed there too.

    Args:
        dataset: the registered dataset and its options.
        root: folder of the database; None for a dataset that makes its clips.
        out: folder of the store.
        spec: how clips are cut, or which are made.
        workers: processes, or tasks at a time of the engine `ray`.
        engine: processes of this machine, or a Ray cluster (the extra `ray`), to which `root` and `out`
            must be folders that all its machines share.
        progress: called at the start and after each shard.
        landmark_cache: keep the landmarks of a database in the folder .landmarks beside `out`, and use those that were
            kept there: the store is the same, and faces are found only once for stores of several kinds.

    Raises:
        UnknownNameError, OptionError, MissingExtraError: there is no such dataset, detector or option.
        InputError: the layout is not there, nothing is labelled, `out` is not writable, lies in `root`, holds
            a store made with other settings, or another run is working there.
    """
    out = Path(out)
    cache = out.absolute().parent / ".landmarks" if landmark_cache and root is not None else None
    plan = _plan(dataset, root, out, spec, encoding, cache)
    with ExitStack() as held:
        with writing(out):
            (out / "shards").mkdir(parents=True, exist_ok=True)
            held.enter_context(alone_in(out))
            if cache is not None:
                clear_leftovers(cache)
        claim(out, {"format": FORMAT, "fer_zoo": __version__, **plan.facts.model_dump(mode="json")})
        done = {shard.number for shard in finished_shards(out)}
        missing = [job for job in enumerate(plan.contents) if job[0] not in done]
        shards, made = len(plan.contents), Made()
        finished = shards - len(missing)
        report = progress or (lambda _: None)
        report(ShardProgress(finished, shards, made))
        for _, more in spread(functools.partial(make_shard, out.absolute(), encoding), missing, workers, engine):
            finished, made = finished + 1, made + more
            report(ShardProgress(finished, shards, made))
        return _finish(out, plan)


def _plan(
    dataset: ComponentSpec,
    root: str | Path | None,
    out: Path,
    spec: CutSpec | RenderSpec,
    encoding: Encoding,
    cache: Path | None,
) -> StorePlan:
    made = makes_clips(dataset.name)
    if made != (root is None):
        raise OptionError(
            f"Dataset {dataset.name!r} makes its clips itself, so it has no folder."
            if made
            else f"Dataset {dataset.name!r} needs the folder of the database.",
            "no folder" if made else "the folder with its videos or pictures",
            "leave out --root" if made else "add --root DIR",
        )
    if made != isinstance(spec, RenderSpec):
        given, accepted = type(spec).__name__, "RenderSpec" if made else "CutSpec"
        raise OptionError(f"Dataset {dataset.name!r} was given a {given}.", f"a {accepted}", f"pass a {accepted}")
    if isinstance(spec, RenderSpec):
        return plan_rendering(dataset, spec, encoding)
    root = find_path(str(root))
    # A table names its files, so a store below its folder is not read as part of it.
    if dataset.name != "csv" and out.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"The store {out} would lie in the database {root}.",
            "a folder outside it",
            "choose another folder: files inside a database are read as part of it",
        )
    return plan_reading(dataset, root, spec, encoding, cache)


def _finish(out: Path, plan: StorePlan) -> StoreHeader:
    notes = [read_notes(out, number) for number in range(len(plan.contents))]
    failures = [failure for note in notes for failure in note.failures]
    write_failures(out, [*failures, *(Failure("", problem) for problem in plan.problems)])
    facts, counted = plan.facts, dict[str, int]()
    if facts.preparation.get("face") == "all":
        counted["brief_faces"] = sum(note.brief for note in notes)
    if "faces" in facts.preparation:
        counted["faceless_clips"] = sum(note.faceless for note in notes)
    return finish_store(out, facts.model_copy(update={"preparation": {**facts.preparation, **counted}}))


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Record what decides the clips of a folder of shards, or check that it matches the record.

    Raises:
        InputError: the folder was begun with other settings, or cannot be used.
    """
    path, text = out / "prepare.json", json.dumps(settings, indent=1, sort_keys=True) + "\n"
    with writing(out):
        if not path.exists():
            if is_begun(out):
                raise InputError(
                    f"{out} holds shards, and no prepare.json that describes them.",
                    "an empty folder",
                    "choose another folder",
                )
            write_text(path, text)
        found = path.read_bytes()
    try:
        changed = list(_changes(json.loads(found), settings))
    except (ValueError, AttributeError, RecursionError):
        changed = [f"{path.name} is damaged"]
    if changed:
        raise InputError(
            f"{out} was begun with other settings: {'; '.join(changed)}.",
            "the version, the settings, the detector and the sources that it was begun with",
            "prepare into another folder, or delete this one, which stays as it is until then",
        )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], within: str = "") -> Iterator[str]:
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _changes(before, now, f"{within}{key}.")
        elif before != now:
            yield f"{within}{key} {before!r}, now {now!r}"
