"""Faces of mistakes: the right clips, with the crop of the network, and real faces only on request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ablation_folders import LABELS, Ablation, fold_predictions, predictions_of, recipe

from fer_zoo.data import ClipRequest, ClipSet
from fer_zoo.data.store import ClipFacts, StoredClip, StoreFacts, digest, finish_store, write_shard
from fer_zoo.errors import InputError
from fer_zoo.evaluation.report import write_report
from fer_zoo.evaluation.report.numbers import Mistake
from fer_zoo.evaluation.report.write import PIXELS, strips
from fer_zoo.registry import DATASETS, register_dataset
from fer_zoo.specs import ComponentSpec, CropSpec, Recipe

FRAMES, SIZE = 7, 40


def shade(number: int, frame: int) -> int:
    """Grey of a frame of clip `number` in a store."""
    return 20 * number + frame


def store(folder: Path, reader: str, detector: str, keys: list[str]) -> None:
    """Clips of one grey each, a little brighter from frame to frame; the face is in the middle."""
    rng = np.random.default_rng(0)
    points = rng.uniform(12, 28, (FRAMES, 68, 2)).astype(np.float32)

    def clip(number: int, key: str) -> StoredClip:
        frames = np.stack([np.full((SIZE, SIZE, 3), shade(number, frame), np.uint8) for frame in range(FRAMES)])
        who, label = key.split("/")
        facts = ClipFacts(
            key=key, label=label, subject=who, files=("a.avi",), frame_range=(0, FRAMES), fps=25.0, box=(0, 0, 40, 40)
        )
        return StoredClip(facts, frames, points, np.ones(FRAMES, np.float32))

    write_shard(folder, 0, (clip(number, key) for number, key in enumerate(keys)), encoding="raw")
    facts: dict[str, Any] = {"detector": ComponentSpec(name=detector), "detector_version": "1", "size": SIZE}
    facts |= {"frames": FRAMES, "fps": 25.0, "encoding": "raw", "sources_sha256": digest(["a"])}
    finish_store(folder, StoreFacts(reader=ComponentSpec(name=reader), crop=CropSpec(scale=1.69), **facts))


def mistake(key: str, subject: str = "", truth: str = "fear") -> Mistake:
    return Mistake(key=key, subject=subject, truth=truth, predicted="anger", probability=0.9, of_truth=0.1)


def test_frames_come_from_the_store_by_key(tmp_path: Path) -> None:
    keys = list(fold_predictions(1))
    store(tmp_path / "synthmh", "synthmh", "exact", keys)
    requested = [mistake(keys[4]), mistake("gone/fear"), mistake(keys[1])]
    found = strips(recipe(), requested, stores=tmp_path)
    assert [of.key for of, _ in found] == [keys[4], keys[1]]
    for (_, frames), number in zip(found, (4, 1), strict=True):
        assert frames.shape == (5, PIXELS, PIXELS, 3)
        # The network takes five of the seven frames, the middle ones.
        assert [int(frame.mean()) for frame in frames] == [shade(number, frame) for frame in range(1, 6)]


def test_clips_of_a_cross_database_test_carry_their_databases_name(tmp_path: Path) -> None:
    keys = list(fold_predictions(1))
    store(tmp_path / "synthmh", "synthmh", "exact", keys)
    store(tmp_path / "synthict", "synthict", "exact", keys[::-1])
    split = {"train_on": ("synthmh",), "test_on": "synthict"}
    spec = recipe(data={"dataset": "synthict"}, split=split, protocol="cross-database")
    ((_, frames),) = strips(spec, [mistake(f"synthict:{keys[0]}"), mistake(keys[1])], stores=tmp_path)
    assert int(frames[0].mean()) == shade(5, 1)  # the last clip of the second store


@pytest.fixture
def requested() -> Iterator[list[ClipRequest]]:
    """Requests to `painted`, a dataset that makes its clips: subject and label are in the grey of the frames."""
    requests: list[ClipRequest] = []
    before = DATASETS.snapshot()
    facts = {"licence": "CC0-1.0", "terms": "None.", "may_use": "anybody", "share_weights": "yes"}
    facts |= {"terms_source": "this file, written 2026-11-22", "training_data": "Squares."}

    @register_dataset("painted", synthetic=True, **facts)
    def painted(request: ClipRequest) -> ClipSet:
        """Grey squares."""
        requests.append(request)
        subjects = np.arange(*request.subjects).repeat(len(LABELS) * request.takes)
        labels = np.tile(np.arange(len(LABELS)).repeat(request.takes), len(subjects) // len(LABELS) // request.takes)
        grey = (subjects % 10 * 10 + labels)[:, None, None, None, None]
        side = request.canvas
        frames = np.broadcast_to(grey, (len(labels), request.frames, side, side, 3)).astype(np.uint8)
        points = np.random.default_rng(0).uniform(0.3 * side, 0.7 * side, (len(labels), request.frames, 68, 2))
        takes = np.tile(np.arange(request.takes), len(labels) // request.takes)
        return ClipSet.from_arrays(frames, points.astype(np.float32), labels, subjects, request.labels, takes)

    yield requests
    DATASETS.restore(before)


def made(takes: int = 1) -> Recipe:
    ranges = {"train": (0, 8), "validation": (10, 13), "test": (20, 24)}
    return recipe(data={"dataset": "painted", "canvas": 40, "takes": takes}, split=ranges)


def test_only_the_shown_subjects_are_rendered(requested: list[ClipRequest], tmp_path: Path) -> None:
    named = mistake("000021/happiness/000", "000021", "happiness")
    other, gone = mistake("000023/fear/000", "000023"), mistake("000023/fear/001", "000023")
    found = strips(made(), [named, other, mistake("S1/fear", "S1"), gone], cache=tmp_path)
    assert [int(frames.mean()) for _, frames in found] == [10 + 2, 30 + 1]
    assert [request.subjects for request in requested] == [(21, 22), (23, 24), (23, 24)]
    assert [of for of, _ in strips(made(takes=2), [gone], cache=tmp_path)] == [gone]


def test_a_clip_without_a_face(requested: list[ClipRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = DATASETS.get("painted").build

    def faceless(**offered: Any) -> ClipSet:
        clips: ClipSet = whole(**offered)
        return replace(clips, landmarks=np.full_like(clips.landmarks, np.nan))

    monkeypatch.setattr(type(DATASETS.get("painted")), "build", lambda self, **offered: faceless(**offered))
    with pytest.raises(InputError, match="no face"):
        strips(made(), [mistake("000021/fear/000", "000021")], cache=tmp_path)


def test_a_report_on_synthetic_faces_shows_them(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    predictions = fold_predictions(1, ["f1p0/fear", "f1p1/anger"])
    ablation.finish("a", "fold-1-of-3", recipe(), predictions_of(predictions))
    store(tmp_path / "stores" / "synthmh", "synthmh", "exact", [key for key in predictions if key != "f1p1/anger"])
    out, report = write_report([ablation.root], stores=tmp_path / "stores")
    (setting,) = report.settings
    assert setting.faces == ("f1p0/fear",)
    assert "](pictures/mistakes-1.jpg)" in (out / "report.md").read_text()
    assert "1 of these clips were not found here." in (out / "report.md").read_text()
    assert "data:image/jpeg;base64," in (out / "report.html").read_text()
    again, _ = write_report([ablation.root], tmp_path / "again", stores=tmp_path / "stores")
    pictures = [folder / "pictures" / "mistakes-1.jpg" for folder in (out, again)]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_real_faces_are_shown_only_on_request(tmp_path: Path) -> None:
    spec = recipe(data={"dataset": "mmi"})
    predictions = fold_predictions(1, ["f1p0/fear"])
    ablation = Ablation(tmp_path / "x")
    ablation.finish("a", "fold-1-of-3", spec, predictions_of(predictions))
    store(tmp_path / "stores" / "mmi", "mmi", "fz68", list(predictions))
    out, report = write_report([ablation.root], stores=tmp_path / "stores")
    assert not report.settings[0].synthetic
    assert report.settings[0].faces == ()
    assert "No faces are shown: these are pictures of people" in (out / "report.md").read_text()
    assert not (out / "pictures" / "mistakes-1.jpg").exists()
    shown, report = write_report([ablation.root], tmp_path / "shown", stores=tmp_path / "stores", faces=True)
    assert report.settings[0].faces == ("f1p0/fear",)
    assert (shown / "pictures" / "mistakes-1.jpg").exists()
    again, _ = write_report([ablation.root], shown, stores=tmp_path / "stores")
    assert not (again / "pictures" / "mistakes-1.jpg").exists()
    assert all("image/jpeg" not in (again / file).read_text() for file in ("report.html", "report.md"))
