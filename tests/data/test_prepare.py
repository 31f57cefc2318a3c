"""From a folder to a store: the same whatever kills it and however many work; failures are listed and stop nothing."""

from __future__ import annotations

import csv
import hashlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_zoo.data.cut import CutSpec
from fer_zoo.data.prepare import PER_SHARD, prepare
from fer_zoo.data.store import open_store
from fer_zoo.errors import InputError, OptionError
from fer_zoo.registry import LANDMARKERS
from fer_zoo.specs import ComponentSpec

FOLDER = ComponentSpec(name="folder")
SPEC = CutSpec(frames=3, canvas=24, detector=ComponentSpec(name="marked"))

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
        points = low + (high - low) * np.concatenate([spread, spread[::-1]], 1)
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
    for label in ("fear", "happiness"):
        for number in range(PER_SHARD):
            sequence(root / label / f"p{number % 5}_{number:02d}", number)
    return root


def content(store: Path) -> dict[str, str]:
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_folder_of_sequences_becomes_a_store(database: Path, tmp_path: Path) -> None:
    header = prepare(FOLDER, database, tmp_path / "store", SPEC)
    assert header.clips == 2 * 2 * PER_SHARD, "seven frames give two clips of three"
    assert header.labels == {"fear": 2 * PER_SHARD, "happiness": 2 * PER_SHARD}
    assert len(header.shards) == 2
    assert header.failures == 0
    assert header.detector_version == "marked 1"
    store = open_store(tmp_path / "store")
    clip = store.clip(0)
    assert clip.frames.shape == (3, 24, 24, 3)
    assert clip.facts.label == "fear"
    assert clip.scores.tolist() == [0.5] * 3
    red = (clip.frames[1, ..., 0] > 200) & (clip.frames[1, ..., 1] < 60)
    rows, columns = np.nonzero(red)
    low, high = clip.points[1].min(0), clip.points[1].max(0)
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
    assert "no face was found in 7 frames" in reasons["faceless"]
    assert "2 frames at 25 a second, a clip has 3" in reasons["short"]
    assert "004.png cannot be read" in reasons["broken"]


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
    chance = random.Random(0)
    kills = 0
    while True:
        process = subprocess.Popen(command)
        try:
            assert process.wait(timeout=4 + 8 * chance.random()) == 0
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            time.sleep(2)  # the workers notice and leave
        assert kills < 30
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_a_store_begun_otherwise_is_left_alone(database: Path, tmp_path: Path) -> None:
    prepare(FOLDER, database, tmp_path / "store", SPEC)
    before = content(tmp_path / "store")
    with pytest.raises(InputError) as caught:
        prepare(FOLDER, database, tmp_path / "store", SPEC.model_copy(update={"frames": 4}))
    assert "was begun otherwise: frames 3, now 4." in str(caught.value)
    sequence(database / "fear" / "later", 5)
    with pytest.raises(InputError, match="was begun otherwise: sources_sha256"):
        prepare(FOLDER, database, tmp_path / "store", SPEC)
    assert content(tmp_path / "store") == before


def test_nothing_to_prepare(tmp_path: Path) -> None:
    (tmp_path / "empty" / "fear").mkdir(parents=True)
    with pytest.raises(InputError):
        prepare(FOLDER, tmp_path / "empty", tmp_path / "store", SPEC)
    with pytest.raises(OptionError, match="Dataset 'synthmh' makes its clips itself"):
        prepare(ComponentSpec(name="synthmh"), tmp_path, tmp_path / "store", SPEC)
