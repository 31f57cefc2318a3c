"""Camera and light of a clip, and shading of one frame in linear light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.character import BASE_X, BASE_Y, BASE_Z, INSIDE, LIP, OCCLUSION, Character, U, V
from fer_zoo.synth.head import CLOTH, EYE, FRAME, HAIR, LASH, SKIN, TEETH, TONGUE
from fer_zoo.synth.raster import Visible, interpolate, rasterize, sample
from fer_zoo.synth.skin import wrinkle_depth
from fer_zoo.synth.texture import ramp

Floats = NDArray[np.float64]

PIVOT = np.array([0.0, 6.7, 0.1])  # the head rotates around the top of the neck
EYE_CENTRE = np.array([0.308, 7.284, 1.235])


@dataclass(frozen=True)
class Light:
    """Directions in camera axes (+x right, +y up, +z to the camera), colours in linear light."""

    ambient: Floats
    key: Floats
    key_colour: Floats
    fill: Floats
    fill_colour: Floats


@dataclass(frozen=True)
class Camera:
    """Pinhole camera at ``distance`` decimetres; ``focal`` and ``centre`` map to a unit canvas."""

    distance: float
    focal: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Return unit-canvas coordinates (n, 2), y down, and depth (n,)."""
        depth = self.distance - points[:, 2]
        x = self.focal * points[:, 0] / depth - self.centre[0] + 0.5
        y = -self.focal * points[:, 1] / depth - self.centre[1] + 0.5
        return np.stack([x, y], 1), depth


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """Return the rotation matrix of the head; radians, yaw to the subject's left, pitch down, roll in plane."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y)


def _direction(azimuth: float, elevation: float) -> Floats:
    return np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])


def _tint(rng: np.random.Generator, spread: float) -> Floats:
    warm, green = rng.normal(0, spread), rng.normal(0, spread * 0.3)
    return np.array([1 + warm, 1 + green, 1 - warm]).clip(0.4, 1.6)


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a light between soft and frontal, and hard and from the side."""
    hard = rng.beta(1.2, 1.6)
    side = np.clip(rng.normal(0, 0.65), -1.35, 1.35)
    key = _direction(side, float(rng.uniform(-0.1, 1.0)))
    fill = _direction(-side + rng.normal(0, 0.5), float(rng.uniform(-0.4, 0.7)))
    return Light(
        ambient=(0.52 - 0.38 * hard) * _tint(rng, 0.08),
        key=key,
        key_colour=(0.28 + 0.62 * hard) * _tint(rng, 0.085),
        fill=fill,
        fill_colour=rng.uniform(0.0, 0.28) * _tint(rng, 0.12),
    )


def key_shadow(character: Character, posed: Floats, light: Light, size: int = 144) -> Floats:
    """Return the fraction of the key light that reaches each vertex (n,), from a soft shadow map."""
    right = np.cross([0.0, 1.0, 0.1], light.key)
    right /= np.linalg.norm(right)
    rotated = posed @ np.stack([right, np.cross(light.key, right), light.key]).T
    middle = rotated[character.head.landmark_vertices].mean(0)
    pixels = (rotated[:, :2] - middle[:2]) * np.array([1, -1]) * (size / 3.6) + size / 2
    seen = rasterize(pixels, -rotated[:, 2], character.triangles, size, cutout=character.cutout).depth
    lit = np.zeros(len(posed))
    for dx, dy in ((-1.5, -0.5), (0.5, -1.5), (1.5, 0.5), (-0.5, 1.5), (0.0, 0.0)):
        column = np.clip(np.rint(pixels[:, 0] + dx), 0, size - 1).astype(np.int64)
        row = np.clip(np.rint(pixels[:, 1] + dy), 0, size - 1).astype(np.int64)
        lit += -rotated[:, 2] < seen[row, column] + 0.10
    # The map is computed once per clip: teeth that appear later must not keep the shadow of a closed mouth.
    mouth = np.isin(character.head.vertex_material, (TEETH, TONGUE))
    lit[: len(mouth)][mouth] = np.maximum(lit[: len(mouth)][mouth], 3.5)
    return np.asarray(lit / 5.0)


def look(character: Character, posed: Floats, camera: Camera, size: int) -> Visible:
    """Find what the camera sees at each pixel; ``posed`` (n, 3) in camera axes."""
    unit, depth = camera.project(posed)
    return rasterize(unit * size - 0.5, depth + character.sink, character.triangles, size, cutout=character.cutout)


def shade(
    character: Character,
    light: Light,
    seen: Visible,
    normals: Floats,
    lit: Floats,
    units: Mapping[str, float],
    background: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Render one frame (s, s, 3) in linear light; ``normals`` (n, 3) in camera axes."""
    table = np.column_stack([normals, character.attributes, lit])
    found = interpolate(seen, character.triangles, table)
    surface, facing, shadow = found[:, 3:-1], found[:, :3], found[:, -1]
    colour, gloss, sharpness = _surface(character, character.material[seen.triangle], surface, units)
    picture = background.reshape(-1, 3).copy()
    picture[seen.pixel] = _light(light, facing, colour, gloss, sharpness, surface[:, OCCLUSION], shadow)
    return picture.reshape(background.shape)


def _surface(
    character: Character, material: NDArray[np.int64], at: Floats, units: Mapping[str, float]
) -> tuple[Floats, Floats, Floats]:
    """Return colour (n, 3), gloss (n,) and sharpness (n,) of the highlight for the visible pixels."""
    colour, gloss, sharpness = np.empty((len(at), 3)), np.zeros(len(at)), np.full(len(at), 20.0)
    rows = np.flatnonzero(material == SKIN)
    colour[rows], gloss[rows] = _skin(character, at[rows], units)
    rows = np.flatnonzero(material == EYE)
    colour[rows], gloss[rows], sharpness[rows] = _eye(character, at[rows]), 0.7, 60.0
    # The upper lid shades the eyeball.
    at[rows, OCCLUSION] *= 1 - 0.55 * ramp(-0.02, 0.12, at[rows, BASE_Y] - EYE_CENTRE[1])
    rows = np.flatnonzero(material == TEETH)
    gap = ramp(0.72, 0.98, np.abs(np.sin(at[rows, BASE_X] * 34.0)))
    colour[rows], gloss[rows] = character.skin.teeth * (1 - 0.22 * gap)[:, None], 0.35
    at[rows, OCCLUSION] = 0.03 + 0.87 * ramp(1.0, 1.42, at[rows, BASE_Z])
    rows = np.flatnonzero(material == TONGUE)
    colour[rows], gloss[rows] = np.array([0.5, 0.2, 0.19]), 0.3
    at[rows, OCCLUSION] = 0.06 + 0.5 * ramp(0.95, 1.42, at[rows, BASE_Z])
    colour[material == LASH] = 0.02
    rows = np.flatnonzero(material == HAIR)
    strand = sample(character.strands, at[rows, U], at[rows, V])
    colour[rows], gloss[rows], sharpness[rows] = character.skin.hair * strand, 0.12 * strand[:, 0], 12.0
    rows = np.flatnonzero(material == FRAME)
    colour[rows], gloss[rows] = character.frame_colour, 0.8
    colour[material == CLOTH] = character.skin.albedo[-1].mean(0)
    return colour, gloss, sharpness


def _skin(character: Character, at: Floats, units: Mapping[str, float]) -> tuple[Floats, Floats]:
    skin = character.skin
    colour = sample(skin.albedo, at[:, U], at[:, V])
    # Only what moves folds the skin: brows that are low at rest do not.
    moved = {name: weight - character.rest.get(name, 0.0) for name, weight in units.items()}
    fold = sample(wrinkle_depth(moved, skin.wrinkle_gain), at[:, U], at[:, V])
    colour *= 1 - 0.42 * fold * np.array([0.8, 1, 1])
    lip = ramp(0.25, 0.75, at[:, LIP])[:, None]
    colour += lip * (skin.lip - colour)
    inside = ramp(0.4, 0.6, at[:, INSIDE])[:, None]
    colour += inside * (np.array([0.22, 0.05, 0.05]) - colour)
    at[:, OCCLUSION] *= 1 - 0.5 * inside[:, 0]
    return colour, skin.gloss * (1 + 0.8 * lip[:, 0]) * (1 - 0.7 * inside[:, 0])


def _eye(character: Character, at: Floats) -> Floats:
    """Return the colour of pupil, iris and white, from rest positions, so that they rotate with the eyeball."""
    centre = np.where(at[:, BASE_X : BASE_X + 1] > 0, EYE_CENTRE, EYE_CENTRE * np.array([-1, 1, 1]))
    arm = at[:, BASE_X : BASE_Z + 1] - centre
    angle = np.arccos(np.clip(arm[:, 2] / np.sqrt((arm * arm).sum(1)), -1, 1))[:, None]
    white = np.array([0.46, 0.38, 0.36]) * (1 - 0.4 * ramp(0.5, 1.1, angle))
    iris = character.skin.iris * (1.2 - 0.5 * ramp(0.2, 0.48, angle))
    colour = iris + ramp(0.46, 0.54, angle) * (white - iris)
    pupil = ramp(0.18, 0.23, angle)
    rim = 1 - 0.45 * ramp(0.42, 0.47, angle) * (1 - ramp(0.47, 0.58, angle))
    return np.asarray((0.015 + pupil * (colour - 0.015)) * rim)


def _light(
    light: Light, facing: Floats, colour: Floats, gloss: Floats, sharpness: Floats, occlusion: Floats, shadow: Floats
) -> Floats:
    facing = facing / (np.sqrt((facing * facing).sum(1)) + 1e-9)[:, None]
    facing *= np.where(facing[:, 2:] < -0.15, -1.0, 1.0)
    half = light.key + np.array([0, 0, 1.0])
    half /= np.sqrt((half * half).sum())
    wrap = np.array([0.25, 0.15, 0.12])  # red light travels farthest under skin

    def lambert(direction: Floats) -> Floats:
        cosine = (facing * direction).sum(1)[:, None]
        return np.asarray(np.maximum((cosine + wrap) / (1 + wrap), 0))

    soft = 0.25 + 0.75 * shadow[:, None]
    total = light.ambient * (0.75 + 0.25 * facing[:, 1:2]) * occlusion[:, None]
    total = total + light.key_colour * lambert(light.key) * soft * occlusion[:, None] ** 0.7
    total += light.fill_colour * lambert(light.fill) * occlusion[:, None]
    glint = 0.25 * gloss * occlusion * shadow * np.maximum((facing * half).sum(1), 1e-4) ** sharpness
    return np.asarray(colour * total + light.key_colour * glint[:, None])
