"""`fer-zoo prepare`: what is printed, exit codes, where settings come from, and errors in three parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image
from video_files import dlib_or_skip, rendered_face

from fer_zoo.cli import main
from fer_zoo.data.sources import Database
from fer_zoo.data.store import Store, open_store
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS


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


def test_it_goes_on_and_says_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No face in these pictures, for the real detector: nothing can be stored, and each is told."""
    dlib_or_skip()
    pictures(tmp_path / "root" / "fear" / "a", 3)
    pictures(tmp_path / "root" / "fear" / "b", 1)
    command = ["prepare", "folder", "--root", str(tmp_path / "root"), "--out", str(tmp_path / "store")]
    for _ in range(2):  # the second time nothing is left to do
        assert main([*command, "--set", "frames=3", "canvas=32"]) == 2
        told = capsys.readouterr()
        assert told.out.startswith("0 clips of 0 subjects in 1 shards")
        assert "2 sources gave no clip" in told.err
        assert told.err.splitlines()[-1].startswith("  What to do: see")
        assert str(tmp_path / "store" / "failures.csv") in told.err
        assert "shard 1 of 1" in told.err
    assert len(open_store(tmp_path / "store")) == 0


def test_stages_are_told_where_something_was_done(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path / "store", "folder", "--root", str(faces))
    told = capsys.readouterr().out
    table = dict(re.findall(r"^(\w+) +[\d.]+ +\d+% +([\d,]+)$", told, re.MULTILINE))
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


def recipe(folder: Path, align: str = "box", **changes: object) -> Path:
    path = folder / "mine.yaml"
    crop = {"scale": 1.5, "align": align}
    model = {"labels": ["fear", "neutral"], "input": {"frames": 2, "size": 120, "fps": 20, "crop": crop}}
    path.write_text(yaml.safe_dump({"extends": "quickstart", "model": model, **changes}))
    return path


@pytest.mark.parametrize("align", ["box", "similarity"])
def test_settings_of_a_recipe_make_a_store_that_fits_it(faces: Path, tmp_path: Path, align: str) -> None:
    path = recipe(tmp_path, align)
    wanted = load_recipe(path).model.input
    read = made(tmp_path / "read", "folder", "--root", str(faces), "--recipe", str(path))
    assert read.check_fits(wanted, wanted.landmarks.detector) == []
    assert read.header.size == 156, "the margin of 1.3 round 120 pixels"
    changed = made(tmp_path / "set", "folder", "--root", str(faces), "--recipe", str(path), "--set", "canvas=40")
    assert changed.header.size == 40
    assert changed.header.fps == 20


def test_settings_of_a_recipe_for_rendered_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_STORES", str(tmp_path / "stores"))
    data = {"dataset": {"name": "synthmh", "render_seed": 5}, "takes": 2, "stores": {"synthmh": "mine"}, "canvas": 60}
    path = recipe(tmp_path, data=data)
    assert main(["prepare", "synthmh", "--recipe", str(path), "--set", "subjects=[0,1]", "canvas=48"]) == 0
    header = open_store(tmp_path / "stores" / "mine").header
    assert header.reader.options == {"render_seed": 5}
    assert (header.clips, header.labels, header.fps, header.size) == (4, {"fear": 2, "neutral": 2}, 20, 48)


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
    ("words", "says"),
    [
        (["folder", "--set", "frams=3"], "frams"),
        (["folder", "--set", "frames"], "--set frames"),
        (["folder", "--set", "face=everybody"], "face: 'everybody' is wrong"),
        (["folder", "--option", "nonsense=1"], "unknown option of dataset 'folder'"),
        (["foldr"], "Unknown dataset 'foldr'"),
        (["synthmh"], "Dataset 'synthmh' makes its clips itself"),
        (["folder", "--engine", "cluster"], "'cluster' is neither processes nor ray"),
        (["folder", "--recipe", "nothing"], "nothing"),
    ],
)
def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    pictures(tmp_path / "fear" / "a", 3)
    assert main(["prepare", *words, "--root", str(tmp_path), "--out", str(tmp_path.parent / "no-store")]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "Accepted: " in said
    assert "What to do: " in said
    assert not (tmp_path.parent / "no-store").exists()


def test_a_reader_needs_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "folder", "--out", str(tmp_path / "store")]) == 2
    assert "--root DIR" in capsys.readouterr().err
