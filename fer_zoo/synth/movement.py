"""What faces do without expressing anything: speech, chewing, gaze shifts, squinting at light, nodding, and the like.

Every function draws one movement: the values over time (n,) of facial units by name (without sides), of rotations of
the head in degrees, and of the direction of gaze, -1 to 1 (``across`` to the subject's left).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth import expression as ex
from fer_zoo.synth.expression_table import Units, table

Floats = NDArray[np.float64]
Tracks = dict[str, Floats]

HEAD, GAZE = ("yaw", "pitch", "roll"), ("across", "up")
_PAUSE = 0.1  # share of syllables in which the mouth rests


def _bump(time: Floats, rng: np.random.Generator, rise: float, shortest: float, longest: float) -> Floats:
    """Draw a rise to 1 and a fall that overlap the clip; ``rise`` and the time between them in seconds."""
    hold = rng.uniform(shortest, longest)
    start = rng.uniform(time[0] - 0.6 * hold - 0.5 * rise, max(time[-1] - rise, time[0]))
    return ex.smoothstep(start, start + rise, time) * (
        1 - ex.smoothstep(start + rise + hold, start + 2.4 * rise + hold, time)
    )


def _scaled(units: Units, track: Floats) -> Tracks:
    return {name: weight * track for name, weight in units.items()}


def speech(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw 3 to 6 syllables per second, each a consonant and a vowel that neighbours blend into."""
    consonants, vowels = table()["consonants"], table()["vowels"]
    names = sorted({name for shape in (*consonants, *vowels) for name in shape})
    rate, loud = rng.uniform(3.0, 6.0), rng.uniform(0.55, 1.15)
    count = int(np.ceil((time[-1] - time[0]) * rate)) + 4
    starts = time[0] + (np.arange(count) - 2 + rng.random() + np.clip(rng.normal(0, 0.1, count), -0.2, 0.2)) / rate
    moments, shapes = [], []
    for start in starts:
        strength = 0.0 if rng.random() < _PAUSE else loud * rng.uniform(0.7, 1.2)
        for shape, delay in (
            (consonants[rng.integers(len(consonants))], 0.0),
            (vowels[rng.integers(len(vowels))], 0.5),
        ):
            moments.append(start + delay / rate)
            shapes.append([strength * shape.get(name, 0.0) for name in names])
    drawn = np.array(shapes)
    drawn[1:-1] = 0.88 * drawn[1:-1] + 0.06 * (drawn[:-2] + drawn[2:])
    at = np.clip(np.searchsorted(moments, time) - 1, 0, len(moments) - 2)
    left, right = np.array(moments)[at], np.array(moments)[at + 1]
    share = ex.smoothstep(0, 1, (time - left) / (right - left))[:, None]
    said = drawn[at] * (1 - share) + drawn[at + 1] * share
    tracks = {name: said[:, k] for k, name in enumerate(names)}
    if rng.random() < 0.5:  # emphasis
        tracks["pitch"] = rng.uniform(1.0, 4.0) * _bump(time, rng, 0.15, 0.05, 0.3)
    if rng.random() < 0.35:
        tracks |= _scaled(
            table()["movements"]["brows"]["units"], rng.uniform(0.2, 0.8) * _bump(time, rng, 0.15, 0.1, 0.6)
        )
    return tracks


def chewing(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw the circling jaw behind closed lips, 1 to 1.7 times per second."""
    phase = 2 * np.pi * (rng.uniform(1.0, 1.7) * time + rng.random())
    opened, across = np.clip(np.sin(phase), 0, None), rng.choice([-1, 1]) * np.sin(phase - 0.8)
    return {
        "jawOpen": rng.uniform(0.08, 0.2) * opened,
        "jawLeft": 0.3 * np.clip(across, 0, None),
        "jawRight": 0.3 * np.clip(-across, 0, None),
        "mouthRollLower": rng.uniform(0.2, 0.5) * (1 - 0.5 * opened),
        "mouthRollUpper": 0.2 * (1 - opened),
        "mouthPress": 0.3 * (1 - opened),
    }


def swallowing(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw pressed lips, a raised chin and a lift of the head, once."""
    bump = _bump(time, rng, 0.2, 0.1, 0.4)
    return {**_scaled(units, rng.uniform(0.5, 1.0) * bump), "pitch": -rng.uniform(1.0, 4.0) * bump}


def held(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw units that stay on, or come and go slowly, at 0.35 to 1 of their weights."""
    steady = 1 + 0.1 * ex.wander(len(time), 1 / max(time[-1] / max(len(time) - 1, 1), 1e-3), rng)
    track = steady if rng.random() < 0.5 else _bump(time, rng, 0.25, 0.3, 1.5)
    return _scaled(units, rng.uniform(0.35, 1.0) * track)


def lips(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw what lips do now and then: pressed, pushed forward, to one side."""
    choices = table()["lips"]
    return held(time, choices[rng.integers(len(choices))], rng)


def gaze(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw gaze shifts; the head follows, and the lids follow a look downwards."""
    moments = np.append(time[0] - 1, np.sort(rng.uniform(time[0], time[-1] + 0.2, 1 + rng.poisson(1.2 * time[-1]))))
    across, up, yaw = (np.zeros(len(time)) for _ in range(3))
    last = np.zeros(2)
    for moment in moments:
        goal = np.clip(rng.normal(0, [0.4, 0.25]), [-0.9, -0.7], [0.9, 0.5])
        step = ex.smoothstep(moment, moment + 0.05, time)
        across, up = across + step * (goal[0] - last[0]), up + step * (goal[1] - last[1])
        yaw = yaw + ex.smoothstep(moment + 0.05, moment + 0.5, time) * (goal[0] - last[0]) * 8
        last = goal
    down = np.clip(-up, 0, None)
    return {"across": across, "up": up, "eyeBlink": 0.4 * down, "yaw": yaw, "pitch": 4 * down}


def down(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw a look at something below, with the head lowered."""
    tracks = held(time, units, rng)
    return {**tracks, "pitch": -rng.uniform(2, 14) * tracks["up"]}


def head(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw a nod, a shake, a turn or a tilt of the head."""
    wave = np.sin(2 * np.pi * (rng.uniform(1.0, 2.5) * time + rng.random()))
    ramp = ex.smoothstep(0, 1, (time - time[0]) / rng.uniform(0.4, 1.5)) - 0.5
    return [
        {"pitch": rng.uniform(2, 6) * wave},
        {"yaw": rng.uniform(3, 8) * wave},
        {"yaw": rng.uniform(-14, 14) * ramp},
        {"roll": rng.uniform(-9, 9) * (0.7 + 0.3 * ramp)},
    ][int(rng.integers(4))]


def breath(time: Floats, units: Units, rng: np.random.Generator) -> Tracks:
    """Draw the slow rise and fall of the head, 12 to 20 times per minute."""
    wave = np.sin(2 * np.pi * (rng.uniform(0.2, 0.33) * time + rng.random()))
    return {"pitch": rng.uniform(0.2, 0.9) * wave, "jawOpen": 0.01 * (1 + wave)}


MOVEMENTS: Mapping[str, Callable[[Floats, Units, np.random.Generator], Tracks]] = {
    "speech": speech,
    "chewing": chewing,
    "swallowing": swallowing,
    "light": held,
    "brows": held,
    "lips": lips,
    "gaze": gaze,
    "down": down,
    "head": head,
    "breath": breath,
}
_MOUTHS = ("speech", "chewing", "swallowing", "lips")  # exclude each other


def draw_movements(
    label: str, n_frames: int, fps: float, rng: np.random.Generator, without: frozenset[str] = frozenset()
) -> list[Tracks]:
    """Draw the movements of a clip with the probabilities of the table, but none of ``without``."""
    time, drawn, busy = np.arange(n_frames) / fps, [], False
    for name, draw in MOVEMENTS.items():
        entry = table()["movements"][name]
        # One generator per movement, so that leaving one out does not change the others.
        own = rng.spawn(1)[0]
        if own.random() >= entry["neutral" if label == "neutral" else "others"] or name in without:
            continue
        if name in _MOUTHS and busy:
            continue
        busy |= name in _MOUTHS
        drawn.append(draw(time, entry.get("units", {}), own))
    return drawn
