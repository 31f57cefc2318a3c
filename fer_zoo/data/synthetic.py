"""The datasets of rendered heads: `synthmh` and `synthict`, drawn from numbers alone, and `synthphoto`."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.render_cache import rendered_clips
from fer_zoo.errors import InputError, writing
from fer_zoo.files import write_atomically
from fer_zoo.registry import register_dataset

if TYPE_CHECKING:
    from fer_zoo.synth.family import HeadFamily

# As in fer_zoo.synth.family, which loads numba.
Style = Literal["posed", "natural"]
ICT_VARIABLE = "FER_ZOO_ICT_FACEKIT"
PHOTOS_VARIABLE = "FER_ZOO_PHOTOGRAPHS"


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
        variety, style, without, render_seed: as for `synthmh`.

    Raises:
        OptionError, UnknownNameError, InputError: as for `synthmh`, and there is no head data.
    """
    return rendered_clips(
        request, "synthict", functools.partial(_ict, ict_pack(head), variety, style, without), render_seed
    )


@register_dataset(
    "synthphoto",
    synthetic=True,
    licence="CC BY 4.0 (photographs), MIT (head)",
    terms="Credit: skin from photographs in L. DeBruine and B. Jones (2017), Young Adult White Faces with Manipulated "
    "Versions, figshare 4220517, https://doi.org/10.6084/m9.figshare.4220517, licensed under CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/), changed: fitted, recoloured and rendered on other shapes with "
    "expressions. Heads: ICT-FaceKit, 2020 USC Institute for Creative Technologies. Never try to identify the people. "
    "Other photographs have their own terms.",
    may_use="anybody who gives the credit",
    share_weights="yes: with the credit to the photographs, in the card",
    terms_source="LICENSE.md of figshare 4220517 version 1, and LICENSE of github.com/ICT-VGL/ICT-FaceKit at da5f95a, "
    "read 2026-11-29",
    training_data="synthphoto: rendered ICT-FaceKit light heads (MIT) with skin taken from 40 neutral portraits "
    "(DeBruine and Jones 2017, figshare 4220517, CC BY 4.0). The people are white and 17 to 35 years old; "
    "darker tones are computed.",
)
def synthphoto(
    request: ClipRequest,
    *,
    photos: str = "",
    head: str = "",
    per_photo: int = 25,
    landmarker: str = "fz68",
    variety: float = 0.0,
    style: Style = "posed",
    without: str = "",
    render_seed: int = 0,
) -> ClipSet:
    """Rendered expressions with photographed skin; the group `photo` names the photograph of a subject.

    Args:
        photos: folder of frontal neutral portraits; default the environment's FER_ZOO_PHOTOGRAPHS. Where it lies is no
            part of what the clips are.
        head: as for `synthict`.
        per_photo: subjects in a row with the skin of the same photograph, on different shapes and in different tones.
        landmarker: finds the landmarks of photographs without hand-set ones.
        variety, style, without: as for `synthmh`.
        render_seed: another number draws other shapes and tones.

    Raises:
        OptionError: the variety is not in 0..1, per_photo is less than 1, or an unknown style or movement.
        UnknownNameError: a label that the generator has no expression for, or a landmarker that does not exist.
        MissingExtraError: the landmarker is not installed.
        InputError, VideoError: there is no head data or no photographs, a picture is damaged or has no face, or the
            cache folder cannot be used.
    """
    named = (ict_pack(head), photo_folder(photos), per_photo, landmarker, variety, style, without)
    return rendered_clips(request, "synthphoto", functools.partial(photo_heads, *named), render_seed)


def photo_heads(
    pack: Path,
    folder: Path,
    per_photo: int = 25,
    landmarker: str = "fz68",
    variety: float = 0.0,
    style: Style = "posed",
    without: str = "",
) -> HeadFamily:
    """Return the family of `synthphoto`, fitted to the photographs of a folder at the first use.

    Raises:
        see `synthphoto`.
    """
    try:
        state = tuple(sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir()))
    except OSError:
        state = ()  # `read_portraits` says what is wrong
    return _styled(_photo_family(pack, folder, per_photo, landmarker, state), variety, style, without)


@functools.lru_cache(maxsize=2)
def _photo_family(pack: Path, folder: Path, per_photo: int, landmarker: str, _state: tuple[object, ...]) -> HeadFamily:
    from fer_zoo.data.photographs import read_portraits
    from fer_zoo.synth.ict import ict_family
    from fer_zoo.synth.photo import photo_family

    ict = ict_family(pack)
    digest = hashlib.sha256(pack.read_bytes()).hexdigest()
    return photo_family(ict, read_portraits(folder, ict, digest, landmarker, cache_root()), per_photo)


def photo_folder(photos: str = "") -> Path:
    """Return the folder of photographs that is named, or that of the environment.

    Raises:
        InputError: nothing is named.
    """
    named = photos or os.environ.get(PHOTOS_VARIABLE, "")
    if not named:
        raise InputError(
            "synthphoto takes the skin of its subjects from photographs, which are not part of this package.",
            "a folder of frontal, neutral portraits",
            "download one, e.g. figshare 4220517 (CC BY 4.0), and name it in the environment variable "
            f"{PHOTOS_VARIABLE}, or in the recipe as data.dataset.photos",
        )
    return Path(named).expanduser().absolute()


def _makehuman(variety: float, style: Style = "posed", without: str = "") -> HeadFamily:
    from fer_zoo.synth.family import makehuman

    return _styled(makehuman(), variety, style, without)


def _ict(pack: Path, variety: float, style: Style = "posed", without: str = "") -> HeadFamily:
    from fer_zoo.synth.ict import ict_family

    return _styled(ict_family(pack), variety, style, without)


def _styled(family: HeadFamily, variety: float, style: Style, without: str) -> HeadFamily:
    from fer_zoo.synth.family import styled
    from fer_zoo.synth.variety import varied

    return styled(varied(family, variety), style, without)


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
    return _packed(path) if os.path.isdir(path) else path


def _packed(checkout: Path) -> Path:
    from fer_zoo.synth.ict_pack import model_folder, pack_checkout

    folder = model_folder(checkout) or checkout
    state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.obj"))]
    pack = cache_root() / f"ict-facekit-{hashlib.sha256(repr(state).encode()).hexdigest()[:16]}.npz"
    if pack.exists():
        return pack
    arrays = pack_checkout(checkout)
    with writing(pack, do="free some space or set FER_ZOO_CACHE to another folder"):
        write_atomically(pack, lambda stream: np.savez_compressed(stream, **arrays))  # type: ignore[arg-type]
    return pack
