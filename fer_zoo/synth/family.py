"""A family of heads: everything that distinguishes one synthetic database from another, except rendering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.synth.brows import levelled
from fer_zoo.synth.expression import LID_LIMITS
from fer_zoo.synth.head import Head, Traits, load_head, shape_weights
from fer_zoo.synth.movement import MOVEMENTS
from fer_zoo.synth.prototypes import MAKEHUMAN, Prototypes
from fer_zoo.synth.skin import Skin, draw_skin

Floats = NDArray[np.float64]
Style = Literal["posed", "natural"]


@dataclass(frozen=True, eq=False)
class HeadFamily:
    """A mesh and how subjects are drawn from it. ``stream`` seeds the random numbers of a family."""

    head: Head
    draw_shape: Callable[[Traits, np.random.Generator], Floats]  # offsets (n, 3) of a subject from head.base
    draw_skin: Callable[[Traits, np.random.Generator], Skin]
    prototypes: Prototypes
    lid_limits: Mapping[str, float]  # largest sums of weights around the eyes
    stream: tuple[int, ...]
    variety: float = 0.0  # 0..1, variation beyond the head's own targets
    modes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))  # (k, n, 3) identities
    by_subject: Callable[[int], HeadFamily] | None = None  # where subjects differ in more than drawn numbers
    traits: Mapping[str, Any] = field(default_factory=dict)  # known traits, which are not drawn
    groups: Mapping[str, str] = field(default_factory=dict)  # groups of the subject besides those of the traits
    unit_set: str = "synthmh"  # the entry of data/expressions.yaml for the head's units
    style: Style = "posed"
    without: frozenset[str] = frozenset()  # movements that the style "natural" leaves out

    def of_subject(self, subject: int) -> HeadFamily:
        """Return the family from which one subject is drawn."""
        if self.by_subject is None:
            return self
        return replace(self.by_subject(subject), variety=self.variety, style=self.style, without=self.without)


@lru_cache(maxsize=8)
def styled(family: HeadFamily, style: Style, without: str = "") -> HeadFamily:
    """Return the family with a style of expressions and resting faces.

    Args:
        style: "posed" (textbook expressions, strong) or "natural" (variants at any strength, movements, resting faces).
        without: movements that "natural" leaves out, e.g. "speech,gaze"; names of ``movement.MOVEMENTS``.

    Raises:
        OptionError: an unknown style or movement.
    """
    if style not in get_args(Style):
        raise OptionError(f"style={style!r}.", " or ".join(get_args(Style)), 'use "posed", the default, or "natural"')
    names = frozenset(name.strip() for name in without.split(",") if name.strip())
    if names - set(MOVEMENTS) or (names and style == "posed"):
        given = f"without={without!r} with style={style!r}."
        raise OptionError(given, 'with "natural", any of ' + ", ".join(MOVEMENTS), "correct the names, or omit without")
    return replace(family, style=style, without=names) if style != "posed" else family


# Heights for `levelled`: the mean over 300 rendered neutral subjects.
_BROWS = np.array([0.30, 0.41, 0.48, 0.42, 0.31])


@cache
def makehuman() -> HeadFamily:
    """Return the family of the MakeHuman head in the package."""
    head = load_head()
    level = levelled(head.base, head.landmark_vertices, _BROWS)

    def draw_shape(traits: Traits, rng: np.random.Generator) -> Floats:
        return head.offsets(shape_weights(traits, rng)) + level

    return HeadFamily(head, draw_shape, draw_skin, MAKEHUMAN, LID_LIMITS, stream=())
