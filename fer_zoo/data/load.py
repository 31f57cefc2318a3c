"""The clips that a recipe trains, validates and tests on: made on demand, or from prepared stores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from fer_zoo.data.clips import DATABASE, PHOTO, ClipRequest, ClipSet
from fer_zoo.data.split_files import disjoint, read_split
from fer_zoo.data.splits import PARTS, LabelledClip, Split, cross_database, k_fold, leave_one_out, pooled, published
from fer_zoo.data.store import Store, open_store
from fer_zoo.data.store.fits import EXACT, differences
from fer_zoo.data.store.reader import is_begun
from fer_zoo.data.synthetic import cache_root
from fer_zoo.errors import InputError, RecipeError
from fer_zoo.paths import find_path
from fer_zoo.registry import DATASETS
from fer_zoo.specs import (
    DatabaseSplit,
    DisjointSplit,
    FileSplit,
    FoldSplit,
    LeaveOneOutSplit,
    PublishedSplit,
    Recipe,
    SplitSpec,
)


def stores_root() -> Path:
    """Folder of prepared stores: the environment variable FER_ZOO_STORES, else `~/.local/share/fer_zoo/stores`."""
    return Path(os.environ.get("FER_ZOO_STORES") or Path.home() / ".local" / "share" / "fer_zoo" / "stores")


def find_store(store: str | Path) -> Path:
    """Folder of a store, from this folder or from its name in `stores_root()`."""
    return folder if os.path.isdir(folder := find_path(store)) else stores_root() / store


def trained_on(recipe: Recipe) -> tuple[str, ...]:
    """Names of the datasets that a recipe trains and validates on."""
    match recipe.split:
        case DatabaseSplit(train_on=names):
            return names
        case FoldSplit(pooled_with=others):
            return (recipe.data.dataset.name, *others)
    return (recipe.data.dataset.name,)


def databases(recipe: Recipe) -> tuple[str, ...]:
    """Names of the datasets that a recipe takes clips of; the one that is tested on last."""
    return (
        (*trained_on(recipe), recipe.split.test_on) if isinstance(recipe.split, DatabaseSplit) else trained_on(recipe)
    )


def keys_name_databases(recipe: Recipe) -> bool:
    """Whether keys of clips and names of subjects have their database before them, as clips of several are dealt."""
    return isinstance(recipe.split, DatabaseSplit) or len(databases(recipe)) > 1


def load(
    recipe: Recipe,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    stores: Path | None = None,
    opened: Mapping[str, Store] | None = None,
) -> dict[str, ClipSet]:
    """Return the clips of a recipe's parts, "train", "validation" and "test" if there is one; renders what is missing.

    Clips of labels that the network does not have are left out.

    Args:
        cache: folder of clips made on demand; default `cache_root()`.
        workers: processes that make clips; default: one per core.
        stores: folder of the stores that the recipe does not name by a path; default `stores_root()`.
        opened: what `open_stores` returned for this recipe, if it was called before.

    Raises:
        UnknownNameError, OptionError: the dataset or one of its options does not exist.
        RecipeError: the recipe does not say which fold, a label has no clip to train on, or ranges of subjects separate
            subjects with the skin of one photograph.
        InputError: there is no store, it does not fit the recipe, or the split cannot be made of its clips.
    """
    opened = open_stores(recipe, stores) if opened is None else opened
    if opened:
        parts = _from_stores(recipe, opened)
    else:
        made = partial(made_clips, cache=cache or cache_root(), workers=workers or os.cpu_count() or 1)
        parts = {part: made(recipe, getattr(recipe.split, part)) for part in PARTS}
    _check_photographs(parts)
    names = np.array(recipe.model.labels)
    absent = sorted(set(names) - set(names[parts["train"].labels]))
    if absent:
        raise RecipeError(
            f"There is no training clip of {', '.join(absent)}.",
            "clips of every label of the network",
            "take these labels out of model.labels, or add a database that has them",
        )
    return parts


def open_stores(recipe: Recipe, folder: Path | None = None) -> dict[str, Store]:
    """Open the stores that a recipe needs and make sure that they fit it; none where its clips are made on demand.

    Raises:
        UnknownNameError: a dataset does not exist.
        RecipeError: the recipe does not say which fold.
        InputError: there is no store, or it does not fit the recipe.
    """
    name = recipe.data.dataset.name
    made_on_demand = "request" in DATASETS.get(name).injected
    # Only ranges of subjects can be made on demand: the other splits are of clips that are there.
    if made_on_demand and isinstance(recipe.split, SplitSpec) and name not in recipe.data.stores:
        return {}
    if isinstance(recipe.split, FoldSplit) and recipe.split.fold is None:
        raise RecipeError(
            f"This recipe describes cross-validation ({recipe.split.folds} folds); a training run uses one fold.",
            "split.fold, from 1",
            "say which, e.g. --set split.fold=1",
        )
    return {name: _opened(recipe, name, folder or stores_root()) for name in databases(recipe)}


def detector_versions(stores: Mapping[str, Store]) -> list[str]:
    """Versions of the detectors that found the points of stores; rendered points are exact and have none."""
    return sorted({store.header.detector_version for store in stores.values() if store.header.detector.name != EXACT})


def _opened(recipe: Recipe, name: str, folder: Path) -> Store:
    path = folder / recipe.data.stores.get(name, name)  # an absolute path stays what it is
    try:
        store = open_store(path)
    except InputError as error:
        make = f"`fer-zoo prepare {name} --out {path}`, or name its store: --set data.stores.{name}=FOLDER"
        # What is wrong with a store that is there, it knows better itself.
        do = error.do if is_begun(path) else make
        raise InputError(f"Clips of {name!r}: {error.given}", error.accepted, do) from error
    problems = differences(store.header, recipe.model.input, any_fps=recipe.data.any_fps)
    if store.header.reader.name != name:
        problems.insert(0, f"dataset: the store is of {store.header.reader.name!r}")
    if problems:
        raise InputError(
            f"The store {path} does not fit the recipe. " + "; ".join(problems) + ".",
            "a store that was prepared for this recipe's input",
            f"prepare one beside it, `fer-zoo prepare {name} --recipe RECIPE --out {path}-new`, and name it: "
            f"--set data.stores.{name}={recipe.data.stores.get(name, name)}-new",
        )
    return store


def made_clips(recipe: Recipe, subjects: tuple[int, int], cache: Path, workers: int = 1) -> ClipSet:
    """Clips of some subjects of a dataset that makes its clips itself; those in the cache are not made again."""
    model, data = recipe.model, recipe.data
    request = ClipRequest(
        labels=model.labels,
        subjects=subjects,
        takes=data.takes,
        frames=model.input.frames,
        fps=model.input.fps,
        canvas=data.canvas,
        cache=cache,
        workers=workers,
    )
    clips: ClipSet = DATASETS.get(data.dataset.name).build(options=data.dataset.options, request=request)
    return clips


def _from_stores(recipe: Recipe, stores: Mapping[str, Store]) -> dict[str, ClipSet]:
    labels, split = recipe.model.labels, recipe.split
    if isinstance(split, SplitSpec):
        (store,) = stores.values()
        whole, known = store.as_clip_set(labels), len(store.subjects())
        return {part: _of_range(whole, part, getattr(split, part), known, store) for part in PARTS}
    dealt = _dealt(recipe, stores)
    sets = {name: store.as_clip_set(labels) for name, store in stores.items()}
    if keys_name_databases(recipe):
        sets = {name: _renamed(clips, name) for name, clips in sets.items()}
    place = {name: {key: row for row, key in enumerate(clips.keys)} for name, clips in sets.items()}
    parts = {}
    for part in PARTS:
        keys = getattr(dealt, part)
        if part == "test" and not keys:
            continue
        rows = {name: np.array([rows[key] for key in keys if key in rows], np.int64) for name, rows in place.items()}
        found = {name: sets[name].take(rows[name]) for name in sets if len(rows[name])}
        if not found:
            raise InputError(
                f"No clip of the labels {', '.join(recipe.model.labels)} is in the {part} part of the split.",
                "clips of the network's labels in every part",
                "make another split, or correct model.labels",
            )
        parts[part] = next(iter(found.values())) if len(found) == 1 else _joined(found)
    return parts


def _dealt(recipe: Recipe, stores: Mapping[str, Store]) -> Split:
    clips = {name: labelled(store, recipe.model.labels) for name, store in stores.items()}
    match recipe.split:
        case FoldSplit(folds=folds, fold=fold, seed=seed):
            assert fold is not None
            mine = pooled(clips) if keys_name_databases(recipe) else next(iter(clips.values()))
            return k_fold(mine, folds, seed)[fold - 1]
        case LeaveOneOutSplit(leave_out=subject, validation_folds=parts):
            (mine,) = clips.values()
            return leave_one_out(mine, subject, recipe.seed, validation_folds=parts)
        case PublishedSplit(published=name, validation_folds=parts):
            (mine,) = clips.values()
            return published(mine, name, recipe.seed, validation_folds=parts)
        case DatabaseSplit(train_on=train_on, test_on=test_on, validation_folds=parts):
            train = {name: clips[name] for name in train_on}
            return cross_database(train, {test_on: clips[test_on]}, recipe.seed, validation_folds=parts)
        case DisjointSplit():
            ((name, store),) = stores.items()
            rest = [clip.video or clip.key for clip in store.facts] + [failure.source for failure in store.failures()]
            return disjoint(clips[name], recipe.split, others=rest)
        case FileSplit(file=file, name=name):
            (store,) = stores.values()
            return read_split(Path(file), name, store=store.header.fingerprint, clips=labelled(store, store.labels()))
        case SplitSpec():
            raise AssertionError("ranges are cut from the clip set")


def labelled(store: Store, labels: Sequence[str]) -> list[LabelledClip]:
    """What splits need to know of a store's clips of these labels; the subjects of one photograph count as one."""
    kept = (clip for clip in store.facts if clip.label in labels)
    return [
        LabelledClip(clip.key, clip.groups.get(PHOTO, clip.subject), clip.label, clip.split, clip.video)
        for clip in kept
    ]


def _check_photographs(parts: Mapping[str, ClipSet]) -> None:
    """Refuse parts that share a photograph: only ranges of subjects can make such, since other splits are of groups."""
    owner: dict[str, str] = {}
    for part, clips in parts.items():
        for photo in sorted(set(clips.groups.get(PHOTO, ())) - {""}):
            if owner.setdefault(photo, part) != part:
                raise RecipeError(
                    f"Subjects with the skin of photograph {photo!r} are in {owner[photo]} and in {part}.",
                    "all subjects of a photograph in one part",
                    "let the ranges of split begin and end at multiples of the dataset's per_photo, and use each "
                    "photograph once; or split by folds",
                )


def _of_range(whole: ClipSet, part: str, subjects: tuple[int, int], known: int, store: Store) -> ClipSet:
    if subjects[1] > known:
        raise InputError(
            f"split.{part} is {list(subjects)}, and the store {store.folder} has {known} subjects.",
            f"places in its sorted list of subjects, [first, one past the last]: [0, {known}] at most",
            "correct the ranges, or split by folds",
        )
    clips = whole.of_subjects(*subjects)
    if not len(clips):
        raise InputError(
            f"No clip of the subjects of split.{part} in the store {store.folder} is of {', '.join(whole.names)}.",
            f"clips of the network's labels in every part; the labels of the store are {', '.join(store.labels())}",
            "correct the ranges or model.labels, or split by folds",
        )
    return clips


def _joined(sets: Mapping[str, ClipSet]) -> ClipSet:
    """Clips of several databases; the grouping `DATABASE` names that of each clip."""
    return ClipSet.joined(
        [replace(clips, groups={**clips.groups, DATABASE: (name,) * len(clips)}) for name, clips in sets.items()]
    )


def _renamed(clips: ClipSet, name: str) -> ClipSet:
    keys, videos = (tuple(f"{name}:{key}" for key in column) for column in (clips.keys, clips.videos))
    return replace(
        clips, keys=keys, videos=videos, subject_names={n: f"{name}:{who}" for n, who in clips.subject_names.items()}
    )
