"""Opening a store: damage is named; clip sets and other processes read what was written."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from store_clips import assert_same, clip, facts, small_store

from fer_zoo.data.store import Store, finish_store, open_store, reader, write_shard
from fer_zoo.data.store.fits import differences
from fer_zoo.errors import InputError
from fer_zoo.specs import ComponentSpec, CropSpec, InputSpec

ALIGNED = CropSpec(align="similarity")


def test_missing_unfinished_and_other_version_stores_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no clip store in"):
        open_store(tmp_path / "none")
    write_shard(tmp_path, 0, [clip(0)])
    with pytest.raises(InputError, match=r"unfinished(.|\n)*prepare it again"):
        open_store(tmp_path)
    header = finish_store(tmp_path, facts())
    text = (tmp_path / "store.json").read_text()
    (tmp_path / "store.json").write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(InputError, match="format version 2"):
        open_store(tmp_path)
    for damaged in ("", "[]", text[:100], text.replace(header.fer_zoo, "").replace('"fer_zoo"', '"x"')):
        (tmp_path / "store.json").write_text(damaged)
        with pytest.raises(InputError, match=r"store\.json is damaged"):
            open_store(tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-512])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("000001.json", cut, r"000001\.json is damaged: its sha256"),
        ("000001.json", flip, r"000001\.json is damaged: its sha256"),
        ("000001.json", Path.unlink, r"000001\.json is missing"),
        ("000001.tar", cut, r"000001\.tar is damaged: it has \d+ bytes"),
        ("000001.tar", Path.unlink, r"000001\.tar is missing"),
    ],
)
def test_damage_is_named_when_the_store_is_opened(
    tmp_path: Path, name: str, change: Callable[[Path], None], message: str
) -> None:
    open_already = small_store(tmp_path)
    change(tmp_path / "shards" / name)
    with pytest.raises(InputError, match=message) as error:
        open_store(tmp_path)
    assert error.value.accepted
    assert error.value.do
    if name.endswith(".tar"):
        for read in (lambda: open_already.clip(5), open_already.verify):
            with pytest.raises(InputError, match=message):
                read()


def test_changed_bytes_are_found(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    path = tmp_path / "shards" / "000001.tar"
    content = path.read_bytes()
    offset = json.loads(path.with_suffix(".json").read_text())["clips"][1]["members"]["points.npy"][0]
    for place, found_by in ((offset + 20, (lambda: store.clip(5),)), (offset + 300, ())):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        for read in (*found_by, store.verify):
            with pytest.raises(InputError, match=r"000001\.tar is damaged"):
                read()
    assert_same(store.clip(0), clip(0))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    store = small_store(tmp_path, shards=1, encoding="jpeg")
    path = tmp_path / "shards" / "000000.tar"
    offset = json.loads(path.with_suffix(".json").read_text())["clips"][2]["members"]["001.jpg"][0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 16] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(InputError, match="clip S2/002: no JPEG"):
        store.clip(2)


@pytest.mark.parametrize(("offset", "size"), [(10**9, None), (0, None), (None, 7)])
def test_an_index_that_points_elsewhere_is_refused(tmp_path: Path, offset: int | None, size: int | None) -> None:
    write_shard(tmp_path, 0, map(clip, range(2)))
    path = tmp_path / "shards" / "000000.json"
    index = json.loads(path.read_text())
    members = index["clips"][1]["members"]
    members["scores.npy"] = [members["scores.npy"][0] if offset is None else offset, size or members["scores.npy"][1]]
    path.write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"scores\.npy cannot be"):
        finish_store(tmp_path, facts())


def test_a_clip_set_numbers_labels_and_subjects(tmp_path: Path) -> None:
    clips = [clip(0, subject="b"), clip(1, subject=None), clip(2, subject="a"), clip(3, subject="c")]
    write_shard(tmp_path, 0, clips)
    finish_store(tmp_path, facts())
    store = open_store(tmp_path)
    assert store.labels() == ("anger", "fear", "happiness")
    assert store.subjects() == ("a", "b", "c")
    taken = store.as_clip_set(("happiness", "anger"))
    assert taken.names == ("happiness", "anger")
    assert taken.rows.tolist() == [0, 2, 3]
    assert taken.labels.tolist() == [1, 0, 1]
    assert taken.subjects.tolist() == [1, 0, 2]
    assert taken.takes.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(taken.landmarks, np.stack([clip(n).landmarks for n in (0, 2, 3)]))
    np.testing.assert_array_equal(taken.read(np.array([2, 0])), np.stack([clip(n).frames for n in (3, 0)]))
    some = store.as_clip_set(("fear", "anger"), rows=np.array([3, 1]))
    assert (some.rows.tolist(), some.subjects.tolist(), some.labels.tolist()) == ([3, 1], [2, -1], [1, 0])
    assert len({taken.fingerprint, some.fingerprint, store.as_clip_set(("anger", "happiness")).fingerprint}) == 3
    assert len(store.as_clip_set(("calm",))) == 0


def test_groups_of_a_store(tmp_path: Path) -> None:
    """A subset of clips without groups has the same groupings, so that folds of a store can be combined."""
    clips = [clip(n) for n in range(3)]
    clips[1] = clips[1]._replace(facts=clips[1].facts.model_copy(update={"groups": {"sex": "female"}}))
    write_shard(tmp_path, 0, clips)
    finish_store(tmp_path, facts())
    store = open_store(tmp_path)
    assert store.groupings() == ("sex",)
    assert store.as_clip_set(store.labels()).groups == {"sex": ("", "female", "")}
    assert store.as_clip_set(store.labels(), rows=np.array([2])).groups == {"sex": ("",)}


SPREAD = {"preparation": {"face": "largest", "sampling": "uniform"}}


@pytest.mark.parametrize(
    ("made", "requested", "problems"),
    [
        ({}, {}, []),
        ({"frames": 4, "size": 10}, {}, []),
        ({"frames": 2}, {}, ["frames: the store's clips have 2, the recipe needs 3"]),
        ({"fps": 12.5}, {}, ["fps: the store has 12.5 frames per second, the recipe 25"]),
        ({"fps": 12.5, **SPREAD}, {"sampling": "uniform"}, []),  # the rate of such clips differs
        (SPREAD, {}, ["sampling: the store's clips are uniform"]),
        ({"preparation": {"face": "largest"}}, {"sampling": "segments"}, ["sampling: the store's clips are dense"]),
        ({}, {"sampling": "segments"}, []),  # a rendered clip is a whole video
        ({}, {"size": 9}, ["size: the recipe's crop has 8 pixels of the store's 8; it needs 9"]),
        ({"crop": CropSpec(scale=1.95, shift_up=0.08)}, {}, ["size: the recipe's crop has 5 pixels"]),
        ({"crop": CropSpec(scale=1.95, shift_up=0.08), "size": 12}, {}, []),
        ({"crop": CropSpec(scale=1.2)}, {}, ["crop: the store's (scale=1.2 shift_up=0.08 align='box') does not hold"]),
        ({"crop": CropSpec(shift_up=0.0)}, {}, ["crop: "]),
        ({}, {"crop": ALIGNED}, ["crop: "]),  # a turned face's corners are not in the store
        ({"crop": CropSpec(scale=1.69, shift_up=0.08 / 1.3), "size": 12}, {"crop": ALIGNED}, []),  # prepare's margin
        ({"crop": CropSpec(scale=1.62, shift_up=0.08), "size": 12}, {"crop": ALIGNED}, ["crop: "]),
        ({"crop": ALIGNED}, {}, ["crop: "]),  # how the head was held is lost
        ({"crop": ALIGNED}, {"crop": ALIGNED}, []),
        (
            {"detector": ComponentSpec(name="face_alignment", model="2dfan4"), "frames": 2},
            {},
            [
                "frames: ",
                "detector: the store's landmarks are from face_alignment (model=2dfan4), the recipe's from fz68",
            ],
        ),
    ],
)
def test_differences_from_a_recipe_are_reported(
    tmp_path: Path, made: dict[str, object], requested: dict[str, object], problems: list[str]
) -> None:
    finish_store(tmp_path, facts(**made))
    spec = InputSpec(**{"frames": 3, "size": 8, **requested})  # type: ignore[arg-type]
    found = differences(open_store(tmp_path).header, spec)
    assert len(found) == len(problems)
    assert all(line.startswith(start) for line, start in zip(found, problems, strict=True))


def read_all(store: Store, queue: multiprocessing.Queue[list[int]]) -> None:
    for _ in range(40):
        backwards = [int(store.clip(number).frames.sum()) for number in reversed(range(len(store)))]
    queue.put(backwards[::-1])


@pytest.mark.slow
def test_two_processes_read_at_once(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    expected = [int(clip(number).frames.sum()) for number in range(12)]
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[list[int]] = context.Queue()
    process = context.Process(target=read_all, args=(store, queue))
    process.start()
    while queue.empty():  # the other process starts to read at some time within this
        assert process.is_alive() or process.exitcode == 0
        assert [int(store.clip(number).frames.sum()) for number in range(12)] == expected
    assert queue.get(timeout=60) == expected
    process.join()


def test_few_maps_are_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_OPEN_MAPS", 2)
    store = small_store(tmp_path, shards=5, per_shard=2)
    kept = [store.clip(number) for number in range(10)]
    for number, found in enumerate(kept):
        assert_same(found, clip(number))
    assert store._map.cache_info().currsize == 2
