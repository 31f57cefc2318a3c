"""Find the frames of a report's mistakes by their keys: in the stores, or rendered again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_zoo.data import ClipRequest, ClipSet, cache_root, keys_name_databases, open_stores
from fer_zoo.data.clips import Frames
from fer_zoo.data.playback import central_frames
from fer_zoo.evaluation.report.numbers import Mistake
from fer_zoo.registry import DATASETS
from fer_zoo.specs import Recipe
from fer_zoo.training.evaluate import crop_clips

FRAMES, PIXELS = 6, 96


def strips(
    recipe: Recipe, mistakes: Sequence[Mistake], *, stores: Path | None = None, cache: Path | None = None
) -> list[tuple[Mistake, Frames]]:
    """Some frames (n, S, S, 3) of each clip, cropped as the network sees them; missing clips are left out.

    Args:
        stores: folder of the clip stores; default as in training.
        cache: folder of rendered clips; default as in training.

    Raises:
        FerZooError: the clips cannot be read, e.g. no store, or one that does not match.
    """
    opened = open_stores(recipe, stores)
    if not opened:
        return [(it, shown) for it in mistakes if (shown := _rendered(recipe, it, cache or cache_root())) is not None]
    strips = []
    for name, store in opened.items():
        prefix = f"{name}:" if keys_name_databases(recipe) else ""
        place = {f"{prefix}{facts.key}": number for number, facts in enumerate(store.facts)}
        found = [it for it in mistakes if it.key in place]
        clips = store.as_clip_set(recipe.model.labels, np.array([place[it.key] for it in found], np.int64))
        strips += [(it, _cropped(recipe, clips.take(np.array([row])))) for row, it in enumerate(found)]
    return sorted(strips, key=lambda strip: mistakes.index(strip[0]))


def _rendered(recipe: Recipe, mistake: Mistake, cache: Path) -> Frames | None:
    """A clip of a dataset that renders its clips; only this subject's are rendered, and most likely they are cached."""
    if not mistake.subject.isdecimal():
        return None
    subject, model, dataset = int(mistake.subject), recipe.model, recipe.data.dataset
    request = ClipRequest(
        labels=model.labels, subjects=(subject, subject + 1), takes=recipe.data.takes, frames=model.input.frames,
        fps=model.input.fps, canvas=recipe.data.canvas, cache=cache,
    )  # fmt: skip
    clips: ClipSet = DATASETS.get(dataset.name).build(options=dataset.options, request=request)
    row = next((row for row in range(len(clips)) if clips.key(row) == mistake.key), None)
    return None if row is None else _cropped(recipe, clips.take(np.array([row])))


def _cropped(recipe: Recipe, clip: ClipSet) -> Frames:
    spec = recipe.model.input
    cropped = crop_clips(central_frames(clip, spec), spec.model_copy(update={"size": PIXELS}))
    (frames,) = cropped.read(np.array([0]))
    count = min(FRAMES, len(frames))
    kept: Frames = frames[[int((part + 0.5) * len(frames) / count) for part in range(count)]]
    return kept
