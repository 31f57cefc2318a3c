"""A folder of portraits for `synthphoto`: read, fitted by the ICT head, and kept fitted in the cache folder."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_zoo.data.shards import shared_landmarker
from fer_zoo.errors import InputError, writing
from fer_zoo.files import write_atomically
from fer_zoo.specs import ComponentSpec
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.photo import Portrait
from fer_zoo.synth.photo_fit import Photograph, fit_photograph
from fer_zoo.video.picture import read_picture

Landmarks = NDArray[np.floating]

# Raise when photographs are fitted differently.
_VERSION = 4
_SUFFIXES = (".jpg", ".jpeg", ".png")
HAND_SET = "points189.npz"
# Points of the template of the Face Research Lab, hand-set, that lie on the iBUG landmarks on average over 40 faces;
# the mean of two where a landmark is between them, none where no point is near.
_TEMPLATE: tuple[tuple[int, ...], ...] = (
    (109,), (110,), (), (), (), (), (), (128,), (129,), (130,), (), (), (), (), (), (113,), (112,),
    (71, 71, 72), (72, 73), (73, 74), (74, 75), (75, 76), (77, 78), (78, 79), (79, 80), (80, 81), (81, 82, 82),
    (51, 57), (52, 58), (53, 59), (54, 60), (64,), (170,), (55,), (172,), (69,),
    (18,), (3,), (9,), (22,), (7, 30), (28, 5), (23,), (11,), (17,), (27,), (15, 33), (13, 31),
    (87,), (88,), (89,), (90,), (91,), (92,), (93,), (107, 108), (106, 107), (106,), (105,), (104,),
    (), (95, 100), (96, 101), (97, 102), (), (97, 102), (96, 101), (95, 100),
)  # fmt: skip


def read_portraits(
    folder: Path, family: HeadFamily, head_digest: str, landmarker: str, cache_folder: Path
) -> tuple[Portrait, ...]:
    """Return the portraits of a folder, in the order of their names; fits those that the cache does not hold yet.

    Landmarks are the hand-set ones of `points189.npz` in the folder, where it has some for a picture, else those that
    the landmarker finds. `info.csv` (face_id, age, gender), if it is there, gives age and sex.

    Raises:
        InputError, VideoError: there is no such folder, no picture in it, one that cannot be read or without a face.
        UnknownNameError, MissingExtraError: the landmarker does not exist or is not installed.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    except OSError as error:
        raise InputError(
            f"The folder of photographs {folder} cannot be read: {error}.",
            "a folder of frontal, neutral portraits",
            "correct the path",
        ) from error
    if not files:
        raise InputError(f"There is no picture in {folder}.", ", ".join(_SUFFIXES), "name the folder of the portraits")
    hand_set, known = _hand_set(folder / HAND_SET), _known(folder / "info.csv")
    portraits = []
    for path in files:
        marks = hand_set.get(path.name)
        source = landmarker.encode() if marks is None else marks.tobytes()
        key = hashlib.sha256(b"".join([path.read_bytes(), source, head_digest.encode(), b"%d" % _VERSION])).hexdigest()
        kept = cache_folder / "photographs" / f"{key[:24]}.npz"
        fitted = _kept(kept) or _fitted(path, family, landmarker, marks, kept)
        portraits.append(Portrait(path.stem, fitted, *known.get(path.stem, (None, None))))
    return tuple(portraits)


def _fitted(path: Path, family: HeadFamily, landmarker: str, marks: Landmarks | None, kept: Path) -> Photograph:
    image = read_picture(path)
    if marks is None:
        faces = shared_landmarker(ComponentSpec(name=landmarker)).detect(image)
        if not faces:
            raise InputError(
                f"No face was found in {path}.",
                "frontal portraits, one face in each, the eyes at least 60 pixels apart",
                "take the picture out of the folder",
            )
        marks = faces[0].landmarks
    fitted = fit_photograph(family, image, marks)
    with writing(kept, do="free some space or set FER_ZOO_CACHE to another folder"):
        write_atomically(kept, lambda stream: np.savez_compressed(stream, **fitted.__dict__))
    return fitted


def _kept(path: Path) -> Photograph | None:
    """Return the fitted photograph of a cache file; None if it is missing or damaged: then it is fitted again."""
    try:
        with np.load(path) as data:
            return Photograph(
                **{name: data[name] for name in ("albedo", "identity", "hair", "iris", "brows")},
                error=float(data["error"]),
            )
    except Exception:  # whatever damaged bytes lead zipfile and numpy to
        return None


def _hand_set(path: Path) -> dict[str, Landmarks]:
    """Return the hand-set landmarks (68, 2) of each picture, NaN where the template has no point."""
    if not path.exists():
        return {}
    try:
        with np.load(path) as data:
            files, points = data["files"].tolist(), data["points"].astype(np.float64)
        found = [[face[list(near)].mean(0) if near else np.full(2, np.nan) for near in _TEMPLATE] for face in points]
        return {str(name): np.array(marks) for name, marks in zip(files, found, strict=True)}
    except Exception as error:  # whatever damaged bytes lead zipfile and numpy to
        raise InputError(
            f"{path} cannot be read: {error}.",
            "an .npz file with `files` (n) and `points` (n, 189, 2)",
            "correct it, or delete it: then landmarks are detected",
        ) from error


def _known(path: Path) -> dict[str, tuple[float | None, float | None]]:
    """Return sex (0 female, 1 male) and age in years of each face_id, None where the table does not say."""
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, csv.Error) as error:
        columns = "a table with the columns face_id, gender and age"
        raise InputError(f"{path} cannot be read: {error}.", columns, "correct it, or delete it") from error
    sexes = {"female": 0.0, "male": 1.0}
    return {
        row.get("face_id", ""): (
            sexes.get((row.get("gender") or "").strip().lower()),
            float(age) if (age := (row.get("age") or "").strip()).isdecimal() else None,
        )
        for row in rows
    }
