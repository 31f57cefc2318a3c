"""A neck that bends, and shoulders: a head far from the camera or turned far does not end in the air."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.character import Character
from fer_zoo.synth.head import CLOTH
from fer_zoo.synth.texture import ramp

Floats = NDArray[np.float64]

_AROUND = 40
# Height, half width, back and front of the rings, a little inside the shoulders of the MakeHuman mesh; decimetres.
_RINGS = np.array([
    [5.90, 0.45, -0.20, 0.60], [5.78, 1.35, -0.35, 0.66], [5.62, 1.78, -0.43, 0.72], [5.45, 2.00, -0.47, 0.85],
    [5.15, 2.26, -0.54, 1.00], [4.80, 2.28, -0.58, 1.08], [4.20, 2.30, -0.58, 1.15], [1.00, 2.10, -0.60, 1.15],
])  # fmt: skip


def with_torso(character: Character) -> Character:
    """Return the character with a torso as its last vertices, in the colour of the clothes."""
    turn = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    height, half, back, front = (column[:, None] for column in _RINGS.T)
    across, ahead = np.abs(np.sin(turn)) ** 0.8 * np.sign(np.sin(turn)), np.cos(turn)
    points = np.stack([half * across, height + 0 * turn, (back + front) / 2 + (front - back) / 2 * ahead], -1).reshape(
        -1, 3
    )
    outward = np.stack([across / 2, 0.15 + 0 * turn, ahead], 1)
    normals = np.tile(outward / np.linalg.norm(outward, axis=1, keepdims=True), (len(_RINGS), 1))
    row, column = np.meshgrid(np.arange(len(_RINGS) - 1), np.arange(_AROUND), indexing="ij")
    a, b = row * _AROUND + column, row * _AROUND + (column + 1) % _AROUND
    c, d = a + _AROUND, b + _AROUND
    faces = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    count = len(points)
    attributes = np.zeros((count, character.attributes.shape[1]))
    attributes[:, -1] = np.linspace(0.9, 0.6, count)
    return replace(
        character,
        extra=np.vstack([character.extra, points]),
        extra_normals=np.vstack([character.extra_normals, normals]),
        triangles=np.ascontiguousarray(np.vstack([character.triangles, faces + len(character.cutout)])),
        material=np.concatenate([character.material, np.full(len(faces), CLOTH)]),
        cutout=np.concatenate([character.cutout, np.zeros(count)]),
        sink=np.concatenate([character.sink, np.zeros(count)]),
        attributes=np.vstack([character.attributes, attributes]),
    )


def follow_share(character: Character) -> Floats:
    """Return the share (n, 1) of the head's rotation that each vertex follows: 1 above the neck, 0 in the shoulders."""
    share = np.ones(len(character.cutout))
    skin = len(character.shape)
    share[:skin] = ramp(5.6, 6.15, character.head.base[:, 1])
    share[-len(_RINGS) * _AROUND :] = 0.0
    return share[:, None]
