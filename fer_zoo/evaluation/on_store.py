"""Evaluate trained weights on a clip store, and tell whether they were trained on its subjects."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from fer_zoo import weights
from fer_zoo.data import ClipSet, trained_on
from fer_zoo.data.augment import with_detector_noise
from fer_zoo.data.prepare import makes_clips
from fer_zoo.data.split_files import read_splits
from fer_zoo.data.store import Store
from fer_zoo.devices import find_device
from fer_zoo.documents import read_json
from fer_zoo.errors import InputError, OptionError, WeightsError, writing
from fer_zoo.evaluation.statistics import estimate
from fer_zoo.exporting import ExportedNetwork, check_runtime, in_runtime, is_exported, load_exported
from fer_zoo.factory import find_folder
from fer_zoo.files import write_text
from fer_zoo.model import Network
from fer_zoo.specs import Recipe, SplitSpec
from fer_zoo.training.evaluate import open_matching, predict_clips
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions

FORMAT = 1
# What a missing split.json, or one of another structure, leads to.
_DAMAGED = (OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class StoreResult:
    """Predictions of trained weights on a store's clips.

    weights: name and sha256. store: its dataset and fingerprint. noisy: the same clips with landmarks made as
    inexact as a detector's, if the store's are a renderer's. left_out: number of clips by label that the network does
    not have. absent: labels of the network without a clip. known: a sentence on what the network saw of this database
    in training; "" if it was trained on others.
    """

    weights: Mapping[str, str]
    store: Mapping[str, str]
    predictions: Predictions
    known: str
    noisy: Predictions | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    def by_video(self) -> Predictions | None:
        """One row per video; None if no video was cut into several clips."""
        one = len(set(self.predictions.videos.tolist())) == len(self.predictions)
        return None if one else self.predictions.by_video()

    def write(self, out: Path) -> None:
        """Write predictions.csv and figures.json.

        Raises:
            InputError: the files exist already, or they cannot be written.
        """
        with _writable(out):
            self.predictions.write(out / "predictions.csv")
            if self.noisy is not None:
                self.noisy.write(out / "predictions_noisy.csv")
            names = ("weights", "store", "known", "left_out", "absent")
            facts: dict[str, Any] = {"format": FORMAT, **{name: getattr(self, name) for name in names}}
            kinds = {"clips": self.predictions, "videos": self.by_video(), "clips_noisy": self.noisy}
            facts |= {kind: _as_json(predictions) for kind, predictions in kinds.items() if predictions is not None}
            write_text(out / "figures.json", json.dumps(facts, indent=1) + "\n")


def check_out(out: Path) -> None:
    """Check before the evaluation that its results can be written.

    Raises:
        InputError: the folder has results already, or is not writable.
    """
    with _writable(out), tempfile.TemporaryFile(dir=out):
        pass


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    if (out / "figures.json").exists():
        raise InputError(f"{out} already contains figures.json.", "a folder without results", "choose another --out")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        yield


def evaluate_on_store(
    name: str | Path,
    store: str | Path,
    *,
    split: str | Path | None = None,
    device: str | None = None,
    runtime: str | None = None,
) -> StoreResult:
    """Evaluate trained weights on every clip of a store whose label they have, or on the test set of a split.

    Args:
        name: a weights folder, `model.tag` of weights that come with the package, or a file of `fer_zoo.export`.
        store: folder of the store, or its name in `stores_root()`.
        split: a split of this store as a training run writes it (split.json); only its test set is evaluated.
        device: "cpu", "cuda", ...; default "cuda" if available.
        runtime: "torch", "onnxruntime" or "openvino"; the last two compute on the CPU.

    Raises:
        WeightsError: no such weights, or damaged ones.
        InputError: no store, one that does not match the network, no clip with its labels, or a split of other clips.
        OptionError: no such device or runtime.
        ExportError, MissingExtraError: the network cannot be run by the runtime.
    """
    check_runtime(runtime)
    exported = load_exported(name, runtime) if is_exported(name) else None
    folder = None if exported else find_folder(Path(name) if os.path.isdir(name) else name)
    spec = None if folder is None else weights.read_folder(folder).spec
    recipe = _recipe(exported) if folder is None else weights.read_recipe(folder)
    spec = spec or recipe.model
    opened = open_matching(store, recipe.model.input, any_fps=recipe.data.any_fps)
    model = _network(folder, exported, runtime, device, recipe)
    clips = opened.as_clip_set(spec.labels)
    evaluated = {clip.key for clip in opened.facts} if split is None else _test_keys(Path(split), opened, clips)
    others = [clip.label for clip in opened.facts if clip.key in evaluated and clip.label not in spec.labels]
    left_out = dict(sorted(Counter(others).items()))
    clips = clips.take(np.array([row for row, key in enumerate(clips.keys) if key in evaluated], np.int64))
    if not len(clips):
        raise InputError(
            f"No clip of {opened.folder} has a label of the network; the store has {', '.join(left_out)}.",
            f"clips of {', '.join(spec.labels)}",
            "choose other weights, or prepare the store with these labels",
        )
    card = model.card
    assert card is not None
    return StoreResult(
        weights={"name": card.name, "sha256": card.sha256},
        store={"dataset": opened.header.reader.name, "fingerprint": opened.header.fingerprint},
        predictions=predict_clips(model, clips, recipe.views),
        noisy=predict_clips(model, with_detector_noise(clips, recipe.seed), recipe.views) if clips.exact else None,
        left_out=left_out,
        absent=tuple(label for number, label in enumerate(spec.labels) if number not in clips.labels),
        known=_known(recipe, folder, opened, clips),
    )


def _recipe(exported: ExportedNetwork | None) -> Recipe:
    """Return the recipe in an exported file, which says what the network was trained on."""
    if exported is None or exported.facts.recipe is None or exported.card is None:
        raise WeightsError(
            "The exported file does not say how its weights were trained.",
            "a file exported from the name of a model with weights, or from a weights folder",
            "export it again: `fer-zoo export NAME --to onnx`",
        )
    return exported.facts.recipe


def _network(
    folder: Path | None, exported: ExportedNetwork | None, runtime: str | None, device: str | None, recipe: Recipe
) -> Network:
    if folder is not None and runtime in (None, "torch"):
        model = weights.load_weights(folder)
        return model.to(find_device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    network = exported or in_runtime(weights.load_weights(cast(Path, folder)), str(runtime), recipe)
    return network.to(find_device(device or "cpu"))


def _test_keys(path: Path, store: Store, clips: ClipSet) -> set[str]:
    """Keys of the clips in the test set of a split file, which may contain other databases too."""
    # A training run writes the fingerprint of the clips that it used, other tools that of the whole store.
    try:
        found = read_json(path)["store"]
    except _DAMAGED:
        found = None
    own = clips.fingerprint if found == clips.fingerprint else store.header.fingerprint
    subjects = {clip.key: clip.subject or clip.video for clip in store.facts}
    splits = read_splits(path, store=own, subjects=subjects, database=store.header.reader.name)
    if len(splits) != 1:
        raise OptionError(
            f"{path} contains {len(splits)} splits.", "a file with one split", "use the split.json of the training run"
        )
    if not splits[0].test:
        raise OptionError(
            f"The split {path} has no test set: the network was trained on all subjects.",
            "a split with a test set",
            "leave --split out, and evaluate on a store of other subjects",
        )
    return set(splits[0].test)


def _known(recipe: Recipe, folder: Path | None, store: Store, clips: ClipSet) -> str:
    """What the network saw of the store's database: how many of these subjects, if that is known."""
    name = store.header.reader.name
    if name not in trained_on(recipe):
        return ""
    start = f"The network was trained on {name}"
    seen = _seen(recipe, folder, store)
    if seen is None:
        return f"{start}; whether on these subjects is unknown. If so, the metrics are too high."
    rows = [row for row, key in enumerate(clips.keys) if key in seen]
    if not rows:
        return f"{start}, but on other subjects than these."
    subjects = len({clips.subject_of(row) for row in rows} - {""})
    of = f"the subjects of {len(rows)} of these {len(clips)} clips ({subjects} subjects)"
    return f"{start}, also on {of}: the metrics are too high."


def _seen(recipe: Recipe, folder: Path | None, store: Store) -> set[str] | None:
    """Keys of the clips of all subjects of the training and validation sets; None if unknown."""
    name = store.header.reader.name
    if isinstance(recipe.split, SplitSpec) and makes_clips(name) and name not in recipe.data.stores:
        numbers = {number for part in (recipe.split.train, recipe.split.validation) for number in range(*part)}
        return {clip.key for clip in store.facts if clip.subject is not None and int(clip.subject) in numbers}
    if folder is None:  # an exported file, which may be anywhere
        return None
    try:
        (parts,) = read_json(folder.parent / "split.json")["splits"]
        keys = {key.removeprefix(f"{name}:") for key in (*parts["train"], *parts["validation"])}
    except _DAMAGED:
        return None
    subjects = {clip.subject for clip in store.facts if clip.key in keys} - {None}
    return keys | {clip.key for clip in store.facts if clip.subject in subjects}


def _as_json(predictions: Predictions) -> dict[str, Any]:
    groups = {
        name: {group: _metrics(predictions.of_group(name, group)) for group in predictions.groups_of(name)}
        for name in predictions.groups
    }
    return {**_metrics(predictions), "groups": groups}


def _metrics(predictions: Predictions) -> dict[str, Any]:
    estimates = estimate([predictions]).model_dump(mode="json")
    return {"estimates": estimates, **figures(predictions).model_dump(mode="json")}
