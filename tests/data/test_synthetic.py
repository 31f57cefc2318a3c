"""Rendered clips on demand: the generator's bytes, never stale, resumable, the same from any number of processes."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ict_heads import made_up_arrays, made_up_pack
from store_clips import content

import fer_zoo.synth
import fer_zoo.synth.ict_pack
from fer_zoo.data import render_cache, synthetic
from fer_zoo.data.clips import ClipRequest
from fer_zoo.errors import InputError, OptionError, UnknownNameError
from fer_zoo.files import locked
from fer_zoo.registry import DATASETS
from fer_zoo.synth import render_clip
from fer_zoo.synth.family import makehuman, styled

LABELS = ("happiness", "neutral")


def request(cache: Path, **changes: object) -> ClipRequest:
    base = ClipRequest(LABELS, subjects=(3, 5), takes=2, frames=2, fps=25.0, canvas=32, cache=cache)
    return replace(base, **changes)  # type: ignore[arg-type]


def folders(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    synthetic.synthmh(request(cache))
    return cache


@pytest.fixture
def no_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing should be rendered")

    monkeypatch.setattr(render_cache, "_render_chunk", refuse)


@pytest.mark.usefixtures("no_rendering")
def test_clips_are_what_the_generator_draws(rendered: Path) -> None:
    clips = synthetic.synthmh(request(rendered))
    assert len(clips) == 2 * 2 * 2
    for number in (0, 3, 6):
        label, subject, take = LABELS[clips.labels[number]], clips.subjects[number], clips.takes[number]
        drawn = render_clip(int(subject), label, int(take), frames=2, size=32, fps=25.0)
        np.testing.assert_array_equal(clips.read(np.array([number]))[0], drawn.frames)
        np.testing.assert_array_equal(clips.landmarks[number], drawn.landmarks)
    assert sorted(set(zip(clips.subjects, clips.takes, strict=True))) == [(3, 0), (3, 1), (4, 0), (4, 1)]


@pytest.mark.usefixtures("no_rendering")
def test_fewer_subjects_are_read_from_the_same_cache(rendered: Path) -> None:
    clips = synthetic.synthmh(request(rendered, subjects=(4, 5), takes=1))
    assert set(clips.subjects) == {4}
    assert len(folders(rendered)) == 1


def test_a_killed_rendering_resumes(rendered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = folders(rendered)
    before = content(folder)
    (folder / "shards" / "004001.json").unlink()  # the tar was written, its index was not
    (folder / "shards" / f".004001.{os.getpid()}.tmp.tar").write_bytes(b"half")
    drawn = []
    render_chunk = render_cache._render_chunk
    monkeypatch.setattr(render_cache, "_render_chunk", lambda *given: (drawn.append(given[-1]), render_chunk(*given)))
    synthetic.synthmh(request(rendered))
    assert drawn == [(4, 1)]
    assert content(folder) == before


@pytest.mark.usefixtures("no_rendering")
def test_what_is_complete_is_read_while_another_process_renders(rendered: Path) -> None:
    with locked(folders(rendered)[0] / ".lock") as lock:
        assert lock is not None
        assert len(synthetic.synthmh(request(rendered))) == 8


def test_a_process_waits_for_another_that_renders_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = request(tmp_path, subjects=(3, 4), takes=1)
    drawn = []
    render_chunk = render_cache._render_chunk
    monkeypatch.setattr(render_cache, "_render_chunk", lambda *given: (drawn.append(given[-1]), render_chunk(*given)))
    threads = [threading.Thread(target=synthetic.synthmh, args=(small,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [(3, 0)]


def test_clips_in_memory_are_those_of_the_cache(rendered: Path) -> None:
    requested = request(rendered)
    cached, made = (synthetic.synthmh(replace(requested, cache=cache)) for cache in (rendered, None))
    every = np.arange(len(made))
    np.testing.assert_array_equal(cached.read(every), made.read(every))
    for column in ("landmarks", "labels", "subjects", "takes"):
        np.testing.assert_array_equal(getattr(cached, column), getattr(made, column))
    assert (cached.groups, cached.exact, cached.names) == (made.groups, made.exact, made.names)
    assert [cached.key(clip) for clip in every] == [made.key(clip) for clip in every]


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(rendered: Path, tmp_path: Path) -> None:
    synthetic.synthmh(request(tmp_path, workers=2))
    (one,), (two,) = folders(rendered), folders(tmp_path)
    assert one.name == two.name
    assert len(list((two / "shards").iterdir())) == 2 * 4
    assert content(one) == content(two)


def test_whatever_changes_the_clips_changes_the_folder(rendered: Path, tmp_path: Path) -> None:
    (folder,) = folders(rendered)
    small: dict[str, object] = {"subjects": (3, 4), "takes": 1}
    for changes in ({"canvas": 36}, {"frames": 3}, {"fps": 12.5}, {"labels": LABELS[::-1]}):
        synthetic.synthmh(request(tmp_path, **small, **changes))
    synthetic.synthmh(request(tmp_path, **small), render_seed=1)
    assert len({folder.name, *(other.name for other in folders(tmp_path))}) == 6


def test_a_style_is_an_option_with_its_own_clips(rendered: Path, tmp_path: Path) -> None:
    small = request(tmp_path, subjects=(3, 4), takes=1)
    natural = synthetic.synthmh(small, style="natural")
    drawn = render_clip(3, LABELS[0], frames=2, size=32, family=styled(makehuman(), "natural"))
    np.testing.assert_array_equal(natural.read(np.array([0]))[0], drawn.frames)
    assert folders(tmp_path)[0].name != folders(rendered)[0].name
    with pytest.raises(OptionError, match="chewing"):
        synthetic.synthmh(small, style="natural", without="yawning")


def test_a_generator_that_draws_otherwise_gets_another_folder(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer(*arguments: object, **options: object) -> object:
        clip = render_clip(*arguments, **options)  # type: ignore[arg-type]
        return replace(clip, frames=255 - clip.frames)

    monkeypatch.setattr(fer_zoo.synth, "render_clip", newer)
    render_cache._probe.cache_clear()
    synthetic.synthmh(request(tmp_path, subjects=(3, 4), takes=1))
    render_cache._probe.cache_clear()
    assert folders(tmp_path)[0].name != folders(rendered)[0].name


def test_a_header_that_was_changed_is_refused(rendered: Path) -> None:
    header = folders(rendered)[0] / "prepare.json"
    text = header.read_text()
    header.write_text(json.dumps({**json.loads(text), "size": 99}))
    try:
        with pytest.raises(InputError, match="delete"):
            synthetic.synthmh(request(rendered))
    finally:
        header.write_text(text)


def test_unknown_expression(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="happiness"):
        synthetic.synthmh(request(tmp_path, labels=("happyness", "neutral")))


def test_a_size_that_the_generator_refuses_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.canvas"):
        synthetic.synthmh(request(tmp_path, canvas=8))


def test_a_cache_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="FER_ZOO_CACHE"):
        synthetic.synthmh(request(tmp_path / "file"))


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_ZOO_CACHE", str(tmp_path))
    assert synthetic.cache_root() == tmp_path
    monkeypatch.delenv("FER_ZOO_CACHE")
    assert synthetic.cache_root() == Path.home() / ".cache" / "fer_zoo"


def test_a_worker_that_draws_otherwise_is_refused(tmp_path: Path) -> None:
    settings = render_cache.Settings("synthmh", LABELS, 2, 32, 25.0, 0)
    with pytest.raises(InputError, match="other faces"):
        render_cache._render_chunk(tmp_path, settings, "of another version", partial(synthetic._makehuman, 0.0), (0, 0))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_pack(tmp_path_factory.mktemp("head"))


SMALL: dict[str, object] = {"subjects": (3, 5), "takes": 1}


def test_the_second_dataset_draws_other_faces_in_a_folder_of_its_own(tmp_path: Path, pack: Path) -> None:
    mh = synthetic.synthmh(request(tmp_path, **SMALL))
    ict = synthetic.synthict(request(tmp_path, **SMALL), head=str(pack))
    assert sorted(folder.name.split("-")[0] for folder in folders(tmp_path)) == ["synthict", "synthmh"]
    assert mh.exact
    assert ict.exact
    assert mh.labels.tolist() == ict.labels.tolist()
    assert mh.subjects.tolist() == ict.subjects.tolist()
    for clip in range(len(mh)):
        assert (mh.read(np.array([clip])) != ict.read(np.array([clip]))).mean() > 0.5


def test_where_the_head_lies_is_no_part_of_the_clips_but_what_it_is(
    tmp_path: Path, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = synthetic.synthict(request(tmp_path / "a", **SMALL), head=str(pack))
    elsewhere = tmp_path / "elsewhere.npz"
    shutil.copy(pack, elsewhere)
    monkeypatch.setenv("FER_ZOO_ICT_FACEKIT", str(elsewhere))
    second = synthetic.synthict(request(tmp_path / "b", **SMALL))
    assert first.fingerprint == second.fingerprint
    (one,), (two,) = folders(tmp_path / "a"), folders(tmp_path / "b")
    assert content(one) == content(two)
    assert not any(str(tmp_path).encode() in file.read_bytes() for file in one.rglob("*.*"))
    arrays = made_up_arrays()
    np.savez(elsewhere, **{**arrays, "identity": arrays["identity"] * 2})
    other = synthetic.synthict(request(tmp_path / "b", **SMALL))
    assert other.fingerprint != first.fingerprint


@pytest.mark.slow
def test_workers_find_the_head_by_themselves(tmp_path: Path, pack: Path) -> None:
    for workers in (1, 2):
        synthetic.synthict(request(tmp_path / str(workers), **SMALL, workers=workers), head=str(pack))
    (one,), (two,) = folders(tmp_path / "1"), folders(tmp_path / "2")
    assert len(list((one / "shards").iterdir())) == 2 * 2
    assert content(one) == content(two)


def test_a_missing_head_is_an_error_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_ZOO_ICT_FACEKIT", raising=False)
    with pytest.raises(InputError, match="not part of this package") as error:
        synthetic.synthict(request(tmp_path))
    assert "checkout of ICT-FaceKit" in error.value.accepted
    for word in ("git clone", "FER_ZOO_ICT_FACEKIT", r"data.dataset.head"):
        assert word in error.value.do
    with pytest.raises(InputError, match="No such file"):
        synthetic.synthict(request(tmp_path), head=str(tmp_path / "absent.npz"))
    with pytest.raises(InputError, match="holds no ICT-FaceKit"):
        synthetic.synthict(request(tmp_path), head=str(tmp_path))


def test_a_checkout_is_packed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_CACHE", str(tmp_path / "cache"))
    neutral = tmp_path / "checkout" / "FaceXModel" / "generic_neutral_mesh.obj"
    neutral.parent.mkdir(parents=True)
    neutral.write_text("v 0 0 0")
    packed = []
    monkeypatch.setattr(
        fer_zoo.synth.ict_pack, "pack_checkout", lambda folder: (packed.append(folder), made_up_arrays())[1]
    )
    for _ in range(2):
        clips = synthetic.synthict(request(tmp_path / "clips", subjects=(0, 1), takes=1), head=str(neutral.parents[1]))
    assert packed == [neutral.parents[1]]
    assert len(clips) == 2
    neutral.write_text("v 0 0 1")  # a newer checkout
    assert synthetic.ict_pack(str(neutral.parents[1])) in (tmp_path / "cache").iterdir()
    assert len(packed) == 2


def test_both_say_what_the_card_of_a_weights_file_must_say() -> None:
    for name, licence in (("synthmh", "Apache-2.0"), ("synthict", "MIT")):
        facts = DATASETS.get(name).defaults
        assert facts["licence"] == licence
        assert facts["synthetic"] is True
        assert name in facts["training_data"]
