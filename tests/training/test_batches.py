"""Which clips a step takes: every one once, or classes equally often; the same for any number of processes."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
import toy_faces

from fer_zoo import data
from fer_zoo.data import ClipSet
from fer_zoo.specs import Recipe
from fer_zoo.training.batches import Batches, Piece, epoch_order
from fer_zoo.training.step import change


@pytest.fixture(scope="module")
def clips() -> ClipSet:
    """24 clips."""
    return data.load(toy_faces.recipe())["train"]


def pieces(clips: ClipSet, processes: int = 1, steps: int = 1, **options: Any) -> list[Piece]:
    """All pieces of the first steps, of all processes."""
    made = [
        Batches(toy_faces.recipe(**options), clips, process=process, processes=processes)
        for process in range(processes)
    ]
    return [piece for batches in made for piece in batches.ahead(0, steps)]


@pytest.mark.parametrize(
    ("processes", "micro_batch"), [(1, None), (1, 1), (1, 3), (2, None), (2, 2), (2, 3), (3, None), (3, 2)]
)
def test_the_pieces_are_the_batch(clips: ClipSet, processes: int, micro_batch: int | None) -> None:
    cut = pieces(clips, processes, batch_size=7, micro_batch=micro_batch)
    places = [place for piece in cut for place in piece.places]
    assert places == list(range(7))
    assert max(map(len, (piece.places for piece in cut))) <= (micro_batch or 7)
    assert len(cut) % processes == 0, "as many pieces in every process, as they wait for each other"
    assert [piece.last for piece in cut].count(True) == processes
    (whole,) = pieces(clips, batch_size=7)
    for name in ("frames", "landmarks", "labels"):
        np.testing.assert_array_equal(np.concatenate([getattr(piece, name) for piece in cut]), getattr(whole, name))
    drawn = [rng.random() for piece in cut for rng in piece.rngs]
    assert drawn == [rng.random() for rng in whole.rngs], "a clip is changed the same in any piece"
    assert len(set(drawn)) == 7


def test_a_clip_that_is_mixed_comes_with_its_neighbour(clips: ClipSet) -> None:
    cut = pieces(clips, batch_size=7, micro_batch=3, mixup=0.4)
    assert [(*piece.places, piece.first, piece.end) for piece in cut] == [
        (0, 1, 2, 3, 0, 3),
        (2, 3, 4, 5, 1, 3),
        (4, 5, 6, 1, 3),
    ]


def test_a_clip_of_every_epoch_once(clips: ClipSet) -> None:
    batches = Batches(toy_faces.recipe(batch_size=8), clips)
    epochs = [np.concatenate([batches.rows(step) for step in range(first, first + 3)]) for first in (0, 3)]
    assert all(sorted(rows) == list(range(24)) for rows in epochs)
    assert list(epochs[0]) != list(epochs[1])
    assert list(batches.rows(0)) == list(epochs[0][:8]), "back in an earlier epoch"


def test_balanced_sampling_has_every_class_equally_often() -> None:
    labels = np.repeat([0, 1, 2], [30, 6, 4])
    recipe = toy_faces.recipe(sampling="balanced")
    orders = [epoch_order(recipe, labels, epoch) for epoch in range(30)]
    for order in orders:
        assert len(order) == 40
        assert set(Counter(labels[order]).values()) == {13, 14}
        seen = Counter(order.tolist())
        rare = [seen[clip] for clip in range(30, 36)]
        assert max(rare) - min(rare) <= 1, "clips of a class in turn"
        assert max(seen[clip] for clip in range(30)) == 1
    assert len({order.tobytes() for order in orders}) == 30
    more = Counter(Counter(labels[order]).most_common()[-1][0] for order in orders)
    assert set(more) == {0, 1, 2}, "not always the same class has a clip less"
    assert len(set().union(*(order.tolist() for order in orders))) == 40


def test_an_error_of_the_reading_thread_reaches_the_training(clips: ClipSet) -> None:
    class Torn:
        def __getitem__(self, rows: object, /) -> Any:
            raise OSError("torn")

    batches = Batches(toy_faces.recipe(), dataclasses.replace(clips, frames=Torn()))
    before = threading.active_count()
    with pytest.raises(OSError, match="torn"):
        list(batches.ahead(0, 4))
    assert threading.active_count() == before, "no thread is left"


def with_neutral(frames: int = 6, **options: Any) -> Recipe:
    made = toy_faces.recipe().model_dump(mode="json")
    made["model"]["labels"] = ["neutral", "green", "blue"]
    made["model"]["input"]["frames"] = frames
    made["train"] |= options
    return Recipe.model_validate(made)


def test_faint_expressions_count_partly_as_neutral(clips: ClipSet) -> None:
    recipe = with_neutral(neutral_below=0.5, batch_size=24)
    intensities = np.linspace(0, 1, 24 * 6, dtype=np.float32).reshape(24, 6)
    known = dataclasses.replace(clips, names=recipe.model.labels, intensities=intensities)
    batches = Batches(recipe, known)
    (piece,) = batches.ahead(0, 1)
    for row, label, share in zip(batches.rows(0), piece.labels, piece.shares, strict=True):
        expected = 1.0 if label == 0 else min(1.0, float(intensities[row].mean()) / 0.5)
        assert share == pytest.approx(expected, rel=1e-5), "neutral is neutral at any intensity"
    given = change(piece, recipe, exact=True, device=torch.device("cpu"))
    assert given.labels[:, 1].tolist() == [0] * 24
    np.testing.assert_allclose(given.shares.sum(dim=1), 1.0)
    mixing = with_neutral(neutral_below=0.5, batch_size=24, mixup=0.4)
    mixed = change(piece, mixing, exact=True, device=torch.device("cpu"))
    assert mixed.labels.shape == mixed.shares.shape == (24, 4)
    np.testing.assert_allclose(mixed.shares.sum(dim=1), 1.0, rtol=1e-6)


def test_the_intensity_is_that_of_the_frames_that_are_seen(clips: ClipSet) -> None:
    recipe = with_neutral(1, neutral_below=1.0, batch_size=24)
    frames = np.broadcast_to(np.arange(6, dtype=np.uint8)[None, :, None, None, None], (24, 6, 40, 40, 3))
    intensities = np.broadcast_to(np.arange(6, dtype=np.float32) / 10, (24, 6))
    known = dataclasses.replace(
        clips, frames=frames, rows=np.arange(24), names=recipe.model.labels, intensities=intensities
    )
    (piece,) = Batches(recipe, known).ahead(0, 1)
    seen = piece.frames[:, 0, 0, 0, 0].numpy() / 10
    np.testing.assert_allclose(piece.shares, np.where(piece.labels == 0, 1.0, seen), rtol=1e-5)
    assert len(set(seen)) > 1


def test_without_the_key_or_an_intensity_the_label_has_all(clips: ClipSet) -> None:
    known = dataclasses.replace(clips, intensities=np.zeros((24, 6), np.float32))
    for given, recipe in ((known, toy_faces.recipe()), (clips, with_neutral(neutral_below=0.5))):
        (piece,) = Batches(recipe, given).ahead(0, 1)
        assert piece.shares.tolist() == [1.0] * 4
