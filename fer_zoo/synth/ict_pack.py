"""Packs a checkout of ICT-FaceKit (MIT) into the arrays that ``ict`` reads: mesh, parts, identities, expressions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import InputError

FACE, EYES, TEETH, GUMS, LASHES, SOCKET = range(6)

# First and last + 1 face of each part in the OBJ files (table in ICT-FaceKit's README.md). Eye sockets, tear fluid and
# the sheets between lid and eyeball are omitted.
PARTS: tuple[tuple[int, int, int], ...] = (
    (0, 11144, FACE),
    (11144, 13226, SOCKET),
    (14034, 17006, GUMS),
    (17006, 21496, TEETH),
    (21496, 24692, EYES),
    (25304, 26384, LASHES),
)
# `idx_to_landmark_verts` of FaceXModel/vertex_indices.json: the 68 landmarks of Multi-PIE, in iBUG order.
LANDMARKS: tuple[int, ...] = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,  # jaw
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509,  # brows
    978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360,  # nose
    1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,  # eyes
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841,  # outer lips
    5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,  # inner lips
)  # fmt: skip

NEUTRAL = "generic_neutral_mesh"
Arrays = dict[str, NDArray[np.generic]]


def model_folder(checkout: Path) -> Path | None:
    """Return the folder with the OBJ files, the checkout itself or FaceXModel in it; None if there are none."""
    for folder in (checkout, checkout / "FaceXModel"):
        if (folder / f"{NEUTRAL}.obj").is_file():
            return folder
    return None


def pack_checkout(
    checkout: Path,
    parts: Sequence[tuple[int, int, int]] = PARTS,
    landmarks: Sequence[int] = LANDMARKS,
) -> Arrays:
    """Read ``FaceXModel/*.obj`` (about 160 files, 400 MB) and keep the rendered parts; takes about 20 seconds.

    Arrays: base (n, 3) float32 and quads (q, 4) uint16 (a triangle repeats its first corner), part (q,) uint8,
    identity (k, n, 3) and shapes (s, n, 3) float16, both offsets from base, shape_names (s,), landmarks68 (68,).
    Centimetres, as in the files.

    Raises:
        InputError: the folder does not contain ICT-FaceKit, or a file does not match the neutral mesh.
    """
    folder = model_folder(checkout)
    names = sorted(path.stem for path in folder.glob("*.obj")) if folder else []
    modes = [name for name in names if name.startswith("identity")]
    units = [name for name in names if name != NEUTRAL and not name.startswith("identity")]
    if folder is None or not modes or not units:
        raise InputError(
            f"{checkout} holds no ICT-FaceKit: {len(modes)} identity and {len(units)} expression shapes found.",
            f"a checkout with FaceXModel/{NEUTRAL}.obj, identity000.obj, jawOpen.obj and so on",
            "run git clone https://github.com/ICT-VGL/ICT-FaceKit and pass that folder",
        )
    neutral, quads = _vertices(folder / f"{NEUTRAL}.obj"), _quads(folder / f"{NEUTRAL}.obj")
    kept = np.concatenate([np.arange(first, end) for first, end, _ in parts])
    if kept.max() >= len(quads):
        raise InputError(
            f"{folder / NEUTRAL}.obj has {len(quads)} faces.",
            f"at least {kept.max() + 1}",
            "check out ICT-FaceKit again",
        )
    used = np.unique(quads[kept])
    place = np.zeros(len(neutral), np.uint16)
    place[used] = np.arange(len(used))

    def offsets(names: list[str]) -> NDArray[np.float16]:
        return np.stack(
            [(_shape(folder / f"{name}.obj", neutral) - neutral)[used].astype(np.float16) for name in names]
        )

    return {
        "base": neutral[used],
        "quads": place[quads[kept]],
        "part": np.concatenate([np.full(end - first, part, np.uint8) for first, end, part in parts]),
        "identity": offsets(modes),
        "shapes": offsets(units),
        "shape_names": np.array(units),
        "landmarks68": place[np.array(landmarks)],
    }


def _vertices(path: Path) -> NDArray[np.float32]:
    with path.open() as lines:
        return np.array([line.split()[1:4] for line in lines if line.startswith("v ")], np.float32)


def _shape(path: Path, neutral: NDArray[np.float32]) -> NDArray[np.float32]:
    found = _vertices(path)
    if found.shape != neutral.shape:
        raise InputError(
            f"{path} has {len(found)} vertices.",
            f"{len(neutral)}, like the neutral mesh",
            "check out ICT-FaceKit again",
        )
    return found


def _quads(path: Path) -> NDArray[np.int64]:
    with path.open() as lines:
        faces = [[int(corner.split("/")[0]) - 1 for corner in line.split()[1:]] for line in lines if line[:2] == "f "]
    return np.array([face if len(face) == 4 else [*face, face[0]] for face in faces])
