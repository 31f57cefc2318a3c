"""Stores of datasets that make their clips: what is in them, what may not change them, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_clips import content

from fer_zoo.data import rendering
from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.cut import CutSpec
from fer_zoo.data.pool import Engine
from fer_zoo.data.prepare import prepare
from fer_zoo.data.rendering import RenderSpec
from fer_zoo.data.store import Store, open_store
from fer_zoo.data.store.fits import differences
from fer_zoo.errors import InputError, OptionError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS, register_dataset
from fer_zoo.specs import ComponentSpec, CropSpec, InputSpec
from fer_zoo.synth import render_clip

DOTS = ComponentSpec(name="dots")
SPEC = RenderSpec(labels=("fear", "anger"), subjects=(3, 80), takes=2, frames=3, canvas=24)
REQUESTS: list[ClipRequest] = []


def drawn(subject: int, label: str, take: int, request: ClipRequest, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames and points of one clip; a face in the middle of the frame, `side` of it wide."""
    seed = int(hashlib.sha256(f"{subject} {label} {take}".encode()).hexdigest()[:8], 16)
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (request.frames, 68, 2))
    points[:, 0], points[:, 1] = 0, 1
    points = (points - 0.5) * side * request.canvas + request.canvas / 2 - 0.5
    return rng.integers(0, 256, (request.frames, request.canvas, request.canvas, 3), np.uint8), points


@pytest.fixture(autouse=True)
def dots() -> Iterator[None]:
    before = DATASETS.snapshot()
    REQUESTS.clear()

    @register_dataset(
        "dots", synthetic=True, licence="CC0-1.0", terms="None.", training_data="Noise.", may_use="anybody",
        share_weights="yes", terms_source="this file, written 2026-11-22",
    )  # fmt: skip
    def dots(
        request: ClipRequest, *, side: float = 0.58, version: int = 1, exact: bool = True, light: int = 1
    ) -> ClipSet:
        print("a dataset that talks")
        REQUESTS.append(request)
        every = [
            (subject, number, take)
            for take in range(request.takes)
            for subject in range(*request.subjects)
            for number in range(len(request.labels))
        ]
        clips = [drawn(s, request.labels[n], t, request, side) for s, n, t in every]
        subjects, labels, takes = zip(*every, strict=True)
        frames = np.stack([frames for frames, _ in clips]) * np.uint8(light) + np.uint8(version)
        points = np.stack([points for _, points in clips]).astype(np.float32)
        made = ClipSet.from_arrays(frames, points, labels, subjects, request.labels, takes)
        return replace(made, exact=exact)

    yield
    DATASETS.restore(before)


def test_every_clip_is_the_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = prepare(DOTS, None, tmp_path / "store", SPEC)
    assert "talks" not in capsys.readouterr().out
    assert (header.clips, header.subjects, len(header.shards), header.failures) == (77 * 4, 77, 77, 0)
    assert header.detector.name == "exact"
    assert header.reader == DOTS
    store = open_store(tmp_path / "store")
    request = ClipRequest(SPEC.labels, (0, 1), 1, 3, 25.0, 24, tmp_path)
    found = set()
    for clip in map(store.clip, range(len(store))):
        subject, label, take = clip.facts.key.split("/")
        found.add((int(subject), label, int(take)))
        assert (clip.facts.subject, clip.facts.label, clip.facts.take) == (subject, label, int(take))
        frames, points = drawn(int(subject), label, int(take), request, 0.58)
        assert np.array_equal(clip.frames, frames + np.uint8(1))
        np.testing.assert_allclose(clip.landmarks, points, atol=1e-4)
        assert clip.scores.tolist() == [1, 1, 1]
        assert clip.facts.frame_range == (0, 3)
    assert found == {(s, label, t) for s in range(3, 80) for label in SPEC.labels for t in range(2)}
    assert {request.cache for request in REQUESTS} == {None}, "clips are made in memory"
    assert {request.workers for request in REQUESTS} == {1}


def test_the_disk_fills_up_while_a_shard_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = SPEC.model_copy(update={"subjects": (0, 3)})
    real = rendering._made

    def made(dataset: ComponentSpec, spec: RenderSpec, subjects: tuple[int, int]) -> ClipSet:
        if subjects == (1, 2):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(dataset, spec, subjects)

    monkeypatch.setattr(rendering, "_made", made)
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / 'store'))} cannot be written to") as caught:
        prepare(DOTS, None, tmp_path / "store", few)
    assert "finished shards are kept" in caught.value.do
    assert (tmp_path / "store" / "shards" / "000000.json").exists()
    assert not list((tmp_path / "store").glob(".*"))
    monkeypatch.undo()
    prepare(DOTS, None, tmp_path / "store", few)
    prepare(DOTS, None, tmp_path / "whole", few)
    assert content(tmp_path / "store") == content(tmp_path / "whole")


def test_what_frames_do_not_show_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    wide = SPEC.model_copy(update={"crop": CropSpec(scale=2.2, shift_up=0.0)})
    with pytest.raises(InputError, match="do not show the stated crop"):
        prepare(DOTS, None, tmp_path / "store", wide)
    assert not (tmp_path / "store").exists()


def test_only_a_missing_shard_is_made_again(tmp_path: Path) -> None:
    prepare(DOTS, None, tmp_path / "store", SPEC)
    before = content(tmp_path / "store")
    (tmp_path / "store" / "shards" / "000002.json").unlink()
    REQUESTS.clear()
    prepare(DOTS, None, tmp_path / "store", SPEC)
    assert content(tmp_path / "store") == before
    assert [request.subjects for request in REQUESTS] == [(3, 4), (5, 6)]


@pytest.mark.parametrize(
    ("dataset", "spec", "message"),
    [
        (DOTS, SPEC.model_copy(update={"takes": 1}), "preparation.takes 2, now 1"),
        (DOTS, SPEC.model_copy(update={"subjects": (3, 81)}), "preparation.subjects [3, 80], now [3, 81]"),
        (ComponentSpec(name="dots", version=2), SPEC, "preparation.sample_sha256"),
    ],
)
def test_a_store_started_with_other_settings(
    tmp_path: Path, dataset: ComponentSpec, spec: RenderSpec, message: str
) -> None:
    prepare(DOTS, None, tmp_path / "store", SPEC)
    before = content(tmp_path / "store")
    with pytest.raises(InputError, match="was begun with other settings") as caught:
        prepare(dataset, None, tmp_path / "store", spec)
    assert message in caught.value.given
    assert content(tmp_path / "store") == before


def test_clips_must_match_their_description(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not show the stated crop"):
        prepare(ComponentSpec(name="dots", side=0.8), None, tmp_path / "store", SPEC)
    tight_spec = SPEC.model_copy(update={"crop": CropSpec(scale=1.2, shift_up=0.0)})
    assert prepare(ComponentSpec(name="dots", side=0.8), None, tmp_path / "tight", tight_spec).crop.scale == 1.2
    with pytest.raises(InputError, match="are not exact"):
        prepare(ComponentSpec(name="dots", exact=False), None, tmp_path / "other", SPEC)


@pytest.mark.parametrize(
    ("dataset", "root", "spec", "message"),
    [
        ("dots", "root", SPEC, "makes its clips itself, so it has no folder"),
        ("dots", None, CutSpec(), "was given a CutSpec"),
        ("folder", None, CutSpec(), "needs the folder of the database"),
        ("folder", "root", SPEC, "was given a RenderSpec"),
    ],
)
def test_a_folder_for_readers_and_none_for_the_others(
    tmp_path: Path, dataset: str, root: str | None, spec: CutSpec | RenderSpec, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        prepare(ComponentSpec(name=dataset), root and tmp_path / root, tmp_path / "store", spec)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("wrong", [{"subjects": [5, 5]}, {"labels": []}, {"labels": ["a", "a"]}, {"labels": ["a/b"]},
                                   {"subject": [0, 2]}, {"frames": 0}])  # fmt: skip
def test_settings_that_make_no_clips(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        RenderSpec.checked(wrong)


@pytest.fixture(scope="module")
def synthmh(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The heads as the quickstart recipe trains on them, a few of them."""
    folder = tmp_path_factory.mktemp("synthmh") / "store"
    prepare(ComponentSpec(name="synthmh"), None, folder, RenderSpec(labels=("fear", "neutral"), subjects=(0, 3)))
    return open_store(folder)


def found_by(detector: str) -> InputSpec:
    """The input of the quickstart recipe, with landmarks of a detector."""
    spec = load_recipe("quickstart").model.input
    return spec.model_copy(
        update={"landmarks": spec.landmarks.model_copy(update={"detector": ComponentSpec(name=detector)})}
    )


def test_the_rendered_heads_fit_the_quickstart_recipe_with_any_detector(synthmh: Store) -> None:
    for detector in ("dlib", "face_alignment"):
        assert differences(synthmh.header, found_by(detector)) == []
    wide = found_by("dlib").model_copy(update={"crop": CropSpec(scale=1.9)})
    assert [text.split(":")[0] for text in differences(synthmh.header, wide)] == ["crop"]
    assert synthmh.as_clip_set(("fear", "neutral")).exact


def test_the_rendered_heads_are_those_made_on_demand(synthmh: Store, tmp_path: Path) -> None:
    request = ClipRequest(("fear", "neutral"), (1, 2), 1, 10, 25.0, 112, tmp_path)
    made = DATASETS.get("synthmh").build(options={}, request=request)
    for row in range(2):
        (clip,) = (
            c
            for c in map(synthmh.clip, range(len(synthmh)))
            if c.facts.key == f"000001/{made.names[made.labels[row]]}/000"
        )
        assert np.array_equal(clip.frames, made.read(np.array([row]))[0])
        assert np.array_equal(clip.landmarks, made.landmarks[row])
        assert clip.facts.groups == {name: groups[row] for name, groups in made.groups.items()}
        truth = render_clip(1, made.names[made.labels[row]], frames=10, size=112).intensity
        np.testing.assert_allclose(clip.facts.intensity, truth, atol=5e-4)
        np.testing.assert_allclose(made.intensities[row], truth, atol=5e-4)
    in_store = synthmh.as_clip_set(("fear", "neutral"))
    assert [bool(clip.any()) for clip in in_store.intensities] == [label == 0 for label in in_store.labels]
    assert set(made.groups) == {"age", "sex", "skin"}


def test_rendered_faces_with_the_landmarks_of_a_landmarker(synthmh: Store, tmp_path: Path) -> None:
    spec = RenderSpec(labels=("fear", "neutral"), subjects=(0, 2), detector=ComponentSpec(name="fz68"))
    header = prepare(ComponentSpec(name="synthmh"), None, tmp_path / "store", spec)
    store = open_store(tmp_path / "store")
    assert header.detector.name == "fz68"
    assert header.detector_version.startswith("fz68 ")
    assert not store.as_clip_set(("fear", "neutral")).exact
    exact = {clip.facts.key: clip for clip in map(synthmh.clip, range(len(synthmh)))}
    for clip in map(store.clip, range(len(store))):
        true = exact[clip.facts.key]
        assert np.array_equal(clip.frames, true.frames)
        eyes = np.linalg.norm(true.landmarks[:, 36:42].mean(1) - true.landmarks[:, 42:48].mean(1), axis=-1).mean()
        error = np.linalg.norm(clip.landmarks - true.landmarks, axis=-1).mean() / eyes
        assert 0.005 < error < 0.1
        assert clip.scores.min() > 0.5
    assert differences(store.header, found_by("fz68")) == []
    assert [text.split(":")[0] for text in differences(store.header, found_by("dlib"))] == ["detector"]


def test_a_clip_without_a_found_face_is_left_out_and_listed(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"subjects": (3, 4), "takes": 1, "detector": ComponentSpec(name="fz68")})
    header = prepare(ComponentSpec(name="dots", light=0), None, tmp_path / "store", spec)
    assert header.clips == 0
    assert header.failures == 2
    assert "fz68 finds no face" in (tmp_path / "store" / "failures.csv").read_text()


FEW = RenderSpec(labels=("fear",), subjects=(0, 3), takes=40, frames=1, canvas=32)  # a shard for each subject


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "store"
    assert len(prepare(ComponentSpec(name="synthmh"), None, folder, FEW).shards) == 3
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_workers_of_any_engine_write_the_same_bytes(alone: Path, tmp_path: Path, engine: Engine) -> None:
    if engine == "ray" and not os.environ.get("CI"):  # there the extra is installed, and a skip would hide its lack
        pytest.importorskip("ray", reason="needs the extra ray")
    prepare(ComponentSpec(name="synthmh"), None, tmp_path / "store", FEW, workers=2, engine=engine)
    assert content(tmp_path / "store") == content(alone)
