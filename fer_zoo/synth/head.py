"""The structure of a head, and the MakeHuman head of the package: mesh, targets, landmarks, shape of a subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.points import LANDMARK_VERTICES

Floats = NDArray[np.float64]
Sex = Literal["female", "male"]

SKIN, EYE, TEETH, TONGUE, LASH, HAIR, FRAME, CLOTH = range(8)
RACES = ("caucasian", "african", "asian")
_MUSCLE = ("minmuscle", "averagemuscle", "maxmuscle")
_WEIGHT = ("minweight", "averageweight", "maxweight")

# (low target, high target, standard deviation); a star stands for the left and the right side.
_PAIRS: list[tuple[str, str, float]] = [
    *[
        (f"{stem}-decr", f"{stem}-incr", 0.35)
        for stem in [
            "nose/nose-scale-depth",
            "nose/nose-scale-horiz",
            "nose/nose-scale-vert",
            "nose/nose-volume",
            "nose/nose-flaring",
            "nose/nose-hump",
            "nose/nose-nostrils-width",
            "nose/nose-point-width",
            "nose/nose-width1",
            "nose/nose-width2",
            "nose/nose-greek",
            "mouth/mouth-scale-horiz",
            "mouth/mouth-scale-vert",
            "mouth/mouth-lowerlip-volume",
            "mouth/mouth-upperlip-volume",
            "mouth/mouth-lowerlip-height",
            "mouth/mouth-upperlip-height",
            "mouth/mouth-philtrum-volume",
            "mouth/mouth-cupidsbow",
            "chin/chin-bones",
            "chin/chin-cleft",
            "chin/chin-height",
            "chin/chin-prognathism",
            "chin/chin-prominent",
            "chin/chin-width",
            "forehead/forehead-scale-vert",
            "forehead/forehead-temple",
            "forehead/forehead-nubian",
            "head/head-fat",
            "head/head-scale-horiz",
            "head/head-scale-vert",
            "head/head-age",
        ]
    ],
    *[
        (f"{stem}-decr", f"{stem}-incr", 0.3)
        for stem in [
            "cheek/*-cheek-bones",
            "cheek/*-cheek-inner",
            "cheek/*-cheek-volume",
            "eyes/*-eye-scale",
            "eyes/*-eye-height1",
            "eyes/*-eye-height2",
            "eyes/*-eye-height3",
            "eyes/*-eye-bag",
        ]
    ],
    ("nose/nose-trans-down", "nose/nose-trans-up", 0.2),
    ("nose/nose-curve-concave", "nose/nose-curve-convex", 0.35),
    ("nose/nose-point-down", "nose/nose-point-up", 0.35),
    ("nose/nose-base-down", "nose/nose-base-up", 0.35),
    ("mouth/mouth-trans-down", "mouth/mouth-trans-up", 0.2),
    ("mouth/mouth-angles-down", "mouth/mouth-angles-up", 0.18),
    ("eyebrows/eyebrows-angle-down", "eyebrows/eyebrows-angle-up", 0.35),
    ("eyebrows/eyebrows-trans-down", "eyebrows/eyebrows-trans-up", 0.2),
    ("eyebrows/eyebrows-trans-backward", "eyebrows/eyebrows-trans-forward", 0.3),
    ("cheek/*-cheek-trans-down", "cheek/*-cheek-trans-up", 0.3),
    ("eyes/*-eye-trans-in", "eyes/*-eye-trans-out", 0.3),
    ("eyes/*-eye-trans-down", "eyes/*-eye-trans-up", 0.2),
    ("eyes/*-eye-corner1-down", "eyes/*-eye-corner1-up", 0.3),
    ("eyes/*-eye-corner2-down", "eyes/*-eye-corner2-up", 0.3),
    ("eyes/*-eye-eyefold-down", "eyes/*-eye-eyefold-up", 0.3),
    ("eyes/*-eye-epicanthus-in", "eyes/*-eye-epicanthus-out", 0.25),
    ("eyes/*-eye-push1-in", "eyes/*-eye-push1-out", 0.2),
]
# Means other than 0: the target that lowers the inner ends of the brows moves them four times as far as the one that
# raises them, so the brows would slant as in anger on average (those of the mean 300-W face are level).
_MIDDLES = {"eyebrows/eyebrows-angle-down": 0.45}
_HEAD_FORMS = ("oval", "round", "rectangular", "square", "triangular", "invertedtriangular", "diamond")


@dataclass(frozen=True)
class Head:
    """Mesh and sparse targets. Decimetres, +x the subject's left, +y up, +z front.

    Every head has the position and size of the MakeHuman head. ``paint`` is the corresponding point of that head for
    each vertex, at which skin, eyes and teeth are painted.
    """

    base: Floats  # (n, 3)
    paint: Floats  # (n, 3)
    triangles: NDArray[np.int64]  # (m, 3)
    material: NDArray[np.int64]  # (m,)
    vertex_material: NDArray[np.int64]  # (n,)
    lip: Floats  # masks (n,) in 0..1
    lid: Floats
    mouth_inside: Floats
    ear: Floats
    occlusion: Floats
    landmark_vertices: NDArray[np.int64]  # (68,)
    targets: Mapping[str, tuple[NDArray[np.int64], Floats]]
    sink: Mapping[int, float]  # depth added to a material, so that it does not show through close skin
    most: Mapping[str, float] = field(default_factory=dict)  # largest weights; "" stands for all other targets

    def offsets(self, weights: Mapping[str, float]) -> Floats:
        """Return the weighted sum of targets (n, 3); raises KeyError for a weight without a target."""
        total = np.zeros_like(self.base)
        for name, weight in weights.items():
            if abs(weight) > 1e-4:
                rows, values = self.targets[name]
                total[rows] += min(weight, self.most.get(name, self.most.get("", np.inf))) * values
        return total


@cache
def load_head() -> Head:
    """Load the MakeHuman head of the package."""
    with (files("fer_zoo.synth") / "data" / "mh_head.npz").open("rb") as stream, np.load(stream) as data:
        start, names = data["start"], data["names"]
        index, value = data["index"].astype(np.int64), data["value"] * float(data["step"])
        masks = data["masks"] / 255.0
        position = {int(original): k for k, original in enumerate(data["original_index"])}
        base = data["base"].astype(np.float64)
        return Head(
            base=base,
            paint=base,
            triangles=data["triangles"].astype(np.int64),
            material=data["material"].astype(np.int64),
            vertex_material=data["vertex_material"].astype(np.int64),
            lip=masks[:, 0],
            lid=masks[:, 1],
            mouth_inside=masks[:, 2],
            ear=masks[:, 3],
            occlusion=masks[:, 4],
            landmark_vertices=np.array([position[v] for v in LANDMARK_VERTICES]),
            targets={
                str(name): (index[start[k] : start[k + 1]], value[start[k] : start[k + 1]])
                for k, name in enumerate(names)
            },
            sink={EYE: 0.012, TEETH: 0.12, TONGUE: 0.12},
        )


@dataclass(frozen=True)
class Traits:
    """Basic properties of a subject, reported in ``SynthClip.attributes``; all 0..1 except the mixture."""

    skin_tone: float  # 0 lightest .. 1 darkest
    age: float  # 0 young adult .. 1 old
    sex: float  # 0 female .. 1 male shape
    weight: float
    races: tuple[float, float, float]  # MakeHuman's macro shapes, sum 1


def draw_traits(rng: np.random.Generator) -> Traits:
    """Draw the traits of a subject; skin tone and head shape are independent."""
    races = rng.dirichlet([0.4, 0.4, 0.4])
    return Traits(
        skin_tone=float(rng.uniform(0, 1)),
        age=float(rng.beta(1.0, 1.5)),
        sex=float(rng.beta(0.5, 0.5)),
        weight=float(np.clip(rng.normal(0.5, 0.18), 0.05, 0.95)),
        races=(float(races[0]), float(races[1]), float(races[2])),
    )


def _blend3(value: float, names: tuple[str, str, str]) -> dict[str, float]:
    if value < 0.5:
        return {names[0]: 1 - 2 * value, names[1]: 2 * value}
    return {names[1]: 2 - 2 * value, names[2]: 2 * value - 1}


def shape_weights(traits: Traits, rng: np.random.Generator) -> dict[str, float]:
    """Draw the target weights of a subject's shape: macro shapes plus random local pairs."""
    weights: dict[str, float] = {}
    muscle, fat = _blend3(float(rng.uniform(0.3, 0.8)), _MUSCLE), _blend3(traits.weight, _WEIGHT)
    for sex, share in (("female", 1 - traits.sex), ("male", traits.sex)):
        for age, years in (("young", 1 - traits.age), ("old", traits.age)):
            for race, part in zip(RACES, traits.races, strict=True):
                weights[f"macrodetails/{race}-{sex}-{age}"] = share * years * part
            for m, m_share in muscle.items():
                for w, w_share in fat.items():
                    weights[f"macrodetails/universal-{sex}-{age}-{m}-{w}"] = share * years * m_share * w_share
    for low, high, spread in _PAIRS:
        value = float(np.clip(rng.normal(_MIDDLES.get(low, 0.0), spread), -0.85, 0.85))
        sides = rng.normal(1, 0.15, 2)
        stem = high if value > 0 else low
        if "*" in stem:
            weights[stem.replace("*", "l")] = abs(value) * float(sides[0])
            weights[stem.replace("*", "r")] = abs(value) * float(sides[1])
        else:
            weights[stem] = abs(value)
    weights[f"head/head-{_HEAD_FORMS[rng.integers(len(_HEAD_FORMS))]}"] = float(rng.uniform(0, 0.6))
    known = load_head().targets
    return {name: weight for name, weight in weights.items() if name in known}
