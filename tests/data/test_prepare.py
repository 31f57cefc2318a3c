"""From a folder to a store: the same whatever kills it and however many work; failures are listed and stop nothing."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from store_clips import content
from video_files import Squares, draw, encode, small_disk

from fer_zoo.data import reading
from fer_zoo.data.cut import CutSpec
from fer_zoo.data.prepare import ShardProgress, prepare
from fer_zoo.data.store import open_store
from fer_zoo.data.store.fits import differences
from fer_zoo.errors import InputError, OptionError, WeightsError
from fer_zoo.landmarks.base import Face
from fer_zoo.registry import LANDMARKERS, register_landmarker
from fer_zoo.specs import ComponentSpec, CropSpec, InputSpec

FOLDER = ComponentSpec(name="folder")
SPEC = CutSpec(frames=3, canvas=24, detector=ComponentSpec(name="marked"))
EACH = 12  # sequences of each of two labels

LANDMARKER = '''
import numpy as np
from fer_zoo import register_landmarker
from fer_zoo.landmarks.base import Box, Face

@register_landmarker("marked")
class Marked:
    """Finds a face wherever there is pure red."""

    name, version, detect_every = "marked", "marked 1", 3

    def __init__(self): pass

    def detect(self, image):
        red = (image[..., 0] > 200) & (image[..., 1] < 60) & (image[..., 2] < 60)
        if red.sum() < 9:
            return []
        rows, columns = np.nonzero(red)
        low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
        spread = np.linspace(0, 1, 68)[:, None]
        points = low + (high - low) * np.concatenate([spread, np.arange(68)[:, None] % 2], 1)  # the eyes are level
        return [Face(Box(*map(float, (*low, *high))), 0.5, points.astype(np.float32))]

    def follow(self, image, last):
        return next(iter(self.detect(image)), None)
'''


@pytest.fixture(autouse=True)
def marked() -> Iterator[None]:
    before = LANDMARKERS.snapshot()
    exec(LANDMARKER, {})
    yield
    LANDMARKERS.restore(before)


def sequence(folder: Path, seed: int, *, frames: int = 7, face: bool = True) -> None:
    folder.mkdir(parents=True)
    drawn = np.random.default_rng(seed)
    for number in range(frames):
        image = drawn.integers(90, 120, (32, 40, 3), np.uint8)
        if face:
            image[8:20, 6 + number : 20 + number] = (255, 0, 0)
        Image.fromarray(image).save(folder / f"{number:03d}.png")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    root = tmp_path / "database"
    for seed in range(2 * EACH):
        number, label = divmod(seed, 2)
        sequence(root / ("fear", "happiness")[label] / f"p{number % 5}_{number:02d}", seed)
    return root


def test_a_folder_of_sequences_becomes_a_store(database: Path, tmp_path: Path) -> None:
    header = prepare(FOLDER, database, tmp_path / "store", SPEC)
    assert header.clips == 2 * 2 * EACH, "seven frames give two clips of three"
    assert header.labels == {"fear": 2 * EACH, "happiness": 2 * EACH}
    assert len(header.shards) == 2 * EACH, "few sources: one a shard, so that many can work on them"
    assert header.failures == 0
    assert header.detector_version == "marked 1"
    store = open_store(tmp_path / "store")
    clip = store.clip(0)
    assert clip.frames.shape == (3, 24, 24, 3)
    assert clip.facts.label == "fear"
    assert clip.scores.tolist() == [0.5] * 3
    red = (clip.frames[1, ..., 0] > 200) & (clip.frames[1, ..., 1] < 60)
    rows, columns = np.nonzero(red)
    low, high = clip.landmarks[1].min(0), clip.landmarks[1].max(0)
    assert np.abs(low - (columns.min(), rows.min())).max() < 1.2
    assert np.abs(high - (columns.max(), rows.max())).max() < 1.2


def test_again_and_with_more_workers_it_is_the_same(database: Path, tmp_path: Path) -> None:
    prepare(FOLDER, database, tmp_path / "one", SPEC)
    made = content(tmp_path / "one")
    prepare(FOLDER, database, tmp_path / "one", SPEC, workers=4)  # nothing is left to do
    assert content(tmp_path / "one") == made


def test_what_fails_is_listed_and_stops_nothing(tmp_path: Path) -> None:
    root = tmp_path / "database"
    sequence(root / "fear" / "good", 0)
    sequence(root / "fear" / "faceless", 1, face=False)
    sequence(root / "fear" / "short", 2, frames=2)
    sequence(root / "fear" / "broken", 3)
    (root / "fear" / "broken" / "004.png").write_bytes(b"no picture")
    header = prepare(FOLDER, root, tmp_path / "store", SPEC)
    assert header.clips == 2
    assert header.failures == 3
    rows = list(csv.DictReader((tmp_path / "store" / "failures.csv").open()))
    reasons = {row["source"].rsplit("/", 1)[-1]: row["reason"] for row in rows}
    assert "no face was found in any frame" in reasons["faceless"]
    assert "2 frames at 25 a second, a clip has 3" in reasons["short"]
    assert reasons["broken"].startswith("fear/broken/004.png cannot be read"), "the same wherever the database lies"
    assert not any(str(tmp_path) in path.read_text() for path in (tmp_path / "store").rglob("*.json"))
    assert str(tmp_path) not in (tmp_path / "store" / "failures.csv").read_text()


def finished(store: Path) -> int:
    return len([path for path in store.glob("shards/*.json") if path.stem.isdigit()])


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_store(database: Path, tmp_path: Path) -> None:
    prepare(FOLDER, database, tmp_path / "whole", SPEC)
    script = tmp_path / "script.py"
    script.write_text(
        f"{LANDMARKER}\n"
        "import sys\n"
        "from fer_zoo.data.cut import CutSpec\n"
        "from fer_zoo.data.prepare import prepare\n"
        "from fer_zoo.specs import ComponentSpec\n"
        "if __name__ == '__main__':\n"
        "    spec = CutSpec(frames=3, canvas=24, detector=ComponentSpec(name='marked'))\n"
        "    prepare(ComponentSpec(name='folder'), sys.argv[1], sys.argv[2], spec, workers=2)\n"
    )
    command = [sys.executable, script, database, tmp_path / "killed"]
    rng = random.Random(0)
    kills = 0
    while True:
        goal = finished(tmp_path / "killed") + rng.randint(3, 10)
        process = subprocess.Popen(command)
        while process.poll() is None and finished(tmp_path / "killed") < goal:
            time.sleep(0.02 * rng.random())
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        time.sleep(2)  # the workers notice and leave
    assert kills
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_a_store_started_with_other_settings_is_unchanged(database: Path, tmp_path: Path) -> None:
    prepare(FOLDER, database, tmp_path / "store", SPEC)
    before = content(tmp_path / "store")
    with pytest.raises(InputError) as caught:
        prepare(FOLDER, database, tmp_path / "store", SPEC.model_copy(update={"frames": 4, "smooth": 0.1}))
    assert "was begun with other settings: frames 3, now 4; preparation.smooth 0.0, now 0.1." in str(caught.value)
    sequence(database / "fear" / "later", 99)
    with pytest.raises(InputError, match="was begun with other settings: sources_sha256"):
        prepare(FOLDER, database, tmp_path / "store", SPEC)
    assert content(tmp_path / "store") == before


def test_a_file_that_has_changed_is_another_source(small: Path, tmp_path: Path) -> None:
    prepare(FOLDER, small, tmp_path / "store", SPEC)
    picture = small / "fear" / "s1" / "003.png"
    picture.write_bytes(picture.read_bytes() + b" ")
    with pytest.raises(InputError, match="was begun with other settings: sources_sha256"):
        prepare(FOLDER, small, tmp_path / "store", SPEC)


def test_how_sources_were_dealt_is_written_down(small: Path, tmp_path: Path) -> None:
    made = prepare(FOLDER, small, tmp_path / "store", SPEC).preparation
    assert (made["sources_per_shard"], made["bytes_per_shard"]) == (1, reading.SHARD_BYTES)


def test_one_run_at_a_time(small: Path, tmp_path: Path) -> None:
    errors: list[str] = []

    def second(progress: ShardProgress) -> None:
        if progress.done == 1:
            with pytest.raises(InputError, match="Another run is preparing") as caught:
                prepare(FOLDER, small, tmp_path / "store", SPEC)
            errors.append(caught.value.given)

    prepare(FOLDER, small, tmp_path / "store", SPEC, progress=second)
    assert len(errors) == 1
    assert not (tmp_path / "store" / "prepare.lock").exists()


def test_problems_of_the_database_are_separate_from_sources(small: Path, tmp_path: Path) -> None:
    (small / "notes").mkdir()
    sequence(small / "fear" / "faceless", 7, face=False)
    header = prepare(FOLDER, small, tmp_path / "store", SPEC)
    failures = open_store(tmp_path / "store").failures()
    assert [(failure.source, failure.is_lost) for failure in failures] == [("", False), ("fear/faceless", True)]
    assert header.failures == 2
    elsewhere = tmp_path / "elsewhere" / "deep"
    shutil.copytree(small, elsewhere)
    prepare(FOLDER, elsewhere, tmp_path / "other", SPEC)
    assert content(tmp_path / "other") == content(tmp_path / "store"), "wherever the database lies"


def test_a_store_whose_crop_could_not_be_read_again(small: Path, tmp_path: Path) -> None:
    wide = SPEC.model_copy(update={"crop": CropSpec(scale=3.5)})
    with pytest.raises(OptionError, match=r"4\.55 faces"):
        prepare(FOLDER, small, tmp_path / "store", wide)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A database of one shard."""
    for number in range(3):
        sequence(tmp_path / "small" / "fear" / f"s{number}", number)
    return tmp_path / "small"


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("prepare.json", lambda text: text.replace('"format": 1', '"format": 2'), "format 2, now 1"),
        ("prepare.json", lambda text: text.replace('"fer_zoo": "', '"fer_zoo": "9'), "fer_zoo '9"),
        ("prepare.json", lambda text: text[:40], "prepare.json is damaged"),
        ("prepare.json", lambda text: None, "no prepare.json that describes them"),
        ("shards/000000.notes.json", lambda text: None, "000000.notes.json cannot be read"),
        ("shards/000000.notes.json", lambda text: "[]", "000000.notes.json cannot be read"),
        ("shards/000000.json", lambda text: text.replace('"format": 1', '"format": 2'), "000000.json is damaged"),
    ],
)
def test_a_folder_that_is_not_as_it_was_written(
    small: Path, tmp_path: Path, file: str, change: Callable[[str], str | None], reason: str
) -> None:
    prepare(FOLDER, small, tmp_path / "store", SPEC)
    path = tmp_path / "store" / file
    changed = change(path.read_text())
    if changed is None:
        path.unlink()
    else:
        path.write_text(changed)
    before = content(tmp_path / "store")
    with pytest.raises(InputError, match="What to do: ") as caught:
        prepare(FOLDER, small, tmp_path / "store", SPEC)
    assert reason in str(caught.value)
    assert content(tmp_path / "store") == before


def test_on_a_full_disk_finished_shards_are_kept(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first shard fits, then the disk is full; with free space the run resumes and ends the same."""
    monkeypatch.setattr(reading, "per_shard", lambda jobs: 2)
    prepare(FOLDER, small, tmp_path / "whole", SPEC)
    reports: list[ShardProgress] = []

    def fill(progress: ShardProgress) -> None:
        reports.append(progress)
        if progress.done == 1:
            disk.enter_context(small_disk(10_000))

    with ExitStack() as disk, pytest.raises(InputError, match="cannot be written to") as caught:
        prepare(FOLDER, small, tmp_path / "store", SPEC, progress=fill)
    assert "finished shards are kept" in str(caught.value)
    kept = content(tmp_path / "store")
    assert {"shards/000000.tar", "shards/000000.json"} <= kept.keys()
    assert not {"shards/000001.tar", "shards/000001.json", "store.json"} & kept.keys()
    prepare(FOLDER, small, tmp_path / "store", SPEC, progress=reports.append)
    assert [progress.done for progress in reports] == [0, 1, 1, 2]
    assert content(tmp_path / "store") == content(tmp_path / "whole")


def test_full_disk_before_store_json(small: Path, tmp_path: Path) -> None:
    with small_disk(100), pytest.raises(InputError, match="cannot be written to"):
        prepare(FOLDER, small, tmp_path / "store", SPEC)
    assert prepare(FOLDER, small, tmp_path / "store", SPEC).clips == 6


def test_a_folder_that_cannot_be_written(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot be written to"):
        prepare(FOLDER, small, tmp_path / "file" / "store", SPEC)
    if os.geteuid() == 0:
        return  # whom no rights stop
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(InputError, match="cannot be written to"):
        prepare(FOLDER, small, tmp_path / "locked" / "store", SPEC)


@pytest.mark.parametrize("place", [".", "store", "fear/../store"])
def test_a_store_in_the_database_is_refused(small: Path, place: str) -> None:
    before = content(small)
    with pytest.raises(InputError, match="would lie in the database"):
        prepare(FOLDER, small, small / place, SPEC)
    assert content(small) == before


def test_short_sources_by_policy(tmp_path: Path) -> None:
    sequence(tmp_path / "root" / "fear" / "short", 2, frames=2)
    for short, clips in (("refuse", 0), ("repeat", 1), ("pad", 1)):
        out = tmp_path / short
        header = prepare(FOLDER, tmp_path / "root", out, SPEC.model_copy(update={"short": short}))
        assert (header.clips, header.failures) == (clips, 1 - clips)
        assert header.preparation["short"] == short
    assert np.isnan(open_store(tmp_path / "pad").clip(0).landmarks[2]).all()
    assert open_store(tmp_path / "pad").clip(0).facts.frame_range == (0, 2)
    assert np.isfinite(open_store(tmp_path / "repeat").clip(0).landmarks[2]).all()


def test_all_faces_of_a_video_have_its_subject(tmp_path: Path) -> None:
    register_landmarker("squares")(Squares)
    folder = tmp_path / "root" / "fear" / "s1"
    folder.mkdir(parents=True)
    for number in range(8):
        world = [("red", 40, 60, 40), ("green", 120, 60, 20), *([("blue", 80, 15, 20)] if number == 4 else [])]
        Image.fromarray(draw(world)).save(folder / f"{number:03d}.png")
    detector = ComponentSpec(name="squares", detect_every=1)
    spec = CutSpec(frames=4, canvas=24, face="all", detector=detector)
    header = prepare(FOLDER, tmp_path / "root", tmp_path / "store", spec)
    assert header.preparation["brief_faces"] == 1
    assert header.failures == 0
    store = open_store(tmp_path / "store")
    parts = [facts.key.rsplit("/", 1)[-1] for facts in store.facts]
    assert sorted(parts) == ["000.p0", "000.p1", "001.p0", "001.p1"]
    assert len({facts.subject for facts in store.facts}) == 1


def test_a_video_that_ends_early_is_stored_and_listed(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).integers(90, 120, (40, 64, 64, 3), np.uint8)
    drawn[:, 10:30, 10:30] = (255, 0, 0)
    folder = tmp_path / "root" / "fear"
    folder.mkdir(parents=True)
    file = encode(folder / "a.mkv", drawn)
    file.write_bytes(file.read_bytes()[: int(0.6 * file.stat().st_size)])
    header = prepare(FOLDER, tmp_path / "root", tmp_path / "store", SPEC)
    assert header.clips > 0
    (failure,) = open_store(tmp_path / "store").failures()
    assert (failure.source, failure.clips, failure.is_lost) == ("fear/a.mkv", header.clips, False)


def test_aligned_clips_fit_no_recipe_that_crops_upright(small: Path, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"crop": CropSpec(align="similarity")})
    header = prepare(FOLDER, small, tmp_path / "store", spec)
    assert header.crop.align == "similarity"
    expected = InputSpec.model_validate({"frames": 3, "size": 16, "landmarks": {"detector": "marked"}})
    problems = differences(header, expected)
    assert [text.split(":")[0] for text in problems] == ["crop"]
    aligned = expected.model_copy(update={"crop": CropSpec(align="similarity")})
    assert differences(header, aligned) == []


def test_run_times_are_reported_and_not_stored(database: Path, tmp_path: Path) -> None:
    reports: list[ShardProgress] = []
    prepare(FOLDER, database, tmp_path / "store", SPEC, progress=reports.append)
    assert [(progress.done, progress.shards) for progress in reports] == [(n, 2 * EACH) for n in range(2 * EACH + 1)]
    made = reports[-1].made
    assert made.clips == 4 * EACH
    assert made.frames == 7 * 2 * EACH
    assert set(made.seconds) == {"decode", "detect", "points", "crop", "write"}
    assert min(made.seconds.values()) > 0
    assert not any("seconds" in path.read_text() for path in (tmp_path / "store").rglob("*.json"))
    prepare(FOLDER, database, tmp_path / "store", SPEC, progress=reports.append)
    assert reports[-1].made.seconds == {}


def test_a_detector_without_its_weights_stops_the_run(small: Path, tmp_path: Path) -> None:
    """It would fail for every source alike, and that is no fault of theirs."""

    class Broken(Squares):
        def detect(self, image: np.ndarray) -> list[Face]:
            raise WeightsError("The predictor is damaged.", "a whole one", "install it again")

    register_landmarker("broken")(Broken)
    with pytest.raises(WeightsError, match="predictor is damaged"):
        prepare(FOLDER, small, tmp_path / "store", SPEC.model_copy(update={"detector": ComponentSpec(name="broken")}))
    assert not (tmp_path / "store" / "store.json").exists()


def test_nothing_to_prepare(tmp_path: Path) -> None:
    (tmp_path / "empty" / "fear").mkdir(parents=True)
    with pytest.raises(InputError):
        prepare(FOLDER, tmp_path / "empty", tmp_path / "store", SPEC)
