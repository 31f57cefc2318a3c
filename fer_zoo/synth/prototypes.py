"""The seven labels as facial units at full strength, and their variation between subjects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LABELS: tuple[str, ...] = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")

# Unit weights at the apex. A label has several variants; the number is the probability of a variant.
Prototypes = Mapping[str, tuple[tuple[float, str], ...]]

MAKEHUMAN: Prototypes = {
    "neutral": ((1.0, ""),),
    "anger": (
        (
            0.5,
            "browDown 1.6, browOuterUp 0.3, eyeSquint 0.2, eyeWide 0.8, noseSneer 0.5, mouthRollUpper 0.5, "
            "mouthRollLower 0.5, mouthFrown 0.55, mouthShrugLower 0.35, jawForward 0.3",
        ),
        (
            0.5,
            "browDown 1.6, browOuterUp 0.3, eyeWide 0.8, eyeSquint 0.2, "
            "noseSneer 0.8, mouthUpperUp 0.45, mouthLowerDown 0.8, "
            "mouthStretch 0.35, mouthFunnel 0.25, jawOpen 0.08",
        ),
    ),
    "disgust": (
        (
            0.65,
            "noseSneer 1.6, mouthUpperUp 1.6, browDown 0.35, cheekSquint 0.6, eyeSquint 0.15, "
            "mouthFrown 0.35, mouthLowerDown 0.2, mouthShrugLower 0.2",
        ),
        (
            0.35,
            "noseSneer 1.6, mouthUpperUp 1.35, browDown 0.3, cheekSquint 0.5, eyeSquint 0.15, mouthFrown 0.8, "
            "mouthShrugLower 0.7",
        ),
    ),
    "fear": (
        (
            0.6,
            "browInnerUp 1.5, browOuterUp 0.3, browDown 0.8, eyeWide 1.3, mouthStretch 1.4, jawOpen 0.25, "
            "mouthLowerDown 0.9, mouthUpperUp 0.2",
        ),
        (
            0.4,
            "browInnerUp 1.5, browOuterUp 0.25, browDown 0.8, eyeWide 1.3, mouthStretch 1.4, jawOpen 0.1, "
            "mouthLowerDown 0.8, mouthFrown 0.2",
        ),
    ),
    "happiness": (
        (
            0.3,
            "mouthSmile 1.35, cheekSquint 0.65, eyeSquint 0.35, mouthUpperUp 0.85, mouthLowerDown 0.9, "
            "mouthStretch 0.5, mouthDimple 0.3, jawOpen 0.05",
        ),
        (
            0.25,
            "mouthSmile 1.35, cheekSquint 0.65, eyeSquint 0.35, mouthUpperUp 0.85, mouthLowerDown 0.5, "
            "mouthStretch 0.4, jawOpen 0.22",
        ),
        # Delight: eyes open, brows raised.
        (
            0.3,
            "mouthSmile 1.4, cheekSquint 0.35, mouthUpperUp 0.9, mouthLowerDown 0.6, mouthStretch 0.35, jawOpen 0.2, "
            "browOuterUp 0.7, browInnerUp 0.6, eyeWide 0.85",
        ),
        (
            0.15,
            "mouthSmile 1.1, cheekSquint 0.65, eyeSquint 0.3, mouthDimple 0.6, mouthStretch 0.2",
        ),
    ),
    "sadness": (
        (
            0.6,
            "browInnerUp 1.5, browDown 0.3, mouthFrown 1.25, mouthShrugLower 0.55, eyeSquint 0.3, "
            "eyeBlink 0.12, eyeLookDown 0.4",
        ),
        (
            0.4,
            "browInnerUp 1.6, browDown 0.45, mouthFrown 1.1, mouthShrugLower 0.3, eyeBlink 0.35, "
            "eyeLookDown 0.8, mouthRollLower 0.2",
        ),
    ),
    "surprise": (
        (
            0.6,
            "browInnerUp 1.1, browOuterUp 1.25, eyeWide 1.15, jawOpen 0.75, mouthFunnel 0.15",
        ),
        (
            0.4,
            "browInnerUp 1.2, browOuterUp 1.35, eyeWide 1.25, jawOpen 0.55, mouthFunnel 0.35",
        ),
    ),
}

# The shapes of ICT-FaceKit are scanned extremes: weights above 1 are clipped.
ICT: Prototypes = {
    "neutral": ((1.0, ""),),
    "anger": (
        (
            0.5,
            "browDown 1.4, browInnerUp -0.95, browOuterUp -0.2, eyeSquint 0.2, eyeWide 0.65, "
            "noseSneer 0.55, mouthRollUpper 0.5, mouthRollLower 0.5, "
            "mouthPress 0.5, mouthFrown 0.45, mouthShrugLower 0.35, jawForward 0.4",
        ),
        (
            0.5,
            "browDown 1.4, browInnerUp -0.95, browOuterUp -0.2, eyeWide 0.7, eyeSquint 0.2, "
            "noseSneer 0.75, mouthUpperUp 0.5, mouthLowerDown 0.95, "
            "mouthStretch 0.45, mouthFunnel 0.2, jawOpen 0.05",
        ),
    ),
    "disgust": (
        (
            0.6,
            "noseSneer 1.4, mouthUpperUp 1.1, browDown 0.8, cheekSquint 0.7, "
            "eyeSquint 0.1, eyeWide 0.2, mouthFrown 0.3, "
            "mouthShrugLower 0.25",
        ),
        (
            0.4,
            "noseSneer 1.4, mouthUpperUp 0.8, browDown 0.7, cheekSquint 0.6, "
            "eyeSquint 0.15, eyeWide 0.2, mouthFrown 0.8, "
            "mouthShrugLower 0.7",
        ),
    ),
    "fear": (
        (
            0.6,
            "browInnerUp 1.3, browOuterUp 0.3, browDown 0.6, eyeWide 1.3, mouthStretch 1.3, jawOpen 0.22, "
            "mouthLowerDown 0.75, mouthUpperUp 0.2",
        ),
        (
            0.4,
            "browInnerUp 1.3, browOuterUp 0.25, browDown 0.6, eyeWide 1.3, mouthStretch 1.3, jawOpen 0.1, "
            "mouthLowerDown 0.7, mouthFrown 0.3",
        ),
    ),
    "happiness": (
        (
            0.5,
            "mouthSmile 1.1, cheekSquint 0.6, eyeSquint 0.4, mouthUpperUp 0.55, mouthLowerDown 0.35, "
            "mouthDimple 0.3, jawOpen 0.06",
        ),
        (
            0.25,
            "mouthSmile 1.1, cheekSquint 0.3, mouthUpperUp 0.5, mouthLowerDown 0.4, jawOpen 0.2, browOuterUp 0.6, "
            "browInnerUp 0.5, eyeWide 0.5",
        ),
        (
            0.25,
            "mouthSmile 1.05, cheekSquint 0.6, eyeSquint 0.35, mouthDimple 0.5",
        ),
    ),
    "sadness": (
        (
            0.6,
            "browInnerUp 1.3, browDown 0.3, mouthFrown 1.2, mouthShrugLower 0.5, eyeSquint 0.35, eyeBlink 0.12, "
            "eyeLookDown 0.4",
        ),
        (
            0.4,
            "browInnerUp 1.3, browDown 0.4, mouthFrown 1.1, mouthShrugLower 0.3, eyeBlink 0.1, eyeLookDown 0.6, "
            "mouthRollLower 0.2",
        ),
    ),
    "surprise": (
        (
            0.6,
            "browInnerUp 1.1, browOuterUp 1.2, eyeWide 1.1, jawOpen 0.65, mouthFunnel 0.15",
        ),
        (
            0.4,
            "browInnerUp 1.1, browOuterUp 1.2, eyeWide 1.2, jawOpen 0.5, mouthFunnel 0.4",
        ),
    ),
}


def prototype_weights(text: str) -> dict[str, float]:
    """Parse ``"jawOpen 0.6, eyeWide 1"``."""
    return {name: float(weight) for name, weight in (item.split() for item in text.split(",") if item)}


# Units that define the label and are never dropped.
_CORE: Mapping[str, tuple[str, ...]] = {
    "anger": ("browDown",),
    "disgust": ("noseSneer", "mouthUpperUp"),
    "fear": ("browInnerUp", "eyeWide", "mouthStretch"),
    "happiness": ("mouthSmile",),
    "sadness": ("mouthFrown", "browInnerUp"),
    "surprise": ("jawOpen", "browOuterUp"),
    "neutral": (),
}
_ONE_SIDED = (
    "browInnerUp", "cheekPuff", "jaw", "mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker", "mouthRight",
    "mouthRoll", "mouthShrug", "tongueOut",
)  # fmt: skip
_DROP, _LOW, _HIGH = 0.08, 0.65, 1.1


def sides(name: str) -> tuple[str, ...]:
    """Return the target names of a unit: one, or one per side."""
    return (f"unit/{name}",) if name.startswith(_ONE_SIDED) else (f"unit/{name}Left", f"unit/{name}Right")


def draw_apex(label: str, rng: np.random.Generator, prototypes: Prototypes = MAKEHUMAN) -> dict[str, float]:
    """Draw unit weights at full strength: a variant of the prototype, weights varied, some dropped, sides unequal."""
    variants = prototypes[label]
    shares = np.array([share for share, _ in variants])
    prototype = prototype_weights(variants[int(rng.choice(len(variants), p=shares / shares.sum()))][1])
    lopsided = float(np.clip(rng.normal(0, 0.08), -0.2, 0.2))
    weights: dict[str, float] = {}
    for name, weight in prototype.items():
        scale, dropped = rng.uniform(_LOW, _HIGH), rng.random() < _DROP
        if dropped and name not in _CORE[label]:
            continue
        for sign, side in zip((1, -1), sides(name), strict=False):
            weights[side] = float(weight * scale * (1 + sign * lopsided))
    if label == "happiness" and rng.random() < 0.25:  # smiles occur with any position of brows and lids
        raised = {"browOuterUp": 0.5, "browInnerUp": 0.5, "eyeWide": 0.6}
        for name, most in raised.items():
            amount = float(rng.uniform(0.1, most))
            for side in sides(name):
                weights[side] = weights.get(side, 0.0) + amount
    return weights
