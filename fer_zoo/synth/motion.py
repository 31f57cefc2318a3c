"""The motion of a clip or video in the style of its heads: unit weights and head rotations over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth import expression as ex
from fer_zoo.synth import natural
from fer_zoo.synth.character import Character
from fer_zoo.synth.prototypes import draw_apex

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """What moves in n frames."""

    intensity: Floats  # (n,) true strength of the expression, 0..1
    tracks: dict[str, Floats]  # weights (n,) of the units
    turns: Floats  # (n, 3) rotations of the head in degrees, besides its pose


def clip_motion(
    character: Character, label: str, n_frames: int, fps: float, rng: np.random.Generator, plain: bool
) -> Motion:
    """Draw the motion of a clip; ``plain`` for the apex without any movement."""
    family, flat = character.family, np.full(n_frames, float(label != "neutral"))
    if family.style == "natural":
        intensity = flat if plain else natural.draw_intensity(label, n_frames, fps, rng)
        return _natural(character, [(label, intensity)], fps, rng, plain)
    intensity = flat if plain else ex.draw_intensity(label, n_frames, fps, rng)
    talk = 0.0 if plain else _draw_talk(label, rng)
    apex, limits = draw_apex(label, rng, family.prototypes), family.lid_limits
    tracks = ex.unit_tracks(apex, intensity, character.rest, fps, rng, talk, still=plain, lid_limits=limits)
    return Motion(intensity, tracks, np.zeros((n_frames, 3)))


def video_motion(
    character: Character,
    labels: Sequence[str],
    n_frames: int,
    fps: float,
    rng: np.random.Generator,
    strength: float = 1.0,
) -> Motion:
    """Draw neutral -> apex of this strength -> neutral for each label in turn, ``n_frames`` each."""
    family, total = character.family, n_frames * len(labels)
    time = (np.arange(n_frames) + 0.5) / n_frames
    swell = strength * ex.smoothstep(0.1, 0.35, time) * (1 - ex.smoothstep(0.68, 0.92, time))
    intensity = np.concatenate([swell if label != "neutral" else 0 * swell for label in labels])
    windows = np.repeat(np.arange(len(labels)), n_frames) == np.arange(len(labels))[:, None]
    if family.style == "natural":
        return _natural(character, list(zip(labels, intensity * windows, strict=True)), fps, rng, False)
    talk, limits = _draw_talk("neutral", rng), family.lid_limits
    tracks = ex.unit_tracks({}, intensity, character.rest, fps, rng, talk, lid_limits=limits)
    for label, window in zip(labels, windows, strict=True):
        for name, weight in draw_apex(label, rng, family.prototypes).items():
            tracks[name] = tracks.get(name, np.zeros(total)) + weight * np.tile(swell, len(labels)) * window
    ex.settle_lids(tracks, limits)
    return Motion(intensity, tracks, np.zeros((total, 3)))


def _natural(
    character: Character, parts: list[tuple[str, Floats]], fps: float, rng: np.random.Generator, still: bool
) -> Motion:
    family = character.family
    tracks, turns = natural.draw_tracks(
        parts,
        character.rest,
        natural.head_units(family.unit_set),
        fps,
        rng,
        without=family.without,
        still=still,
        lid_limits=family.lid_limits,
    )
    return Motion(np.sum([curve for _, curve in parts], axis=0), tracks, turns)


def _draw_talk(label: str, rng: np.random.Generator) -> float:
    """Draw the strength of speech: 40 % of the neutral clips talk, and 15 % of the others, less strongly."""
    talks = rng.random() < (0.4 if label == "neutral" else 0.15)
    strength = rng.uniform(0.4, 1.0) if label == "neutral" else rng.uniform(0.2, 0.6)
    return float(strength) if talks else 0.0
