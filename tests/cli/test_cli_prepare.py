"""`fer-zoo prepare`: what is printed, exit codes, where settings come from, and errors in three parts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from video_files import dlib_or_skip, rendered_face

from fer_zoo.cli import main
from fer_zoo.data.cut import CutSpec
from fer_zoo.data.recipe_settings import options_for, settings_for
from fer_zoo.data.sources import Database
from fer_zoo.data.store import Store, open_store
from fer_zoo.data.store.fits import differences
from fer_zoo.errors import OptionError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import CropSpec
from fer_zoo.video.sample import sample_frames


def pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"{number:03d}.png")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A database of one sequence with a face that dlib finds."""
    dlib_or_skip()
    folder = tmp_path / "root" / "happiness" / "a"
    folder.mkdir(parents=True)
    for number, frame in enumerate(rendered_face()[:10]):
        Image.fromarray(frame).save(folder / f"{number:03d}.png")
    return tmp_path / "root"


def made(folder: Path, *words: str) -> Store:
    assert main(["prepare", *words, "--out", str(folder)]) == 0
    return open_store(folder)


def test_failed_sources_are_reported_and_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No face in these pictures, for the real detector: nothing can be stored, and each is reported."""
    dlib_or_skip()
    pictures(tmp_path / "root" / "fear" / "a", 3)
    pictures(tmp_path / "root" / "fear" / "b", 1)
    command = ["prepare", "folder", "--root", str(tmp_path / "root"), "--out", str(tmp_path / "store")]
    for _ in range(2):  # the second time nothing is left to do
        assert main([*command, "--set", "frames=3", "canvas=32"]) == 2
        output = capsys.readouterr()
        assert output.out.startswith("0 clips of 0 subjects in 2 shards")
        assert "2 sources without a usable clip; 0 other problems." in output.err
        assert output.err.splitlines()[-1].startswith("  What to do: see")
        assert str(tmp_path / "store" / "failures.csv") in output.err
        assert "shard 2 of 2" in output.err
    assert len(open_store(tmp_path / "store")) == 0


def test_stage_times_are_printed_if_anything_ran(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path / "store", "folder", "--root", str(faces))
    output = capsys.readouterr().out
    table = dict(re.findall(r"^(\w+) +[\d.]+ +\d+% +([\d,]+)$", output, re.MULTILINE))
    assert list(table) == ["decode", "detect", "points", "crop", "write", "all"]
    assert all(int(speed.replace(",", "")) > 0 for speed in table.values())
    made(tmp_path / "store", "folder", "--root", str(faces))
    assert "frames/s" not in capsys.readouterr().out


def test_by_default_the_store_is_where_training_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_STORES", str(tmp_path / "stores"))
    assert main(["prepare", "synthmh", "--set", "subjects=[2,4]", "labels=[fear]", "frames=2", "canvas=40"]) == 0
    store = open_store(tmp_path / "stores" / "synthmh")
    assert [facts.key for facts in store.facts] == ["000002/fear/000", "000003/fear/000"]
    assert (store.header.frames, store.header.size) == (2, 40)


def recipe(
    folder: Path, align: str = "box", crop: Mapping[str, object] | None = None, size: int = 120, **changes: object
) -> Path:
    path = folder / "mine.yaml"
    shown = dict(crop or {"scale": 1.5, "align": align})
    model = {"labels": ["fear", "neutral"], "input": {"frames": 2, "size": size, "fps": 20, "crop": shown}}
    path.write_text(yaml.safe_dump({"extends": "quickstart", "model": model, **changes}))
    return path


@pytest.mark.parametrize("align", ["box", "similarity"])
def test_settings_of_a_recipe_make_a_store_that_fits_it(faces: Path, tmp_path: Path, align: str) -> None:
    path = recipe(tmp_path, align)
    expected = load_recipe(path).model.input
    read = made(tmp_path / "read", "folder", "--root", str(faces), "--recipe", str(path))
    assert differences(read.header, expected) == []
    assert read.header.size == 156, "the margin of 1.3 round 120 pixels"
    assert read.header.fps == 20
    larger = made(tmp_path / "set", "folder", "--root", str(faces), "--recipe", str(path), "--set", "canvas=200")
    assert larger.header.size == 200


def test_settings_of_a_recipe_for_rendered_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_STORES", str(tmp_path / "stores"))
    data = {"dataset": {"name": "synthmh", "render_seed": 5}, "takes": 2, "stores": {"synthmh": "mine"}, "canvas": 60}
    path = recipe(tmp_path, data=data, crop={"scale": 1.2}, size=50)
    assert main(["prepare", "synthmh", "--recipe", str(path), "--set", "subjects=[0,1]"]) == 0
    store = open_store(tmp_path / "stores" / "mine")
    assert store.header.reader.options == {"render_seed": 5}
    assert (store.header.clips, store.header.labels, store.header.fps) == (4, {"fear": 2, "neutral": 2}, 20)
    assert store.header.size == 67, "50 pixels of 1.2 faces, of which the frames show 1.6"
    expected = load_recipe(path).model.input
    assert differences(store.header, expected) == []


@pytest.mark.parametrize(
    ("dataset", "crop", "words", "message"),
    [
        ("synthmh", {"scale": 1.5, "align": "similarity"}, [], "crop: the store's (scale=1.6"),
        ("synthmh", {"scale": 1.9}, [], "change model.input.crop: rendered frames show so much"),
        ("synthmh", {"scale": 1.2}, ["canvas=48", "takes=2"], "leave out --set canvas, or --recipe"),
        ("folder", {"scale": 1.2}, ["canvas=48"], "size: the recipe's crop has 37 pixels of the store's 48"),
        ("folder", {"scale": 1.2}, ["crop.scale=0.8"], "leave out --set crop.scale, or --recipe"),
        (
            "folder",
            {"scale": 1.2},
            ["detector=face_alignment"],
            "detector: the store's landmarks are from face_alignment",
        ),
    ],
)
def test_a_store_that_cannot_match_the_recipe_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dataset: str, crop: dict[str, object], words: list[str],
    message: str,
) -> None:  # fmt: skip
    pictures(tmp_path / "root" / "fear" / "a", 3)
    path = recipe(tmp_path, crop=crop)
    root = ["--root", str(tmp_path / "root")] if dataset == "folder" else []
    command = ["prepare", dataset, *root, "--out", str(tmp_path / "store"), "--recipe", str(path)]
    assert main([*command, *(["--set", *words] if words else [])]) == 2
    error = capsys.readouterr().err
    assert "The store would not fit the recipe." in error
    assert message in error
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("crop", "margin"),
    [
        ({"scale": 1.3}, 1.3),
        ({"scale": 1.3, "shift_up": 0.3}, 1.3),
        ({"scale": 1.3, "shift_up": 0.3, "align": "similarity"}, 1.39),
    ],
)
def test_the_margin_allows_rotation_of_an_off_centre_crop(
    tmp_path: Path, crop: dict[str, object], margin: float
) -> None:
    spec = settings_for("folder", load_recipe(recipe(tmp_path, crop=crop)), {})
    assert isinstance(spec, CutSpec)
    assert spec.margin == pytest.approx(margin)
    assert spec.stored_crop.scale == pytest.approx(1.3 * margin)


def test_settings_by_dotted_key() -> None:
    """One setting of the crop or the detector changes, the others stay; as in `train --set`."""
    spec = settings_for("folder", None, {"crop.scale": 1.5, "detector.upsample": 1, "frames": 4})
    assert isinstance(spec, CutSpec)
    assert (spec.crop.scale, spec.crop.shift_up, spec.frames) == (1.5, CutSpec().crop.shift_up, 4)
    assert spec.detector.model_dump() == {"name": "fz68", "upsample": 1}
    other = settings_for("folder", None, {"detector.upsample": 1, "detector.name": "face_alignment"})
    assert isinstance(other, CutSpec)
    assert other.detector.model_dump() == {"name": "face_alignment"}
    rendered = settings_for("synthmh", None, {"crop.scale": 1.5})
    assert rendered.crop == CropSpec(scale=1.5, shift_up=0.0)
    whole = settings_for("folder", None, {"crop": {"scale": 1.5}, "detector": "face_alignment"})
    assert isinstance(whole, CutSpec)
    assert (whole.crop, whole.detector.name) == (CropSpec(scale=1.5), "face_alignment")


@pytest.mark.parametrize(
    ("key", "message"), [("crop.scal", "crop.scal"), ("frames.x", "'frames' holds no settings"), ("crop", "crop")]
)
def test_wrong_dotted_keys(key: str, message: str) -> None:
    with pytest.raises(OptionError, match=message) as caught:
        settings_for("folder", None, {key: 5})
    assert "Spec" not in str(caught.value), "names of classes are no words for users"


@pytest.mark.parametrize(
    ("dataset", "changes", "given_options", "expected"),
    [
        ("ckplus", {"frames": 16}, {}, {"frames": 16}),
        ("ckplus", {"frames": 10}, {}, {}),
        ("ckplus", {"frames": 16}, {"frames": 20}, {"frames": 20}),
        ("ckplus", {"frames": 10, "fps": 25.0}, {}, {"frames": 12}),
        ("ckplus", {"frames": 10, "fps": 25.0}, {"fps": 25.0}, {"fps": 25.0}),
        ("disfa", {"frames": 16}, {}, {"frames": 16}),
        ("disfa", {"frames": 16, "fps": 10.0}, {}, {"frames": 31}),
        ("folder", {"frames": 16}, {}, {}),
        ("synthmh", {"frames": 16}, {}, {}),
    ],
)
def test_readers_that_choose_frames_choose_as_many_as_a_clip_needs(
    dataset: str, changes: dict[str, object], given_options: dict[str, object], expected: dict[str, object]
) -> None:
    spec = settings_for(dataset, None, changes)
    options = options_for(dataset, None, spec, given_options)
    assert options == expected
    if "frames" in options:
        own = options.get("fps", DATASETS.get(dataset).defaults["fps"])
        sampled = sample_frames(np.arange(options["frames"]) / own, spec.fps)
        assert len(sampled) >= spec.frames


def test_ckplus_for_a_recipe_of_other_clips(faces: Path, tmp_path: Path) -> None:
    """The clips of a recipe of 12 frames are the last 12 pictures; ten would have given an empty store."""
    root = tmp_path / "ck"
    sequence = root / "cohn-kanade-images" / "S005" / "001"
    sequence.parent.mkdir(parents=True)
    shutil.copytree(faces / "happiness" / "a", sequence)
    for number in range(10, 14):
        shutil.copy(sequence / "009.png", sequence / f"{number:03d}.png")
    labels = root / "Emotion" / "S005" / "001"
    labels.mkdir(parents=True)
    (labels / "013_emotion.txt").write_text("5.0")
    path = tmp_path / "mine.yaml"
    model = {"labels": ["happiness", "fear"], "input": {"frames": 12, "size": 60}}
    path.write_text(yaml.safe_dump({"extends": "quickstart", "model": model, "data": {"any_fps": True}}))
    store = made(tmp_path / "store", "ckplus", "--root", str(root), "--recipe", str(path))
    assert [facts.frame_range for facts in store.facts] == [(2, 14)]


def test_a_dataset_may_know_its_rate_and_whose_face_it_is(faces: Path, tmp_path: Path) -> None:
    before = DATASETS.snapshot()
    folder = DATASETS.get("folder")
    facts = {**folder.defaults, "fps": 12.5, "face": "all"}

    @DATASETS.register("crowd", **facts)
    def crowd(root: Path) -> Database:
        return folder.build(options={}, root=root)

    try:
        store = made(tmp_path / "own", "crowd", "--root", str(faces), "--set", "frames=5")
        changed = made(tmp_path / "set", "crowd", "--root", str(faces), "--set", "frames=5", "face=central")
    finally:
        DATASETS.restore(before)
    assert (store.header.fps, store.header.preparation["face"]) == (12.5, "all")
    assert store.facts[0].key.endswith("/000.p0")
    assert changed.header.preparation["face"] == "central"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["folder", "--set", "frams=3"], "frams"),
        (["folder", "--set", "frames"], "--set frames"),
        (["folder", "--set", "face=everybody"], "face: 'everybody' is wrong"),
        (["folder", "--option", "nonsense=1"], "unknown option of dataset 'folder'"),
        (["foldr"], "Unknown dataset 'foldr'"),
        (["synthmh"], "Dataset 'synthmh' makes its clips itself"),
        (["folder", "--engine", "cluster"], "'cluster' (choose from "),
        (["folder", "--recipe", "nothing"], "nothing"),
    ],
)
def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    pictures(tmp_path / "fear" / "a", 3)
    assert main(["prepare", *words, "--root", str(tmp_path), "--out", str(tmp_path.parent / "no-store")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Accepted: " in error
    assert "What to do: " in error
    assert not (tmp_path.parent / "no-store").exists()


def test_a_reader_needs_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "folder", "--out", str(tmp_path / "store")]) == 2
    assert "--root DIR" in capsys.readouterr().err
