"""Which training runs a protocol needs: one per fold, left-out subject, published split or test database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from fer_zoo import specs
from fer_zoo.data import ClipSet, keys_name_databases, open_stores
from fer_zoo.data.load import labelled
from fer_zoo.data.split_files import read_groups
from fer_zoo.data.splits import LabelledClip
from fer_zoo.data.store import Store
from fer_zoo.errors import InputError, OptionError
from fer_zoo.paths import natural
from fer_zoo.registry import DATASETS
from fer_zoo.specs import PROTOCOLS, SPLITS, Recipe, split_form
from fer_zoo.specs.base import Spec


class Protocol(Spec):
    """How each recipe is evaluated, at most one of these; default its own split, with all folds if it names none."""

    folds: Annotated[int, Field(ge=3, strict=True)] | None = None
    """Number of folds of a subject-independent cross-validation."""
    leave_one_out: Annotated[bool, Field(strict=True)] = False
    """Leave each subject of the store out once."""
    published: str | None = None
    """Published splits by a pattern of their names, e.g. `set_*`."""
    cross: tuple[str, ...] = ()
    """Databases; each is the test set once, for a network trained on all others."""

    @model_validator(mode="after")
    def _one(self) -> Protocol:
        given = [name for name in Protocol.model_fields if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: one protocol at a time")
        return self


def runs(recipe: Recipe, protocol: Protocol, stores: Path | None = None) -> list[Recipe]:
    """Return the recipe once for each training run that the protocol needs.

    Args:
        stores: folder of the stores that the recipe does not name by a path; default `stores_root()`.

    Raises:
        UnknownNameError: a database is not registered.
        OptionError: a database is named twice, or there is only one.
        InputError: the store is missing, does not match, has no subjects, or has no such published split.
    """
    # The share of the training subjects used for validation, if the recipe sets it.
    share = getattr(recipe.split, "validation_folds", None)
    held_out = {} if share is None else {"validation_folds": share}
    if protocol.cross:
        return _across(recipe, protocol.cross, held_out)
    if protocol.leave_one_out:
        return [_split_by(recipe, {"leave_out": subject, **held_out}) for subject in _subjects(recipe, stores)]
    if protocol.published is not None:
        names = _published(recipe, protocol.published, stores)
        return [_split_by(recipe, {"published": name, **held_out}) for name in names]
    split = recipe.split
    if protocol.folds is not None:
        # With the seed and databases of the recipe's own split if that has folds too.
        own = split.model_dump(exclude={"folds", "fold"}) if isinstance(split, specs.FoldSplit) else {}
        split = specs.FoldSplit(folds=protocol.folds, **own)
    if not isinstance(split, specs.FoldSplit | specs.DisjointSplit) or split.fold is not None:
        return [recipe]
    if isinstance(split, specs.DisjointSplit) and read_groups(Path(split.identity_disjoint)).parts:
        return [recipe]
    whole = split.model_dump(exclude={"fold"})
    return [_split_by(recipe, {**whole, "fold": fold}) for fold in range(1, split.folds + 1)]


def split_name(recipe: Recipe) -> str:
    """Name of a run within its protocol, e.g. "fold-2-of-5", "without-S005", "synthmh-to-synthict"."""
    match recipe.split:
        case specs.FoldSplit(folds=folds, fold=fold, pooled_with=others):
            return "+".join([f"fold-{fold}-of-{folds}", *others])
        case specs.LeaveOneOutSplit(leave_out=subject):
            return f"without-{subject}"
        case specs.PublishedSplit(published=name):
            return name
        case specs.DatabaseSplit(train_on=train_on, test_on=test_on):
            return f"{'+'.join(train_on)}-to-{test_on}"
        case specs.SplitSpec():
            return "ranges"
        case specs.DisjointSplit(identity_disjoint=file, folds=folds, fold=fold):
            return "disjoint" if fold is None else f"disjoint-fold-{fold}-of-{folds}"
        case specs.FileSplit(file=file, name=name):
            return re.sub("[^A-Za-z0-9._-]+", "-", name or Path(file).stem)


def check_apart(recipe: Recipe, parts: Mapping[str, ClipSet], stores: Mapping[str, Store]) -> None:
    """Check that no subject, video or clip is in two of the sets.

    A published split may share subjects, as its publishers decided: only its clips and videos are checked.

    Raises:
        InputError: a subject, video or clip is in two sets.
    """
    across = keys_name_databases(recipe)
    facts = {
        (f"{name}:{clip.key}" if across else clip.key): (name, clip)
        for name, store in stores.items()
        for clip in store.facts
    }
    found: dict[tuple[str, str, str], str] = {}
    for part, clips in parts.items():
        for key in clips.keys:
            name, clip = facts[key]
            marks = {"clip": clip.key, "video": clip.video}
            if not isinstance(recipe.split, specs.PublishedSplit):
                marks["subject"] = clip.subject
            for kind, mark in marks.items():
                if mark is not None and found.setdefault((kind, name, mark), part) != part:
                    raise InputError(
                        f"The {kind} {mark!r} of {name} is in {found[kind, name, mark]} and in {part}.",
                        "sets that share no subject and no video",
                        "correct the split; if the store itself is wrong, prepare it again",
                    )


def _split_by(recipe: Recipe, split: Mapping[str, Any], **data: Any) -> Recipe:
    """The recipe with another split; a published figure does not hold for another kind of split."""
    fields = recipe.model_dump()
    fields["data"] |= data
    protocol = PROTOCOLS[SPLITS[str(split_form(split))]]
    changed = Recipe.model_validate({**fields, "split": dict(split), "protocol": protocol})
    same = type(changed.split) is type(recipe.split)
    return changed if same else changed.model_copy(update={"published": None})


def _across(recipe: Recipe, databases: Sequence[str], held_out: Mapping[str, Any]) -> list[Recipe]:
    if len(databases) < 2 or len(set(databases)) < len(databases):
        raise OptionError(
            f"Cross-database protocol with {', '.join(databases)}.",
            "two or more databases, each once",
            "name those you have stores of",
        )
    found = []
    for tested in databases:
        DATASETS.get(tested)
        split = {"train_on": [name for name in databases if name != tested], "test_on": tested, **held_out}
        own = recipe.data.dataset
        found.append(_split_by(recipe, split, dataset=own.model_dump() if own.name == tested else {"name": tested}))
    return found


def _labelled(recipe: Recipe, split: Mapping[str, Any], folder: Path | None) -> tuple[Path, list[LabelledClip]]:
    """The folder of the recipe's store, and its clips whose label the network has."""
    (store,) = open_stores(_split_by(recipe, split), folder).values()
    return store.folder, labelled(store, recipe.model.labels)


def _subjects(recipe: Recipe, folder: Path | None) -> list[str]:
    store, clips = _labelled(recipe, {"leave_out": ""}, folder)
    subjects = sorted({clip.subject for clip in clips if clip.subject is not None})
    if not subjects:
        raise InputError(
            f"The store {store} has no subjects for its clips.",
            "clips with a subject and a label of the network",
            "use a published split (--published)",
        )
    return subjects


def _published(recipe: Recipe, pattern: str, folder: Path | None) -> list[str]:
    store, clips = _labelled(recipe, {"published": pattern}, folder)
    parts = {(name, part) for clip in clips for name, part in clip.split.items()}
    whole = sorted((name for name, part in parts if part == "test" and (name, "train") in parts), key=natural)
    names = [name for name in whole if fnmatchcase(name, pattern)]
    if not names:
        raise InputError(
            f"No published split of the store {store} matches {pattern!r}.",
            ", ".join(whole) or "none: its database publishes none",
            "name one of these or a pattern, or split by folds",
        )
    return names
