"""The family of ``synthphoto``: skin of photographs on shapes of the ICT head, some drawn and some fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.head import Traits
from fer_zoo.synth.ict_skin import MELANIN
from fer_zoo.synth.photo_fit import Photograph, brow_cover
from fer_zoo.synth.skin import IRISES, Skin, clothes, hair_colour, lash_line

Floats = NDArray[np.float64]

_ADULT, _OLD = 18.0, 80.0  # years at which the trait ``age`` is 0 and 1
_DARKEST = 0.72
_WARM = np.array([1.0, 0.85, 0.7])  # hair is never bluer, though it reflects the studio


@dataclass(frozen=True)
class Portrait:
    """A fitted photograph, its name, and what is known of its subject; sex as in ``Traits``, age in years."""

    name: str
    photograph: Photograph
    sex: float | None = None
    age: float | None = None


def photo_family(ict: HeadFamily, portraits: Sequence[Portrait], per_photo: int = 25) -> HeadFamily:
    """Return a family whose subjects k * per_photo to (k + 1) * per_photo - 1 have the skin of the same photograph.

    With all photographs used, the next subjects begin with the first photograph again, with other shapes. Photographs
    are in a random order that does not change.

    Args:
        ict: the family that the photographs were fitted with.

    Raises:
        OptionError: per_photo is less than 1.
    """
    if per_photo < 1:
        raise OptionError(f"per_photo={per_photo}.", "an integer >= 1", "set per_photo to at least 1")
    order = np.random.default_rng(0).permutation(len(portraits))
    # The lips are photographed: nothing is painted over them.
    family = replace(ict, head=replace(ict.head, lip=np.zeros_like(ict.head.lip)), stream=(2,))

    def of_subject(subject: int) -> HeadFamily:
        portrait = portraits[int(order[subject // per_photo % len(order)])]
        known = {
            "sex": portrait.sex,
            "age": None if portrait.age is None else (portrait.age - _ADULT) / (_OLD - _ADULT),
        }
        return replace(
            family,
            draw_shape=partial(_draw_shape, ict, portrait.photograph),
            draw_skin=partial(_draw_skin, portrait.photograph),
            traits={name: min(max(value, 0.0), 1.0) for name, value in known.items() if value is not None},
            groups={"photo": portrait.name},
        )

    return replace(family, by_subject=of_subject)


def _draw_shape(ict: HeadFamily, photograph: Photograph, traits: Traits, rng: np.random.Generator) -> Floats:
    """Draw a shape between the fitted one and any other; half-way it differs from the mean as much as both."""
    share = rng.uniform(0, 1)
    fitted = np.einsum("k,knc->nc", photograph.identity, ict.modes)
    return np.asarray(share * fitted + np.sqrt(1 - share**2) * ict.draw_shape(traits, rng))


def _draw_skin(photograph: Photograph, traits: Traits, rng: np.random.Generator) -> Skin:
    """Draw a tint of the photographed skin, mirrored or not."""
    paint, brows = (photograph.albedo / 255.0) ** 2.2, photograph.brows
    if rng.random() < 0.5:
        paint, brows = paint[:, ::-1].copy(), brows[::-1] * [-1, 1]
    dark = _DARKEST * traits.skin_tone
    paint *= np.exp(-dark * MELANIN) * np.exp(rng.normal(0, 0.08)) * (1 + rng.normal(0, 0.03, 3))
    light = traits.skin_tone < 0.4
    own = np.minimum(photograph.hair, photograph.hair[0] * _WARM)
    hair = own * rng.uniform(0.6, 1.0) if light and rng.random() < 0.7 else hair_colour(traits, rng)
    # Photographed irises have reflections, which are rendered.
    iris = 0.75 * photograph.iris if light and rng.random() < 0.7 else IRISES[rng.integers(6 if light else 2)]
    lash_line(paint, traits, rng)
    _deepen_brows(paint, brow_cover(brows), rng)
    clothes(paint, rng)
    return Skin(
        albedo=np.clip(paint, 0, 1).astype(np.float32),
        lip=np.zeros(3),  # not painted
        iris=iris * rng.uniform(0.8, 1.2),
        hair=hair,
        teeth=np.array([0.66, 0.58, 0.46]) * rng.uniform(0.75, 1.2),
        gloss=float(rng.uniform(0.15, 0.6)),
        wrinkle_gain=0.8 + 0.9 * traits.age,
        beard=0.0,
        brows=brows,
    )


def _deepen_brows(paint: Floats, where: Floats, rng: np.random.Generator) -> None:
    """Make the photographed brows of the paint (h, w, 3) stronger or weaker, in place; fair ones become visible.

    Args:
        where: of `brow_cover`.
    """
    from scipy.ndimage import uniform_filter

    dark = np.log(np.maximum(paint.mean(-1), 1e-4))
    dark = np.clip(uniform_filter(dark, 31) - dark, 0, 2.5)  # than the skin around
    contrast = max(float(np.percentile(dark[where > 0.5], 90)), 0.05)
    wanted = max(contrast * rng.uniform(0.8, 1.5), rng.uniform(0.35, 0.9))
    paint *= np.exp((1 - wanted / contrast) * where * dark)[..., None]
