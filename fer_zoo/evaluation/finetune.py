"""Fine-tune trained weights on a table of labelled videos: prepare, split by subject, train every fold, evaluate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_zoo.data.load import labelled
from fer_zoo.data.prepare import ShardProgress, prepare
from fer_zoo.data.reading import open_database
from fer_zoo.data.recipe_settings import settings_for
from fer_zoo.data.splits import Split, k_fold
from fer_zoo.data.store import Store, open_store
from fer_zoo.data.store.reader import is_begun
from fer_zoo.errors import InputError, OptionError, TrainingError
from fer_zoo.evaluation.attempt import missing_files
from fer_zoo.evaluation.on_store import StoreResult
from fer_zoo.paths import find_path
from fer_zoo.recipes import load_recipe, training_changes
from fer_zoo.specs import ComponentSpec, Recipe
from fer_zoo.training import train
from fer_zoo.training.initial import find_weights
from fer_zoo.training.predictions import Predictions
from fer_zoo.weights import read_folder

# One network per fold: with more folds each trains on more subjects, which matters where there are few.
FOLDS, FEWEST = 5, 3
STORE = "store"


@dataclass(frozen=True)
class FineTuned:
    """The weights of the first fold, predictions of all held-out subjects, and what gave no clip."""

    weights: Path
    result: StoreResult
    folds: int
    failures: int


def finetune(
    name: str,
    data: str | Path,
    out: str | Path,
    *,
    recipe: str | Path = "finetune/upper_half",
    overrides: Sequence[str] = (),
    folds: int | None = None,
    workers: int = 1,
    device: str | None = None,
    tag: str = "finetuned",
    progress: Callable[[ShardProgress], None] | None = None,
) -> FineTuned:
    """Fine-tune weights on labelled videos and evaluate them on subjects that they were not trained on.

    Every subject is held out once: one network is trained per fold, the first one in `out` itself, the others in
    `out`/fold-N. Calling it again with the same arguments continues where it was interrupted.

    Args:
        name: weights to start from, as `init` of a recipe.
        data: a CSV file with the columns path,label,subject, relative to its folder; or a prepared clip store.
        recipe: the training settings; network, labels, data and split are taken from the weights and the data.
        overrides: settings of the recipe, such as "train.epochs=5".
        folds: number of folds; default 5, or fewer where a label has fewer subjects.
        workers: processes that prepare clips.
        device: "cpu", "cuda", ...; default "cuda" where there is one.
        tag: the weights are named `<model>.<tag>`.
        progress: called while clips are prepared.

    Raises:
        InputError: no such data, fewer than two labels, a label of fewer than three subjects, no subjects, or a store
            that does not match the weights.
        RecipeError, WeightsError, HubError: as `fer_zoo.training.train`.
        TrainingError: `out` holds another training.
    """
    out, data = Path(out), find_path(data)
    if not is_begun(data):
        _check_table(data)
    found = find_weights(name)
    base = load_recipe(recipe, overrides)
    model = {**found.spec.model_dump(mode="json"), "dropout": base.model.dropout}
    fields = {
        **base.model_dump(mode="json", exclude={"published"}),
        "init": name,
        "model": model,
        "protocol": "subject-independent",
        "split": {"folds": FOLDS},
        "pretrain": None,
        "backbone_weights": "random",
    }
    store, stores = _opened(data, out, fields, workers, progress)
    dataset, place = store.header.reader, STORE if stores else str(data.resolve())
    labels = _labels((clip.label for clip in store.facts), found.spec.labels)
    splits = _splits(store, labels, folds, base.seed)
    smallest = min(len(split.train) for split in splits)
    fields |= {
        "model": {**model, "labels": labels},
        "data": {"dataset": dataset.model_dump(), "stores": {dataset.name: place}},
        "train": {**fields["train"], "batch_size": min(base.train.batch_size, smallest)},
    }
    folders = [out, *(out / f"fold-{fold}" for fold in range(2, len(splits) + 1))]
    for fold, folder in enumerate(folders, 1):
        split = {"folds": len(splits), "fold": fold, "seed": base.seed}
        _train_fold(Recipe.model_validate({**fields, "split": split}), folder, stores, device, tag)
    result = _held_out(folders, store)
    (out / "figures.json").unlink(missing_ok=True)  # of this command: the same predictions give the same figures
    result.write(out)
    return FineTuned(out / "weights", result, len(splits), len(store.failures()))


def _opened(
    data: Path, out: Path, fields: Mapping[str, Any], workers: int, progress: Callable[[ShardProgress], None] | None
) -> tuple[Store, Path | None]:
    """The store of the clips, made of a table if it is one, and the folder in which training looks for it."""
    if is_begun(data):
        return open_store(data), None
    settings = settings_for("csv", Recipe.model_validate(fields), {})
    table = ComponentSpec(name="csv", file=data.name)
    prepare(table, data.parent, out / STORE, settings, workers=workers, progress=progress)
    return open_store(out / STORE), out


def _train_fold(recipe: Recipe, folder: Path, stores: Path | None, device: str | None, tag: str) -> None:
    """Train one fold, unless it is there; one of another recipe is an error."""
    if missing_files(folder):
        train(recipe, folder, resume=True, stores=stores, device=device, tag=tag)
    elif changed := training_changes(load_recipe(folder / "recipe.yaml"), recipe):
        raise TrainingError(
            f"{folder} holds a training of a different recipe: {'; '.join(changed)}.",
            "the weights, data and settings that it was trained with",
            "choose another --out",
        )


def _held_out(folders: Sequence[Path], store: Store) -> StoreResult:
    """The test predictions of all folds together, so those of every subject."""
    predictions = Predictions.concat([Predictions.read(folder / "predictions/best/test.csv") for folder in folders])
    card = read_folder(folders[0] / "weights").card
    return StoreResult(
        weights={"name": card.name, "sha256": card.sha256},
        store={"dataset": store.header.reader.name, "fingerprint": store.header.fingerprint},
        predictions=predictions,
        known=f"{len(folders)} networks; each subject was held out of the training of the one that is evaluated on it.",
    )


def _check_table(file: Path) -> None:
    """Refuse data that is no table, or has too few labels or subjects, before a video is read."""
    if not os.path.isfile(file):
        raise InputError(
            f"{file} is {'a folder, but not a clip store' if os.path.isdir(file) else 'not there'}.",
            "a CSV file with the columns path,label,subject, or a prepared clip store",
            "list your videos in a table (`fer-zoo data template csv` prints one), or give the folder of a store",
        )
    sources = list(open_database("csv", file.parent, {"file": file.name}).sources())
    labels = _labels((source.label for source in sources), ())
    _check_subjects([(source.label, source.subject) for source in sources], labels)


def _labels(found: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """The labels, in the order of the weights where these have the same ones, so that their classifier is kept."""
    labels = tuple(sorted(set(found)))
    if len(labels) < 2:
        raise InputError(
            f"The clips have {f'one label, {labels[0]!r}' if labels else 'no label'}.",
            "clips of two labels or more",
            "add clips of another label; `fer-zoo data check csv` lists what is left out, and why",
        )
    return known if set(labels) == set(known) else labels


def _check_subjects(clips: Sequence[tuple[str, str | None]], labels: Sequence[str]) -> None:
    subjects = {label: {subject for own, subject in clips if own == label} for label in labels}
    if any(None in own for own in subjects.values()):
        raise InputError(
            "The clips have no subjects.",
            "the name of the subject in every row",
            "fill in the column subject: figures on subjects of the training set would say nothing about others",
        )
    if few := [f"{label} has {len(own)}" for label, own in subjects.items() if len(own) < FEWEST]:
        raise InputError(
            f"Too few subjects: {', '.join(few)}.",
            f"clips of at least {FEWEST} subjects for every label: to train, to choose the best epoch and to test on",
            "add clips of other subjects, or leave such a label out; more subjects are worth more than more clips",
        )


def _splits(store: Store, labels: Sequence[str], folds: int | None, seed: int) -> list[Split]:
    """The folds: as many as asked for, or the most up to 5 in which every label is in every set."""
    clips = labelled(store, labels)
    _check_subjects([(clip.label, clip.subject) for clip in clips], labels)
    most = min(FOLDS, len({clip.subject for clip in clips}))
    for number in [folds] if folds else range(most, FEWEST - 1, -1):
        splits = k_fold(clips, number, seed)
        own = {clip.key: clip.label for clip in clips}
        if all({own[key] for key in keys} == set(labels) for s in splits for keys in (s.train, s.validation, s.test)):
            return splits
    raise OptionError(
        f"No split into {folds or f'{FEWEST} to {most}'} folds has clips of all labels ({', '.join(labels)}) in every "
        "set.",
        "labels that occur with several subjects, who have several labels each",
        "add clips, leave a rare label out" + (", or use fewer --folds" if folds and folds > FEWEST else ""),
    )
