"""A folder of photographs: fitted once, refused with three-part errors, never split within a photograph."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ict_heads import made_up_pack
from PIL import Image

from fer_zoo.data import photographs, synthetic
from fer_zoo.data.clips import PHOTO, ClipRequest
from fer_zoo.data.load import labelled, load
from fer_zoo.data.photographs import _TEMPLATE
from fer_zoo.data.prepare import prepare
from fer_zoo.data.rendering import RenderSpec
from fer_zoo.data.splits import PARTS, k_fold
from fer_zoo.errors import FerZooError, InputError, RecipeError
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import ComponentSpec
from fer_zoo.synth import render_clip
from fer_zoo.synth.ict import ict_family

NAMES = ("ann", "bob", "eve")
LABELS = ("happiness", "neutral")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_pack(tmp_path_factory.mktemp("head"))


@pytest.fixture(scope="module")
def folder(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered portraits with their exact landmarks, in the layout of figshare 4220517."""
    folder, points = tmp_path_factory.mktemp("portraits"), np.zeros((len(NAMES), 189, 2), np.float32)
    for row, name in enumerate(NAMES):
        portrait = render_clip(row, "neutral", frames=1, size=160, plain=True, family=ict_family(pack))
        Image.fromarray(portrait.frames[0]).save(folder / f"{name}.png")
        for near, mark in zip(_TEMPLATE, portrait.landmarks[0], strict=True):
            points[row, list(near)] = mark
    np.savez(folder / "points189.npz", files=np.array([f"{name}.png" for name in NAMES]), points=points)
    (folder / "info.csv").write_text("face_id,age,gender\nann,19,female\nbob,30,male\n")
    (folder / "LICENSE.md").write_text("no picture")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before, folder = os.environ.get("FER_ZOO_CACHE"), tmp_path_factory.mktemp("cache")
    os.environ["FER_ZOO_CACHE"] = str(folder)
    yield folder
    os.environ.pop("FER_ZOO_CACHE") if before is None else os.environ.update(FER_ZOO_CACHE=before)


def request(cache: Path | None = None, **changes: object) -> ClipRequest:
    base = ClipRequest(LABELS, subjects=(0, 6), takes=1, frames=2, fps=25.0, canvas=32, cache=cache)
    return replace(base, **changes)  # type: ignore[arg-type]


def made(folder: Path, pack: Path, **options: object) -> object:
    return synthetic.synthphoto(request(), photos=str(folder), head=str(pack), per_photo=2, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_clips_name_their_photograph_and_what_is_known_of_it(folder: Path, pack: Path) -> None:
    clips = made(folder, pack)
    photos, subjects = clips.groups[PHOTO], clips.subjects.tolist()  # type: ignore[attr-defined]
    by_subject = dict(zip(subjects, photos, strict=True))
    assert sorted(by_subject.values()) == sorted(2 * NAMES)
    assert all(by_subject[first] == by_subject[first + 1] for first in (0, 2, 4))
    sexes = dict(zip(photos, clips.groups["sex"], strict=True))  # type: ignore[attr-defined]
    assert (sexes["ann"], sexes["bob"]) == ("female", "male")


@pytest.mark.slow
def test_photographs_are_fitted_once_wherever_they_are(
    folder: Path, pack: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(folder, pack)
    kept = sorted((cache / "photographs").iterdir())
    assert len(kept) == len(NAMES)
    copied = tmp_path / "elsewhere"
    copied.mkdir()
    for file in folder.iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    kept[0].write_bytes(b"damaged")
    fits = []
    fit = photographs.fit_photograph
    monkeypatch.setattr(photographs, "fit_photograph", lambda *given: (fits.append(1), fit(*given))[1])
    second = made(copied, pack)
    assert len(fits) == 1  # only the damaged one
    every = np.arange(len(first))  # type: ignore[arg-type]
    np.testing.assert_array_equal(first.read(every), second.read(every))  # type: ignore[attr-defined]
    assert not any(str(tmp_path).encode() in file.read_bytes() for file in kept)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in copied.iterdir())


def test_without_photographs_it_is_explained_where_to_get_them(monkeypatch: pytest.MonkeyPatch, pack: Path) -> None:
    monkeypatch.delenv("FER_ZOO_PHOTOGRAPHS", raising=False)
    with pytest.raises(InputError, match="not part of this package") as error:
        synthetic.synthphoto(request(), head=str(pack))
    for word in ("figshare 4220517", "CC BY 4.0", "FER_ZOO_PHOTOGRAPHS", "data.dataset.photos"):
        assert word in error.value.do


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        (None, b"", "cannot be read"),
        ("notes.txt", b"text", "There is no picture"),
        ("torn.jpg", b"\xff\xd8\xff\xe0 torn", "torn.jpg cannot be read"),
        ("points189.npz", b"no archive", "points189.npz cannot be read"),
        ("wall.png", None, "No face was found in .*wall.png"),
        ("info.csv/", b"", "info.csv cannot be read"),
        ("wall.jpg/", b"", "There is no picture"),
    ],
)
def test_a_bad_folder_is_explained(
    tmp_path: Path, folder: Path, pack: Path, file: str | None, content: bytes | None, match: str
) -> None:
    bad = tmp_path / "bad"
    if file is not None:
        bad.mkdir()
        if file.endswith(".npz") or file == "info.csv/":
            (bad / "ann.png").write_bytes((folder / "ann.png").read_bytes())
        if file.endswith("/"):
            (bad / file).mkdir()
        elif content is None:
            Image.new("RGB", (200, 200), (90, 120, 150)).save(bad / file)
        else:
            (bad / file).write_bytes(content)
    with pytest.raises(FerZooError, match=match) as error:
        made(bad, pack, landmarker="fz68")
    assert error.value.accepted
    assert error.value.do


def test_splits_keep_each_photograph_in_one_part(folder: Path, pack: Path, tmp_path: Path) -> None:
    dataset = ComponentSpec(name="synthphoto", photos=str(folder), head=str(pack), per_photo=2)
    spec = RenderSpec(labels=LABELS, subjects=(0, 6), frames=2, canvas=32)
    store = prepare(dataset, None, tmp_path / "store", spec)
    assert store.clips == 12
    from fer_zoo.data.store import open_store

    opened = open_store(tmp_path / "store")
    photo_of = {clip.key: clip.groups[PHOTO] for clip in opened.facts}
    for split in k_fold(labelled(opened, LABELS), 3, 0):
        photos = [{photo_of[key] for key in getattr(split, part)} for part in PARTS]
        assert sum(map(len, photos)) == len(set().union(*photos)) == 3


def test_ranges_that_separate_a_photograph_are_refused(folder: Path, pack: Path, tmp_path: Path) -> None:
    options = {"photos": str(folder), "head": str(pack), "per_photo": 2}
    recipe = load_recipe("quickstart")
    data = recipe.data.model_copy(update={"dataset": ComponentSpec(name="synthphoto", **options), "canvas": 32})
    model = recipe.model.model_copy(update={"labels": LABELS})
    recipe = recipe.model_copy(update={"data": data, "model": model})

    def split(*ends: int) -> object:
        ranges = {"train": (0, ends[0]), "validation": (ends[0], ends[1]), "test": (ends[1], ends[2])}
        return recipe.model_copy(update={"split": recipe.split.model_copy(update=ranges)})

    assert load(split(2, 4, 6), cache=tmp_path, workers=1)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="are in train and in validation"):
        load(split(1, 4, 6), cache=tmp_path, workers=1)  # type: ignore[arg-type]
