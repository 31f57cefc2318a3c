"""Movements without an expression: speech at the rhythm of syllables, and a switch for each movement."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fer_zoo.synth.expression_table import table
from fer_zoo.synth.head import load_head
from fer_zoo.synth.movement import GAZE, HEAD, MOVEMENTS, draw_movements, speech
from fer_zoo.synth.natural import draw_tracks, head_units
from fer_zoo.synth.prototypes import sides

FPS = 25.0
ALL = frozenset(MOVEMENTS)


def talking_face(seed: int, frames: int = 200) -> np.ndarray:
    """Landmarks (n, 68, 3) of a neutral face that talks and blinks."""
    head, own = load_head(), head_units("synthmh")
    rows, rest = head.landmark_vertices, np.tile(head.base[head.landmark_vertices], (frames, 1, 1))
    said = speech(np.arange(frames) / FPS, {}, np.random.default_rng(seed))
    for name, track in said.items():
        for unit, share in own.get(name, {name: 1.0}).items() if name not in HEAD else ():
            moved = sum(head.offsets({side: share})[rows] for side in sides(unit))
            rest = rest + track[:, None, None] * moved
    return rest


def test_a_talking_mouth_opens_and_closes_three_to_six_times_a_second() -> None:
    rates = []
    for seed in range(12):
        marks = talking_face(seed)
        opened = marks[:, 62, 1] - marks[:, 66, 1]
        assert opened.max() - opened.min() > 0.08  # decimetres
        assert opened.min() > -0.01
        power = np.abs(np.fft.rfft(opened - opened.mean())) ** 2
        frequency = np.fft.rfftfreq(len(opened), 1 / FPS)
        assert power[(frequency > 2) & (frequency < 8)].sum() > 0.35 * power.sum()
        rates.append(((opened[1:-1] > opened[:-2]) & (opened[1:-1] >= opened[2:])).sum() / (len(opened) / FPS))
    assert 3.0 < np.mean(rates) < 6.0
    assert min(rates) > 2.2
    assert max(rates) < 7.0


def test_a_talking_mouth_neither_smiles_nor_frowns() -> None:
    for seed in range(12):
        marks = talking_face(seed)
        corners = marks[:, [48, 54], 1].mean(1) - talking_face(seed, 1)[0, [48, 54], 1].mean()
        assert np.abs(np.median(corners)) < 0.05


@pytest.mark.parametrize("name", sorted(MOVEMENTS))
def test_leaving_one_movement_out_changes_no_other(name: str) -> None:
    for seed in range(40):
        every = draw_movements("neutral", 10, FPS, np.random.default_rng(seed))
        others = draw_movements("neutral", 10, FPS, np.random.default_rng(seed), frozenset({name}))
        kept = [{k: v.tolist() for k, v in movement.items()} for movement in every]
        missing = [m for m in ({k: v.tolist() for k, v in movement.items()} for movement in others) if m not in kept]
        # Where a mouth was busy with the movement left out, another may take its place.
        assert len(missing) <= (name in ("speech", "chewing", "swallowing"))
        assert len(others) <= len(every)


def test_every_movement_has_finite_tracks_of_known_units() -> None:
    targets = load_head().targets
    for (name, draw), seed, frames in itertools.product(MOVEMENTS.items(), range(20), (1, 10, 60)):
        units = table()["movements"][name].get("units", {})
        for unit, track in draw(np.arange(frames) / FPS, units, np.random.default_rng(seed)).items():
            assert track.shape == (frames,)
            assert np.isfinite(track).all()
            assert unit in {*HEAD, *GAZE} or all(side in targets for side in sides(unit))


def test_a_neutral_face_without_movements_only_blinks() -> None:
    tracks, turns = draw_tracks([("neutral", np.zeros(50))], {}, {}, FPS, np.random.default_rng(0), without=ALL)
    assert (turns == 0).all()
    active = {name for name, track in tracks.items() if np.abs(track).max() > 1e-9}
    assert all("eyeLook" in name or "eyeBlink" in name for name in active)


def test_neutral_faces_move_more_often_than_others() -> None:
    def count(label: str) -> float:
        return float(np.mean([len(draw_movements(label, 10, FPS, np.random.default_rng(k))) for k in range(150)]))

    assert count("neutral") > count("anger") > 1
