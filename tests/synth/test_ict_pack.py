"""Packing of OBJ files in the layout of an ICT-FaceKit checkout."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fer_zoo.errors import InputError
from fer_zoo.synth.ict_pack import EYES, FACE, LANDMARKS, PARTS, model_folder, pack_checkout

NEUTRAL = np.random.default_rng(0).uniform(-5, 5, (8, 3)).round(4)
# Vertex 3 belongs to the omitted part; vertex 7 to a triangle.
FACES = [[0, 1, 2, 4], [3, 1, 2, 0], [4, 5, 6, 0], [5, 6, 7]]
TWO_PARTS = ((0, 1, FACE), (2, 4, EYES))
SHAPES = {"identity000": 1.0, "identity001": -0.5, "jawOpen": 0.25, "browDown_L": 2.0}


def write_obj(path: Path, vertices: np.ndarray) -> None:
    lines = ["# ICT FaceKit", "mtllib ICTFaceModelMaterial.mtl"]
    lines += [f"v {x} {y} {z}" for x, y, z in vertices]
    lines += ["vt 0.5 0.25", "vn 0 0 1", "usemtl M_Face"]
    lines += ["f " + " ".join(f"{corner + 1}/1/1" for corner in face) for face in FACES]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "ICT-FaceKit" / "FaceXModel"
    folder.mkdir(parents=True)
    write_obj(folder / "generic_neutral_mesh.obj", NEUTRAL)
    for name, offset in SHAPES.items():
        write_obj(folder / f"{name}.obj", NEUTRAL + np.array([0, offset, 0]))
    (folder / "vertex_indices.json").write_text("{}")
    return folder.parent


def pack(checkout: Path) -> dict[str, np.ndarray]:
    return pack_checkout(checkout, TWO_PARTS, landmarks=[6, 7, 0])


def test_mesh_parts_and_shapes(checkout: Path) -> None:
    arrays = pack(checkout)
    np.testing.assert_allclose(arrays["base"], np.delete(NEUTRAL, 3, 0), rtol=1e-6)
    assert arrays["quads"].tolist() == [[0, 1, 2, 3], [3, 4, 5, 0], [4, 5, 6, 4]]
    assert arrays["part"].tolist() == [FACE, EYES, EYES]
    assert arrays["landmarks68"].tolist() == [5, 6, 0]
    assert arrays["shape_names"].tolist() == ["browDown_L", "jawOpen"]
    for key, sizes in (("identity", [1.0, -0.5]), ("shapes", [2.0, 0.25])):
        assert arrays[key].dtype == np.float16
        expected = np.zeros((2, 7, 3))
        expected[..., 1] = np.array(sizes)[:, None]
        np.testing.assert_allclose(arrays[key], expected, atol=1e-3)


def test_the_folder_of_the_files_is_accepted(checkout: Path) -> None:
    assert model_folder(checkout) == model_folder(checkout / "FaceXModel") == checkout / "FaceXModel"
    assert pack(checkout / "FaceXModel").keys() == pack(checkout).keys()


def test_parts_do_not_overlap_and_contain_the_landmarks() -> None:
    ends = [(first, end) for first, end, _ in PARTS]
    assert all(before[1] <= after[0] for before, after in pairwise(ends))
    assert len(set(LANDMARKS)) == 68
    assert max(LANDMARKS) < 9409  # vertices of "Face", the first row of the table


def test_a_folder_without_the_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no ICT-FaceKit") as error:
        pack_checkout(tmp_path)
    assert "git clone" in error.value.do


def test_a_checkout_without_identities(checkout: Path) -> None:
    for path in (checkout / "FaceXModel").glob("identity*"):
        path.unlink()
    with pytest.raises(InputError, match="0 identity and 2 expression shapes"):
        pack(checkout)


def test_a_truncated_file(checkout: Path) -> None:
    write_obj(checkout / "FaceXModel" / "jawOpen.obj", NEUTRAL[:5])
    with pytest.raises(InputError, match=r"jawOpen\.obj has 5 vertices"):
        pack(checkout)


def test_a_mesh_with_too_few_faces(checkout: Path) -> None:
    with pytest.raises(InputError, match="has 4 faces"):
        pack_checkout(checkout)
