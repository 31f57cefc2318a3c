"""Landmarks are found once: what is kept is exact, and a store made of it is byte for byte the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_zoo.data import landmark_cache
from fer_zoo.data.cut import CutSpec
from fer_zoo.data.prepare import prepare
from fer_zoo.data.sources import Source
from fer_zoo.landmarks.base import Box, Face, Floats, UInt8
from fer_zoo.registry import LANDMARKERS, register_landmarker
from fer_zoo.specs import ComponentSpec, CropSpec
from fer_zoo.video.track import FaceTrack

SEEN: list[int] = []  # images that a landmarker was asked about


class Marked:
    """Finds a face wherever there is pure red, and a second one in pure blue."""

    name, version, detect_every = "counting", "1", 3

    def __init__(self, *, grow: int = 0) -> None:
        self.grow = grow

    def detect(self, image: UInt8) -> list[Face]:
        SEEN.append(1)
        return [face for colour in (0, 2) if (face := self._of(image, colour))]

    def follow(self, image: UInt8, last: Face) -> Face | None:
        return next((face for face in self.detect(image) if face.box.overlap(last.box) > 0.3), None)

    def _of(self, image: UInt8, colour: int) -> Face | None:
        rows, columns = np.nonzero((image[..., colour] > 200) & (image[..., 1] < 60))
        if not len(rows):
            return None
        low, high = np.array([columns.min(), rows.min()]), np.array([columns.max() + self.grow, rows.max()])
        spread = np.linspace(0, 1, 68)[:, None] ** 1.5
        points: Floats = (low + (high - low) * np.concatenate([spread, spread[::-1]], 1)).astype(np.float32)
        return Face(Box(*map(float, (*low, *high))), 1 / 3, points)


@pytest.fixture(autouse=True)
def counting() -> Iterator[None]:
    before = LANDMARKERS.snapshot()
    register_landmarker("counting")(Marked)
    SEEN.clear()
    yield
    LANDMARKERS.restore(before)


SPEC = CutSpec(frames=3, canvas=24, detector=ComponentSpec(name="counting"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    root = tmp_path / "database"
    for label, name, faces in (("fear", "a", 2), ("fear", "b", 1), ("happiness", "c", 1), ("happiness", "d", 0)):
        (root / label / name).mkdir(parents=True)
        drawn = np.random.default_rng(ord(name))
        for number in range(9):
            image = drawn.integers(90, 120, (32, 64, 3), np.uint8)
            if faces and number != 4:  # interpolated there
                image[8:20, 6 + number : 20 + number] = (255, 0, 0)
            if faces > 1 and number > 1:
                image[8:16, 40:50] = (0, 0, 255)
            Image.fromarray(image).save(root / label / name / f"{number:03d}.png")
    return root


def made(root: Path, out: Path, spec: CutSpec = SPEC, **options: Any) -> dict[str, bytes]:
    """The files of a store."""
    prepare(ComponentSpec(name="folder"), root, out, spec, **options)
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


OTHER = SPEC.model_copy(update={"frames": 4, "canvas": 32, "crop": CropSpec(scale=1.5), "smooth": 0.1, "faces": 0.2})


@pytest.mark.parametrize("face", ["largest", "all"])
def test_another_store_is_cut_without_detecting_and_is_the_same(database: Path, tmp_path: Path, face: str) -> None:
    first, other = (spec.model_copy(update={"face": face}) for spec in (SPEC, OTHER))
    expected = {spec.frames: made(database, tmp_path / f"x{spec.frames}", spec, landmark_cache=False)
                for spec in (first, other)}  # fmt: skip
    assert not (tmp_path / ".landmarks").exists()
    assert made(database, tmp_path / "one", first) == expected[3]
    assert len(list((tmp_path / ".landmarks").iterdir())) == 4, "a source without a face too"
    SEEN.clear()
    assert made(database, tmp_path / "two", other) == expected[4]
    assert made(database, tmp_path / "again", first) == expected[3]
    assert not SEEN
    assert made(database, tmp_path / "three", other, landmark_cache=False) == expected[4]
    assert SEEN


@pytest.mark.slow
def test_what_differs_in_another_way_is_found_again(database: Path, tmp_path: Path) -> None:
    made(database, tmp_path / "one")

    def detects(root: Path, **changes: Any) -> bool:
        SEEN.clear()
        made(root, tmp_path / f"store{len(list(tmp_path.iterdir()))}", SPEC.model_copy(update=changes))
        return bool(SEEN)

    assert not detects(database)
    assert detects(database, face="central")
    assert detects(database, detector=ComponentSpec(name="counting", grow=1))
    assert detects(database, fps=5.0), "the pictures have no rate of their own: their times are others"
    Marked.version = "2"
    assert detects(database)
    Marked.version = "1"
    shutil.copytree(database, tmp_path / "moved")
    assert not detects(tmp_path / "moved"), "it is the content that counts"
    image = np.asarray(Image.open(tmp_path / "moved/fear/a/000.png")).copy()
    image[0, 0] += 1
    Image.fromarray(image).save(tmp_path / "moved/fear/a/000.png")
    assert detects(tmp_path / "moved")


def track(states: str, number: int = 1) -> FaceTrack:
    """A track with a letter per frame: t, i or n for tracked, interpolated, none."""
    rng, count = np.random.default_rng(number), len(states)
    found = np.array([state != "n" for state in states])
    landmarks, scores = rng.normal(size=(count, 68, 2)).astype(np.float32), rng.random(count).astype(np.float32)
    landmarks[~found], scores[~found] = np.nan, np.nan
    boxes = tuple(Box(*rng.random(4).tolist()) if here else None for here in found)
    names = {"t": "tracked", "i": "interpolated", "n": "none"}
    return FaceTrack(
        np.arange(count) / 29.97, tuple(names[s] for s in states), boxes, landmarks, 3, scores, (2,), number  # type: ignore[misc]
    )  # fmt: skip


@pytest.mark.parametrize("tracks", [[], [track("nnn")], [track("ttint")], [track("ntitn", 2), track("tnnnn", 1)]])
@pytest.mark.parametrize("damage", [[], ["it ends early", "a\nb ü"]])
def test_what_is_kept_comes_back_exactly(tmp_path: Path, tracks: list[FaceTrack], damage: list[str]) -> None:
    with (tmp_path / "a.npz").open("wb") as stream:
        np.savez_compressed(stream, **landmark_cache._arrays(tracks, damage))
    assert_same(landmark_cache._read(tmp_path / "a.npz"), (tracks, damage))


def assert_same(kept: landmark_cache.Tracks | None, expected: landmark_cache.Tracks) -> None:
    assert kept is not None
    assert kept[1] == expected[1]
    for one, other in zip(kept[0], expected[0], strict=True):
        for field in fields(FaceTrack):
            a, b = getattr(one, field.name), getattr(other, field.name)
            assert type(a) is type(b)
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
            else:
                assert a == b


def test_a_damaged_entry_is_found_again_and_replaced(database: Path, tmp_path: Path) -> None:
    expected = made(database, tmp_path / "one")
    entry = sorted((tmp_path / ".landmarks").iterdir())[0]
    whole, content = entry.read_bytes(), landmark_cache._read(entry)
    assert content is not None
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 60):
        entry.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        if (kept := landmark_cache._read(entry)) is not None:
            assert_same(kept, content)  # a byte that nothing depends on, such as a date
    for broken in (b"", whole[:100], whole[:-1], b"x" * len(whole)):
        entry.write_bytes(broken)
        assert landmark_cache._read(entry) is None
    assert made(database, tmp_path / "two") == expected
    assert landmark_cache._read(entry) is not None


def test_a_cache_that_cannot_be_written_stops_nothing(database: Path, tmp_path: Path) -> None:
    (tmp_path / ".landmarks").write_text("a file")
    expected = made(database, tmp_path / "x", landmark_cache=False)
    with pytest.warns(UserWarning, match="landmarks are not kept"):
        assert made(database, tmp_path / "one") == expected


def test_a_file_that_is_missing_is_reported_as_without_a_cache(tmp_path: Path) -> None:
    source = Source("s1/a", (Path("gone.png"),), "fear", "s1", fps=25.0)
    with pytest.raises(OSError, match=r"gone\.png"):
        landmark_cache.tracks_of(
            source, tmp_path, Marked(), detector=SPEC.detector, face="largest", fps=25.0, folder=tmp_path
        )
