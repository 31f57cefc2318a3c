"""Which clips a step trains on, and the share of them that one device takes at once; read ahead by a thread.

Both follow from the recipe and the step's number: no sampler has a state, and every process knows the whole batch.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fer_zoo.ahead import ahead
from fer_zoo.data.clips import ClipSet, Index, Points
from fer_zoo.data.playback import random_frames
from fer_zoo.specs import Recipe, TrainSpec
from fer_zoo.training.seed import generator

# Pieces that wait: with the one in use and the one being read, three are in memory.
_AHEAD = 1


@dataclass(frozen=True)
class Piece:
    """Clips of one step that a device takes at once.

    places: (n,) of the clips in the batch of all devices. first, end: the places that are trained on; mixup reads one
    more clip at an end. last: whether it is this process's last piece of the step. frames: (n, T, S, S, 3) uint8.
    landmarks: (n, T, 68, 2). labels: (n,). shares: (n,) of the target that the label has; the rest is neutral's. rngs:
    one per clip, for its random changes.
    """

    step: int
    places: range
    first: int
    end: int
    last: bool
    frames: Tensor
    landmarks: Points
    labels: Index
    shares: Points
    rngs: list[np.random.Generator]


class Batches:
    """The training clips of a recipe, step by step, as process `process` of `processes` takes them."""

    def __init__(self, recipe: Recipe, clips: ClipSet, *, process: int = 0, processes: int = 1) -> None:
        spec = recipe.train
        self.recipe, self.clips = recipe, clips
        # Whole batches only: a small remainder would disturb the batch norm.
        self.per_epoch = len(clips) // spec.batch_size
        self.pieces = pieces_per_process(spec, processes)
        bounds = [part[[0, -1]] for part in np.array_split(np.arange(spec.batch_size), processes * self.pieces)]
        mine = bounds[process * self.pieces : (process + 1) * self.pieces]
        self._shares = [range(int(first), int(last) + 1) for first, last in mine]
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def rows(self, step: int) -> Index:
        """Numbers of the clips (batch_size,) of a step, for all processes together."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, epoch_order(self.recipe, self.clips.labels, epoch)
        size = self.recipe.train.batch_size
        return self._order[place * size : (place + 1) * size]

    def names(self, step: int) -> list[str]:
        """Keys of the clips of a step."""
        return [self.clips.key(int(row)) for row in self.rows(step)]

    def read(self, step: int, share: range, *, pin: bool = False) -> Piece:
        """Read one share of a step's batch; `pin`: into page-locked memory, for a GPU."""
        recipe, size = self.recipe, self.recipe.train.batch_size
        places = range(share.start - share.start % 2, min(size, share.stop + share.stop % 2))
        places = places if recipe.train.mixup else share
        rows = self.rows(step)[places.start : places.stop]
        rngs = [generator(recipe.seed, "augment", step, place) for place in places]
        shape = recipe.model.input
        stored: list[npt.NDArray[Any]] = [self.clips.read(rows), self.clips.landmarks[rows]]
        if recipe.train.neutral_below and self.clips.intensities is not None:
            stored.append(self.clips.intensities[rows])
        augment = recipe.train.augment
        frames, landmarks, *rest = random_frames(stored, shape.frames, augment, rngs, shape.sampling)
        labels = self.clips.labels[rows]
        pictures = torch.from_numpy(frames)
        return Piece(
            step=step,
            places=places,
            first=share.start - places.start,
            end=share.stop - places.start,
            last=share == self._shares[-1],
            frames=pictures.pin_memory() if pin else pictures,
            landmarks=landmarks,
            labels=labels,
            shares=_shares(recipe, labels, *rest),
            rngs=rngs,
        )

    def ahead(self, first: int, end: int, *, pin: bool = False) -> Generator[Piece, None, None]:
        """This process's pieces of the steps first <= step < end, in order; the next ones are read meanwhile."""
        pieces = (self.read(step, share, pin=pin) for step in range(first, end) for share in self._shares)
        return ahead(pieces, _AHEAD)


def _shares(recipe: Recipe, labels: Index, intensities: Points | None = None) -> Points:
    """Share (n,) of the target that the label has, by the mean intensity of the frames (n, T)."""
    if intensities is None:
        return np.ones(len(labels), np.float32)
    shares = np.minimum(intensities.mean(axis=1) / recipe.train.neutral_below, 1.0)
    return np.where(labels == recipe.model.labels.index("neutral"), 1.0, shares).astype(np.float32)


def pieces_per_process(spec: TrainSpec, processes: int) -> int:
    """In how many pieces each process takes its share of a batch: equally many, as processes wait for each other."""
    share = -(-spec.batch_size // processes)
    return -(-share // (spec.micro_batch or share))


def epoch_order(recipe: Recipe, labels: Index, epoch: int) -> Index:
    """Numbers of the clips of an epoch (len(labels),) in order; with balanced sampling every class equally often."""
    rng = generator(recipe.seed, "order", epoch)
    if recipe.train.sampling == "uniform":
        return rng.permutation(len(labels))
    classes = rng.permutation(np.unique(labels))
    drawn = []
    for place, label in enumerate(classes):
        own = np.flatnonzero(labels == label)
        # Classes in random order, so that the odd clip is not of the same class in every epoch.
        count = len(labels) // len(classes) + (place < len(labels) % len(classes))
        passes = [rng.permutation(own) for _ in range(-(-count // len(own)))]
        drawn.append(np.concatenate(passes)[:count])
    return rng.permutation(np.concatenate(drawn))
