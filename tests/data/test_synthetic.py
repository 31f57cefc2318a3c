"""The cache of rendered clips: the generator's bytes, never stale, resumable, the same from any number of processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fer_zoo.synth
from fer_zoo.data import synthetic
from fer_zoo.data.clips import ClipRequest
from fer_zoo.errors import InputError, UnknownNameError
from fer_zoo.synth import render_clip

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

    monkeypatch.setattr(synthetic, "_render_chunk", refuse)


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


def test_a_killed_rendering_goes_on_where_it_was(rendered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = folders(rendered)
    lost = folder / "s000004-t001.frames.npy"
    bytes_before = lost.read_bytes()
    lost.unlink()  # points were written, frames were not
    (folder / ".s000004-t001.frames.npy.1.tmp").write_bytes(b"half")
    drawn = []
    render_chunk = synthetic._render_chunk
    monkeypatch.setattr(
        synthetic,
        "_render_chunk",
        lambda folder, settings, chunk: (drawn.append(chunk), render_chunk(folder, settings, chunk)),
    )
    synthetic.synthmh(request(rendered))
    assert drawn == [(4, 1)]
    assert lost.read_bytes() == bytes_before


def test_two_processes_write_the_same_bytes(rendered: Path, tmp_path: Path) -> None:
    synthetic.synthmh(request(tmp_path, workers=2))
    (one,), (two,) = folders(rendered), folders(tmp_path)
    assert one.name == two.name
    names = sorted(file.name for file in two.iterdir())
    assert len(names) == 2 * 4 + 1
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_whatever_changes_the_clips_changes_the_folder(rendered: Path, tmp_path: Path) -> None:
    (folder,) = folders(rendered)
    small: dict[str, object] = {"subjects": (3, 4), "takes": 1}
    for changes in ({"canvas": 36}, {"frames": 3}, {"fps": 12.5}, {"labels": LABELS[::-1]}):
        synthetic.synthmh(request(tmp_path, **small, **changes))
    synthetic.synthmh(request(tmp_path, **small), render_seed=1)
    assert len({folder.name, *(other.name for other in folders(tmp_path))}) == 6


def test_a_generator_that_draws_otherwise_gets_another_folder(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer(*arguments: object, **options: object) -> object:
        clip = render_clip(*arguments, **options)  # type: ignore[arg-type]
        return replace(clip, frames=255 - clip.frames)

    monkeypatch.setattr(fer_zoo.synth, "render_clip", newer)
    synthetic._probe.cache_clear()
    synthetic.synthmh(request(tmp_path, subjects=(3, 4), takes=1))
    synthetic._probe.cache_clear()
    assert folders(tmp_path)[0].name != folders(rendered)[0].name


def test_a_header_that_was_changed_is_refused(rendered: Path) -> None:
    header = folders(rendered)[0] / "header.json"
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


def test_a_worker_that_draws_otherwise_is_refused(rendered: Path, tmp_path: Path) -> None:
    settings = json.loads((folders(rendered)[0] / "header.json").read_text())
    with pytest.raises(InputError, match="other faces"):
        synthetic._render_chunk(tmp_path, {**settings, "probe": "of another version"}, (0, 0))
    assert list(tmp_path.iterdir()) == []
