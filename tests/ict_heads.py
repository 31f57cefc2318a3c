"""Heads for tests of `synthict`: the real pack if available, and a generated one that needs no download."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fer_zoo.synth.head import EYE, LASH, SKIN, TEETH, TONGUE, load_head
from fer_zoo.synth.ict_pack import EYES, FACE, GUMS, LASHES, SOCKET
from fer_zoo.synth.ict_pack import TEETH as TOOTH

ONE_SIDED = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
HALVED = ("browInnerUp", "cheekPuff")


def real_pack() -> Path:
    """The packed ICT-FaceKit of this machine; skips the test if there is none."""
    shared = Path(__file__).parents[1] / "../shared/faces/ict_facekit_light.npz"
    path = Path(os.environ.get("FER_ZOO_ICT_FACEKIT") or shared)
    if not path.is_file():
        pytest.skip("needs a packed ICT-FaceKit: FER_ZOO_ICT_FACEKIT, or ../shared/faces/ict_facekit_light.npz")
    return path


def made_up_arrays() -> dict[str, np.ndarray]:
    """The MakeHuman head in the format of a pack: centimetres, shifted, sides _L and _R, few subjects."""
    head = load_head()
    part_of = {SKIN: FACE, EYE: EYES, TEETH: TOOTH, TONGUE: GUMS, LASH: LASHES}
    part = np.array([part_of[m] for m in head.material])
    part[(head.material == SKIN) & (head.mouth_inside[head.triangles].min(1) > 0.5)] = SOCKET
    left = head.base[:, :1] > 0
    shapes: dict[str, np.ndarray] = {}
    for target in head.targets:
        name, offsets = target.removeprefix("unit/"), head.offsets({target: 10.0})
        if name.startswith("eyeLook"):
            offsets[head.vertex_material == EYE] = 0  # as in the real one
        if name == target or name == "tongueOut":
            continue
        if name in HALVED:
            shapes |= {f"{name}_L": offsets * left, f"{name}_R": offsets * ~left}
        elif name in ONE_SIDED or not name.endswith(("Left", "Right")):
            shapes[name] = offsets
        else:
            shapes[name.removesuffix("Left").removesuffix("Right") + ("_L" if name.endswith("Left") else "_R")] = (
                offsets
            )
    identities = (
        "chin/chin-height-incr",
        "nose/nose-scale-vert-incr",
        "mouth/mouth-scale-horiz-incr",
        "head/head-fat-incr",
    )
    return {
        "base": (head.base * 10 - [0, 70, 0]).astype(np.float32),
        "quads": head.triangles[:, [0, 1, 2, 0]].astype(np.uint16),
        "part": part.astype(np.uint8),
        "identity": np.stack([head.offsets({name: 8.0}) for name in identities]).astype(np.float16),
        "shapes": np.stack(list(shapes.values())).astype(np.float16),
        "shape_names": np.array(list(shapes)),
        "landmarks68": head.landmark_vertices.astype(np.uint16),
    }


def made_up_pack(folder: Path) -> Path:
    """Write the generated head to a file in the folder."""
    path = folder / "made_up_ict.npz"
    np.savez_compressed(path, **made_up_arrays())
    return path
