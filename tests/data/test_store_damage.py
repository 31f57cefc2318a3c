"""Whatever happens to the files of a store, opening, reading and verifying it gives its clips or a three-part error."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_clips import assert_same, clip, small_store

from fer_zoo.data.store import Failure, open_store, write_failures
from fer_zoo.errors import InputError

# What store.json says of its shards: a wrong value must be found, not only survived.
CHECKED = ("clips", "labels", "subjects", "shards", "fingerprint", "size", "frames", "encoding", "format")
VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    58,
    2**70,
    1e400,
    0.5,
    "",
    "x",
    "7" * 5000,
    [],
    [1],
    {},
    {"name": 3},
    [[]] * 3,
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    write_failures(folder, [Failure("a.avi", "no face")])
    small_store(folder, shards=3, per_shard=2)
    return folder


@pytest.fixture
def store(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "store")


def change(store: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    header = json.loads((store / "store.json").read_text())
    edit(header)
    (store / "store.json").write_text(json.dumps(header))


def read_all(store: Path) -> None:
    """Open, verify and read; every clip must be the one that was written."""
    opened = open_store(store)
    opened.verify()
    for number, found in enumerate(map(opened.clip, range(len(opened)))):
        assert_same(found, clip(number))
    assert len(opened) == number + 1 == 6
    opened.as_clip_set(opened.labels()).read(np.arange(6))
    repr((opened.subjects(), opened.groupings(), opened.failures()))


def assert_refused(store: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_all(store)
    assert caught.value.given
    assert caught.value.accepted
    assert caught.value.do
    return caught.value


@pytest.mark.parametrize("field", CHECKED)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_wrong_value_in_store_json_is_refused(field: str, value: Any, store: Path) -> None:
    if (field, value) == ("format", 1):  # also True: JSON of the right version
        pytest.skip("the value is right")
    change(store, lambda header: header.update({field: value}))
    assert "store.json" in str(assert_refused(store)) or field == "format"


@pytest.mark.parametrize("field", CHECKED)
def test_a_field_that_is_missing_is_refused(field: str, store: Path) -> None:
    change(store, lambda header: header.pop(field))
    if field != "format":
        assert_refused(store)


@pytest.mark.parametrize(
    "edit",
    [
        lambda shards: shards.pop(0), lambda shards: shards.pop(), list.reverse, list.clear,
        lambda shards: shards.append(shards[0]), lambda shards: shards[0].update(number=1),
        lambda shards: shards[0].update(number=10**30), lambda shards: shards[1].update(clips=3),
        lambda shards: shards[2].update(index_sha256="0" * 64), lambda shards: shards[0].update(number="0"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fix_counts", [False, True])
def test_other_shards_than_the_fingerprint_covers_are_refused(
    edit: Callable[[list[dict[str, Any]]], object], fix_counts: bool, store: Path
) -> None:
    def both(header: dict[str, Any]) -> None:
        edit(header["shards"])
        if fix_counts:
            header["clips"] = 2 * len(header["shards"])

    before = (store / "store.json").read_bytes()
    change(store, both)
    if json.loads(before) != json.loads((store / "store.json").read_text()):
        assert_refused(store)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_in_any_place_gives_clips_or_an_error(data: st.DataObject, original: Path, tmp_path: Path) -> None:
    """Also in shards' indexes, whose hashes are then made right again, as a stranger could."""
    store = tmp_path / "store"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(original, store)
    file = store / data.draw(st.sampled_from(["store.json", "shards/000000.json"]))
    content = json.loads(file.read_text())
    place: Any = content
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(json_values)
            break
        place = place[key]
    file.write_text(json.dumps(content))
    if file.name != "store.json":
        header = json.loads((store / "store.json").read_text())
        header["shards"][0]["index_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        hashes = "".join(shard["index_sha256"] for shard in header["shards"])
        header["fingerprint"] = hashlib.sha256(hashes.encode()).hexdigest()
        (store / "store.json").write_text(json.dumps(header))
    with suppress(InputError):
        opened = open_store(store)
        opened.verify()
        list(map(opened.clip, range(len(opened))))
        opened.as_clip_set(opened.labels()).read(np.arange(len(opened)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2], lambda text: b"", lambda text: b"\xff\xfe" + text,
        lambda text: b"[" * 10**5,
        lambda text: text + b"x", lambda text: b"null",
        lambda text: text.replace(b'"format": 1', b'"format": ' + b"1" * 5000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["store.json", "shards/000001.json"])
def test_text_that_is_not_json_is_refused(damage: Callable[[bytes], bytes], name: str, store: Path) -> None:
    path = store / name
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(store)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("name", ["store.json", "shards/000001.json"])
def test_a_pipe_is_refused_without_waiting_for_it(name: str, store: Path) -> None:
    (store / name).unlink()
    os.mkfifo(store / name)
    with pytest.raises(InputError, match="it is not a regular file"):
        open_store(store)


@pytest.mark.parametrize("suffix", ["tar", "json"])
def test_swapped_truncated_and_longer_shards_are_refused(suffix: str, store: Path) -> None:
    first, second = (store / "shards" / f"00000{number}.{suffix}" for number in (0, 1))
    one, other = first.read_bytes(), second.read_bytes()
    for content in (other, one[: len(one) // 2], one + bytes(512), b""):
        first.write_bytes(content)
        second.write_bytes(one if content == other else other)
        assert_refused(store)


@pytest.mark.parametrize(
    "text", ["source,reason,clips\n", "a,b\nc\n", "a,b,c\nx,y,z\n", 'a,b,c\n"', "a" * 200_000, "a\0,b\n1"]
)
def test_another_list_of_failures_is_refused(text: str, store: Path) -> None:
    (store / "failures.csv").write_text(text)
    assert_refused(store)
    (store / "failures.csv").unlink()
    assert_refused(store)
    (store / "failures.csv").mkdir()
    assert_refused(store)
