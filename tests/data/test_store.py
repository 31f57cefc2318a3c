"""The clip store: what goes in comes out, by any tar reader too; whole shards only; the same clips, the same bytes."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from store_clips import assert_same, clip, facts, small_store

from fer_zoo.data.store import (
    ClipFacts,
    Failure,
    StoredClip,
    digest,
    finish_store,
    finished_shards,
    open_store,
    write_failures,
    write_shard,
    writer,
)
from fer_zoo.errors import InputError, VideoError


def test_clips_come_out_as_they_went_in(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    assert len(store) == 12
    for number in (11, 0, 5, 4):
        assert_same(store.clip(number), clip(number))
    assert not store.clip(0).frames.flags.writeable
    with pytest.raises(InputError, match="Clip 12 of a store of 12"):
        store.clip(12)
    store.verify()


def test_jpeg_clips_are_close_and_their_points_exact(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 16).astype(np.uint8)
    frames = np.stack([np.stack([np.add.outer(ramp // 2, ramp // 3)] * 3, axis=-1)] * 2)
    given = clip(0, 2, 16)._replace(frames=frames)
    write_shard(tmp_path, 0, [given], encoding="jpeg")
    finish_store(tmp_path, facts(size=16, frames=2, encoding="jpeg"))
    store = open_store(tmp_path)
    found = store.clip(0)
    assert np.abs(found.frames.astype(int) - frames).max() <= 4
    assert_same(found._replace(frames=frames), given)


keys = st.from_regex(r"[A-Za-z0-9_-]{1,60}(/[A-Za-z0-9_.-]{0,60}[a-z]){0,2}", fullmatch=True)


@st.composite
def clip_lists(draw: st.DrawFn) -> list[StoredClip]:
    frames, size = draw(st.integers(1, 12)), draw(st.integers(1, 20))
    names = draw(st.lists(keys, unique=True, max_size=5))
    texts = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)
    return [
        clip(number, frames, size, key=key, label=draw(texts), subject=draw(st.none() | texts), files=(draw(texts),))
        for number, key in enumerate(names)
    ]


@settings(max_examples=40, deadline=None)
@given(clips=clip_lists())
def test_any_clips_come_out_as_they_went_in(clips: list[StoredClip], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("store")
    write_shard(folder, 0, clips)
    size = dict(zip(("frames", "size"), clips[0].frames.shape[:2], strict=True)) if clips else {}
    finish_store(folder, facts(**size))
    store = open_store(folder)
    assert len(store) == len(clips)
    for found, expected in zip(map(store.clip, range(len(store))), clips, strict=True):
        assert_same(found, expected)
    with tarfile.open(folder / "shards" / "000000.tar") as tar:
        assert [name for name in tar.getnames() if name.endswith(".json")] == [
            f"{c.facts.key.replace('.', '%2E')}.json" for c in clips
        ]


def test_pythons_tarfile_and_numpy_read_a_shard(tmp_path: Path) -> None:
    small_store(tmp_path)
    with tarfile.open(tmp_path / "shards" / "000001.tar") as tar:
        members = {info.name: info for info in tar}
        content = {name: tar.extractfile(info).read() for name, info in members.items()}  # type: ignore[union-attr]
    expected = clip(5)
    for suffix, array in {"frames": expected.frames, "points": expected.landmarks, "scores": expected.scores}.items():
        found = np.load(io.BytesIO(content[f"S1/005.{suffix}.npy"]), allow_pickle=False)
        np.testing.assert_array_equal(found, array)
    assert ClipFacts(**json.loads(content["S1/005.json"])) == expected.facts
    assert all((info.mtime, info.uid, info.gid, info.uname) == (0, 0, 0, "") for info in members.values())
    names = [name for name in members if name.startswith("S1/005.")]
    assert names == sorted(names)


def test_pillow_reads_the_pictures_of_a_jpeg_shard(tmp_path: Path) -> None:
    store = small_store(tmp_path, shards=1, encoding="jpeg")
    with tarfile.open(tmp_path / "shards" / "000000.tar") as tar:
        picture = np.asarray(Image.open(tar.extractfile("S1/001.002.jpg")))  # type: ignore[arg-type]
    np.testing.assert_array_equal(picture, store.clip(1).frames[2])


@pytest.mark.skipif(not shutil.which("tar"), reason="no tar program")
def test_the_tar_program_lists_and_unpacks_a_shard(tmp_path: Path) -> None:
    small_store(tmp_path, shards=1, per_shard=2)
    tar = str(tmp_path / "shards" / "000000.tar")
    listed = subprocess.run(["tar", "-tf", tar], capture_output=True, text=True, check=True).stdout.split()
    kinds = ("frames.npy", "json", "points.npy", "scores.npy")
    assert listed == [f"{key}.{kind}" for key in ("S0/000", "S1/001") for kind in kinds]
    subprocess.run(["tar", "-xf", tar, "-C", str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "S1" / "001.frames.npy"), clip(1).frames)


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_the_same_clips_give_the_same_bytes(tmp_path: Path, encoding: str) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        small_store(folder, encoding=encoding)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_the_index_is_what_the_tar_holds(tmp_path: Path) -> None:
    index = write_shard(tmp_path, 0, map(clip, range(3)))
    with tarfile.open(tmp_path / "shards" / "000000.tar") as tar:
        for record in index.clips:
            places = {
                s: (tar.getmember(f"{record.facts.key}.{s}").offset_data, size)
                for s, (_, size) in record.members.items()
            }
            assert record.members == places
    summary = index.clips[2].scores
    known = clip(2).scores[[0, 2]].astype(float)
    assert (summary.faces, summary.lowest, summary.mean) == (2, known.min(), known.mean())


def test_store_json_tells_what_made_it(tmp_path: Path) -> None:
    write_failures(tmp_path, [Failure("z.avi", "no face, in 3 frames"), Failure("a.avi", 'said "no"\nthen stopped')])
    store = small_store(tmp_path, preparation={"face": "largest"})
    header = json.loads((tmp_path / "store.json").read_text())
    assert header["format"] == 1
    assert header["labels"] == {"anger": 4, "fear": 4, "happiness": 4}
    assert (header["clips"], header["subjects"], header["failures"]) == (12, 4, 2)
    assert header["detector"] == {"name": "fz68"}
    assert header["preparation"] == {"face": "largest"}
    assert header["sources_sha256"] == digest(["b", "a"]) != digest(["a", "c"])
    assert store.failures() == [Failure("a.avi", 'said "no"\nthen stopped'), Failure("z.avi", "no face, in 3 frames")]


def test_more_shards_are_added_without_touching_the_others(tmp_path: Path) -> None:
    before = small_store(tmp_path)
    write_shard(tmp_path, 3, [clip(12)])
    assert len(open_store(tmp_path)) == 12
    finish_store(tmp_path, facts())
    after = open_store(tmp_path)
    assert len(after) == 13
    assert_same(after.clip(12), clip(12))
    assert before.header.fingerprint != after.header.fingerprint


def test_a_clip_that_fails_leaves_no_shard(tmp_path: Path) -> None:
    def clips() -> Any:
        yield clip(0)
        raise VideoError("broken")

    with pytest.raises(VideoError, match="broken"):
        write_shard(tmp_path, 0, clips())
    assert list((tmp_path / "shards").iterdir()) == []


def killed_while_writing(folder: Path, moment: str) -> int:
    """Status of a process, a fork of this one, that is killed while it writes clips 4 to 7."""

    def die(*_: object) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        try:
            if moment == "before the index":
                writer.write_text = die  # type: ignore[assignment]
            write_shard(folder, 1, (clip(n) if n < 6 or moment == "before the index" else die() for n in range(4, 8)))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize(("moment", "replaced"), [("before the index", True), ("within the tar", False)])
def test_a_shard_whose_writer_was_killed_does_not_count(tmp_path: Path, moment: str, replaced: bool) -> None:
    write_shard(tmp_path, 0, map(clip, range(4)))
    if replaced:
        write_shard(tmp_path, 1, map(clip, range(8, 12)))
    assert os.WTERMSIG(killed_while_writing(tmp_path, moment)) == signal.SIGKILL
    assert [shard.number for shard in finished_shards(tmp_path)] == [0]
    if moment == "before the index" or replaced:
        with pytest.raises(InputError, match=r"Shards 1 .* not finished"):
            finish_store(tmp_path, facts())
    write_shard(tmp_path, 1, map(clip, range(4, 8)))
    finish_store(tmp_path, facts())
    assert_same(open_store(tmp_path).clip(7), clip(7))
    assert len(list((tmp_path / "shards").iterdir())) == 4


def test_temporary_files_of_others_at_work_stay(tmp_path: Path) -> None:
    small_store(tmp_path, shards=1)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    shards, scratch = tmp_path / "shards", tmp_path / f".scratch.{gone.pid}.tmp.abc"
    left, held = shards / f".000007.{gone.pid}.tmp.tar", shards / f".000008.{os.getppid()}.tmp.tar"
    left.touch()
    held.touch()
    scratch.mkdir()
    (scratch / "frames.npy").touch()
    finish_store(tmp_path, facts())
    assert (left.exists(), scratch.exists(), held.exists()) == (False, False, True)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (clip(1, frames=4), "frames uint8"),
        (clip(1, key="S0/000"), "have the key S0/000"),
        (clip(1)._replace(frames=np.zeros((3, 8, 9, 3), np.uint8)), r"\(3, 8, 9, 3\)"),
        (clip(1)._replace(frames=np.zeros((3, 8, 8, 3), np.float32)), "float32"),  # type: ignore[arg-type]
        (clip(1)._replace(landmarks=np.full((3, 68, 2), np.inf, np.float32)), "finite"),
        (clip(1)._replace(scores=np.zeros(2, np.float32)), r"scores \(2,\)"),
    ],
)
def test_clips_that_do_not_fit_are_refused(tmp_path: Path, bad: StoredClip, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_shard(tmp_path, 0, [clip(0), bad])
    assert finished_shards(tmp_path) == []


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/..", "a/./b", "a b", "a\\b", "ä", "a/"])
def test_keys_that_lead_elsewhere_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        clip(0, key=key)


def test_shards_that_do_not_fit_the_store_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path, 0, [clip(0)])
    with pytest.raises(InputError, match="Shard 0 holds clips"):
        finish_store(tmp_path, facts(frames=10))
    write_shard(tmp_path, 1, [clip(0)])
    with pytest.raises(InputError, match="S0/000"):
        finish_store(tmp_path, facts())
    write_shard(tmp_path, 3, [clip(3)])
    with pytest.raises(InputError, match="Shards 2 "):
        finish_store(tmp_path, facts())


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to"):
        write_shard(tmp_path / "file", 0, [clip(0)])
