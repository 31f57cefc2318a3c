"""The datasets `synthmh` and `synthict`: rendered heads of two kinds, each drawn from numbers alone."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.render_cache import rendered_clips
from fer_zoo.errors import InputError
from fer_zoo.files import write_atomically
from fer_zoo.registry import register_dataset

if TYPE_CHECKING:
    from fer_zoo.synth.family import HeadFamily

# As in fer_zoo.synth.family, which loads numba.
Style = Literal["posed", "natural"]
ICT_VARIABLE = "FER_ZOO_ICT_FACEKIT"


def cache_root() -> Path:
    """Folder for rendered clips: the environment variable FER_ZOO_CACHE, else `~/.cache/fer_zoo`."""
    return Path(os.environ.get("FER_ZOO_CACHE") or Path.home() / ".cache" / "fer_zoo")


@register_dataset(
    "synthmh",
    synthetic=True,
    licence="Apache-2.0",
    terms="None beyond the licence: the faces are rendered from MakeHuman data, which is CC0 1.0.",
    may_use="anybody",
    share_weights="yes, as this package's own are",
    terms_source="fer_zoo/synth/data/LICENSE.md in this package, read 2026-11-22",
    training_data="synthmh: rendered MakeHuman heads (CC0 1.0). No picture of a person was used.",
)
def synthmh(
    request: ClipRequest, *, variety: float = 0.0, style: Style = "posed", without: str = "", render_seed: int = 0
) -> ClipSet:
    """Rendered MakeHuman heads: exact landmarks, unlimited subjects; renders what the cache does not hold yet.

    Args:
        variety: 0 to 1, how far features of subjects, and how they move them, go beyond the head's own targets.
        style: `posed` are textbook expressions; `natural` are variants at any strength, with speech and other
            movements, on varied resting faces.
        without: movements that `natural` leaves out, e.g. `speech,gaze`.
        render_seed: another number draws other people.

    Raises:
        OptionError: the variety is not in 0..1, or an unknown style or movement.
        UnknownNameError: a label that the generator has no expression for.
        InputError: the cache folder cannot be used.
    """
    return rendered_clips(request, "synthmh", functools.partial(_makehuman, variety, style, without), render_seed)


@register_dataset(
    "synthict",
    synthetic=True,
    licence="MIT",
    terms="The notice of the licence (2020 USC Institute for Creative Technologies) goes with copies of the head data.",
    may_use="anybody",
    share_weights="yes: the licence sets no limit on what is made with the data",
    terms_source="LICENSE of github.com/ICT-VGL/ICT-FaceKit at da5f95a, read 2026-11-22",
    training_data="synthict: rendered ICT-FaceKit light heads (MIT), whose shapes were learnt from scans of people. "
    "No picture of a person was used.",
)
def synthict(
    request: ClipRequest,
    *,
    head: str = "",
    variety: float = 0.0,
    style: Style = "posed",
    without: str = "",
    render_seed: int = 0,
) -> ClipSet:
    """Rendered ICT-FaceKit heads: other shapes, expressions and skin than `synthmh`; exact landmarks.

    Args:
        head: checkout of ICT-FaceKit, or an .npz packed from it; default the environment's FER_ZOO_ICT_FACEKIT. Where
            it lies is no part of what the clips are.
        variety: 0 to 1, how far features of subjects, and how they move them, go beyond the head's own targets.
        style: `posed` are textbook expressions; `natural` are variants at any strength, with speech and other
            movements, on varied resting faces.
        without: movements that `natural` leaves out, e.g. `speech,gaze`.
        render_seed: another number draws other people.

    Raises:
        OptionError: the variety is not in 0..1, or an unknown style or movement.
        UnknownNameError: a label that the generator has no expression for.
        InputError: there is no head data, or the cache folder cannot be used.
    """
    return rendered_clips(
        request, "synthict", functools.partial(_ict, ict_pack(head), variety, style, without), render_seed
    )


def _makehuman(variety: float, style: Style = "posed", without: str = "") -> HeadFamily:
    from fer_zoo.synth.family import makehuman, styled
    from fer_zoo.synth.variety import varied

    return styled(varied(makehuman(), variety), style, without)


def _ict(pack: Path, variety: float, style: Style = "posed", without: str = "") -> HeadFamily:
    from fer_zoo.synth.family import styled
    from fer_zoo.synth.ict import ict_family
    from fer_zoo.synth.variety import varied

    return styled(varied(ict_family(pack), variety), style, without)


def ict_pack(head: str = "") -> Path:
    """The packed ICT-FaceKit: the file named, or one made from the checkout named and kept in `cache_root()`.

    Raises:
        InputError: nothing is named, or what is named is no ICT-FaceKit.
    """
    named = head or os.environ.get(ICT_VARIABLE, "")
    if not named:
        raise InputError(
            "synthict draws heads of ICT-FaceKit, which is not part of this package.",
            "a checkout of ICT-FaceKit (MIT, 0.5 GB), or an .npz file packed from it",
            "git clone https://github.com/ICT-VGL/ICT-FaceKit, and say where it is: in the environment variable "
            f"{ICT_VARIABLE}, or in the recipe as data.dataset.head",
        )
    path = Path(named).expanduser().absolute()
    return _packed(path) if path.is_dir() else path


def _packed(checkout: Path) -> Path:
    from fer_zoo.synth.ict_pack import model_folder, pack_checkout

    folder = model_folder(checkout) or checkout
    state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.obj"))]
    pack = cache_root() / f"ict-facekit-{hashlib.sha256(repr(state).encode()).hexdigest()[:16]}.npz"
    if pack.exists():
        return pack
    arrays = pack_checkout(checkout)
    try:
        write_atomically(pack, lambda stream: np.savez_compressed(stream, **arrays))  # type: ignore[arg-type]
    except OSError as error:
        raise InputError(
            f"The packed head cannot be written to {pack}: {error}.",
            "room for 20 MB",
            "free some space or set FER_ZOO_CACHE to another folder",
        ) from error
    return pack
