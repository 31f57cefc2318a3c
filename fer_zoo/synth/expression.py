"""Facial units over time: onset and offset, speech, blinks, gaze, and the resting face."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.prototypes import sides

Floats = NDArray[np.float64]
Rest = Mapping[str, float]  # a subject's resting face: constant unit weights

# Above these the lids of the MakeHuman mesh turn inside out.
LID_LIMITS: Mapping[str, float] = {"eyeSquint": 0.5, "eyeWide": 1.5, "cheekSquint": 0.65}


def smoothstep(low: float, high: float, x: Floats) -> Floats:
    """Return 0 below ``low``, 1 above ``high``, smooth in between."""
    t = np.clip((x - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def draw_intensity(label: str, n_frames: int, fps: float, rng: np.random.Generator) -> Floats:
    """Draw the strength (n,), a window of a longer onset-apex-offset curve; mean >= 0.5 unless neutral."""
    if label == "neutral":
        return np.zeros(n_frames)
    time, length = np.arange(n_frames) / fps, n_frames / fps
    for _ in range(64):
        kind = rng.choice(4, p=[0.4, 0.25, 0.2, 0.15])
        rise, fall = rng.uniform(0.2, 0.9), rng.uniform(0.3, 1.1)
        if kind == 0:  # sustained apex, possibly with the end of the onset
            start, stop = -rng.uniform(0.6, 2.0), length + rng.uniform(0.0, 1.0)
        elif kind == 1:  # onset
            start, stop = rng.uniform(-rise, 0.5 * length), length + 1.0
        elif kind == 2:  # offset
            start, stop = -2.0, rng.uniform(-0.5 * fall, length)
        else:  # a complete short expression
            rise, fall = 0.3 * length, 0.35 * length
            start, stop = rng.uniform(-0.05, 0.1) * length, rng.uniform(0.6, 0.75) * length
        curve = smoothstep(start, start + rise, time) * (1 - smoothstep(stop, stop + fall, time))
        if curve.mean() >= 0.52:
            sway = 0.03 * np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * time + rng.random()))
            return np.asarray(np.clip(curve * (0.97 + sway), 0, 1))
    return np.ones(n_frames)


def wander(n_frames: int, fps: float, rng: np.random.Generator, slowest: float = 0.15, fastest: float = 0.9) -> Floats:
    """Draw smooth random motion (n,) with an amplitude of about 1: a sum of three slow sines."""
    time = np.arange(n_frames) / fps
    rates, phases = rng.uniform(slowest, fastest, 3), rng.uniform(0, 2 * np.pi, 3)
    return np.asarray(np.sin(2 * np.pi * rates[:, None] * time + phases[:, None]).sum(0) / 1.8)


def blinks(n_frames: int, fps: float, rng: np.random.Generator) -> Floats:
    """Draw the lid closure 0..1 (n,), about 15 blinks per minute."""
    time, closed = np.arange(n_frames) / fps, np.zeros(n_frames)
    moment = -0.35 + rng.exponential(3.6)
    while moment < time[-1] + 0.3:
        down, hold, up = rng.uniform(0.06, 0.10), rng.uniform(0.02, 0.08), rng.uniform(0.10, 0.2)
        shape = smoothstep(moment, moment + down, time) * (
            1 - smoothstep(moment + down + hold, moment + down + hold + up, time)
        )
        closed = np.maximum(closed, shape)
        moment += 0.4 + rng.exponential(3.6)
    return closed


def talking(n_frames: int, fps: float, rng: np.random.Generator, strength: float) -> dict[str, Floats]:
    """Draw speech-like mouth motion: syllables at 3-6 Hz open the jaw, lips round and spread more slowly."""
    syllable = np.abs(wander(n_frames, fps, rng, 1.5, 3.0)) * (
        0.6 + 0.4 * np.clip(wander(n_frames, fps, rng, 0.3, 0.9), -1, 1)
    )
    rounding = wander(n_frames, fps, rng, 0.8, 2.5)
    parts = {
        "jawOpen": 0.26 * np.clip(syllable, 0, 1.3),
        "mouthFunnel": 0.5 * np.clip(rounding, 0, 1),
        "mouthPucker": 0.25 * np.clip(rounding, 0, 1),
        "mouthStretch": 0.25 * np.clip(-rounding, 0, 1),
        "mouthLowerDown": 0.35 * np.clip(wander(n_frames, fps, rng, 0.8, 2.5), 0, 1),
        "mouthUpperUp": 0.2 * np.clip(wander(n_frames, fps, rng, 0.8, 2.5), 0, 1),
    }
    return {side: strength * track for name, track in parts.items() for side in sides(name)}


def draw_rest(rng: np.random.Generator) -> Rest:
    """Draw resting mouth corners, lips, lids and brows of a subject, weaker than in any expression."""
    corner, brow = rng.normal(0.05, 0.11), rng.normal(0, 0.2)
    drawn = {
        "mouthSmile" if corner > 0 else "mouthFrown": min(abs(corner), 0.25),
        "browOuterUp" if brow > 0 else "browDown": min(abs(brow), 0.4),
        "jawOpen": max(0.0, rng.normal(-0.02, 0.03)),
        "eyeSquint": float(np.clip(rng.normal(0.05, 0.12), 0, 0.3)),
        "eyeBlink": float(np.clip(rng.normal(0.0, 0.08), -0.05, 0.18)),
        "mouthLowerDown": float(np.clip(rng.normal(-0.03, 0.06), 0, 0.15)),
    }
    return {side: float(weight) for name, weight in drawn.items() for side in sides(name)}


def unit_tracks(
    apex: Mapping[str, float],
    intensity: Floats,
    rest: Rest,
    fps: float,
    rng: np.random.Generator,
    talk: float,
    still: bool = False,
    lid_limits: Mapping[str, float] = LID_LIMITS,
) -> dict[str, Floats]:
    """Draw the weights (n,) of all active units over time: rest + expression + speech + blinks + gaze + noise.

    ``still`` omits blinks and gaze; ``lid_limits`` as in ``settle_lids``.
    """
    n = len(intensity)
    tracks: dict[str, Floats] = {}
    add = partial(add_track, tracks)
    fade = 1 - 0.7 * intensity  # an expression replaces the resting face
    for name, weight in rest.items():
        add(name, weight * fade)
    for name, weight in apex.items():
        # Parts of a face do not move in sync.
        add(name, weight * intensity ** rng.uniform(0.8, 1.3))
    if talk > 0:
        for name, track in talking(n, fps, rng, talk).items():
            add(name, track * (1 - 0.5 * intensity))
    for name in ("mouthSmile", "browDown", "browOuterUp", "mouthStretch", "mouthPress"):
        track = 0.05 * wander(n, fps, rng)
        for side in sides(name):
            add(side, np.clip(track, 0, None))
    closed = np.zeros(n) if still else blinks(n, fps, rng)
    if not still:
        _gaze(tracks, n, fps, rng)
    for side in ("Left", "Right"):
        add(f"unit/eyeBlink{side}", closed)
    settle_lids(tracks, lid_limits)
    return tracks


def _gaze(tracks: dict[str, Floats], n: int, fps: float, rng: np.random.Generator) -> None:
    across = np.clip(rng.normal(0, 0.2) + 0.1 * wander(n, fps, rng), -0.6, 0.6)
    upward = np.clip(rng.normal(0, 0.12) + 0.06 * wander(n, fps, rng), -0.35, 0.35)
    if rng.random() < 0.25:  # a saccade
        across = across + rng.normal(0, 0.25) * (np.arange(n) >= rng.integers(0, n + 1))
    for name, track in looks(across, upward).items():
        add_track(tracks, name, track)


def add_track(tracks: dict[str, Floats], name: str, track: Floats) -> None:
    """Add a movement (n,) of a unit to what it does already."""
    tracks[name] = tracks[name] + track if name in tracks else track


def looks(across: Floats, upward: Floats) -> dict[str, Floats]:
    """Return the gaze units for looks (n,) to the subject's left (positive) or right, and up or down; 1 is far."""
    signed = {"OutLeft": across, "InRight": across, "InLeft": -across, "OutRight": -across}
    signed |= {"UpLeft": upward, "UpRight": upward, "DownLeft": -upward, "DownRight": -upward}
    return {f"unit/eyeLook{name}": np.clip(track, 0, None) for name, track in signed.items()}


def settle_lids(tracks: dict[str, Floats], limits: Mapping[str, float]) -> None:
    """Reduce squint and widening while the lid closes, and limit the sums to ``limits``, in place."""
    for side in ("Left", "Right"):
        closed = np.clip(tracks[f"unit/eyeBlink{side}"], -0.05, 1.0)
        tracks[f"unit/eyeBlink{side}"] = closed
        remaining = 1 - np.clip(closed, 0, 1)
        for name, limit in limits.items():
            key = f"unit/{name}{side}"
            if key in tracks:
                tracks[key] = np.minimum(tracks[key], limit) * (
                    remaining if name != "cheekSquint" else 0.4 + 0.6 * remaining
                )
