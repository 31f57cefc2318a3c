"""Predictions: what they refuse, their file, joining folds, and the mean over a video's clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_zoo.errors import InputError
from fer_zoo.training.predictions import Predictions

COLUMNS = ("keys", "subjects", "videos", "truth", "probabilities")
# NumPy strings drop a final NUL, and an unpaired surrogate cannot be encoded.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def made(**changed: Any) -> Predictions:
    columns: dict[str, Any] = {
        "labels": ("sad", "happy", "calm"),
        "keys": ["a/1", "a/2", "b/1", "c/1"],
        "subjects": ["ann", "ann", "bob", ""],
        "videos": ["a", "a", "b/1", "c/1"],
        "truth": [1, 1, 0, 2],
        "probabilities": [[0.1, 0.9, 0.0], [0.5, 0.1, 0.4], [0.2, 0.6, 0.2], [0.0, 0.25, 0.75]],
        "groups": {"age": ["young", "young", "old", ""]},
    }
    return Predictions(**{**columns, **changed})


def same(one: Predictions, other: Predictions) -> bool:
    columns = [*COLUMNS, "labels"]
    equal = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)
    return equal and {n: c.tolist() for n, c in one.groups.items()} == {n: c.tolist() for n, c in other.groups.items()}


def test_predicted_is_the_first_of_the_largest_probabilities() -> None:
    even = made(probabilities=[[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [1, 0, 0], [0, 0, 1]])
    assert even.predicted.tolist() == [0, 1, 0, 2]
    assert len(even) == 4


def test_columns_are_read_only() -> None:
    mine = np.array([1, 1, 0, 2])
    predictions = made(truth=mine)
    mine[0] = 2
    assert predictions.truth[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        predictions.probabilities[0, 0] = 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"truth": [1, 1, 0]}, "columns"),
        ({"groups": {"age": ["young"]}}, "columns"),
        ({"labels": ("sad", "happy")}, "columns"),
        ({name: [] for name in ("keys", "subjects", "videos", "truth")} | {"groups": {}}, "columns"),
        ({"keys": ["a/1", "a/2", "b/1", "a/1"]}, "Duplicate key 'a/1'"),
        ({"keys": ["a/1", "", "b/1", "c/1"]}, "A key without a name"),
        ({"labels": ("sad", "happy", "sad")}, "Duplicate label 'sad'"),
        ({"videos": ["a", "a", "", "c"]}, "'b/1' has no video"),
        ({"truth": [1, 1, 0, 3]}, "Truth 0 to 3"),
        ({"truth": [1, 1, 0, -1]}, "Truth -1 to 1"),
        ({"truth": [1, 1, 0, 1.5]}, "float64"),
        ({"probabilities": [[3.0, -2.0, 0.0], [1, 0, 0], [1, 0, 0], [1, 0, 0]]}, "e.g. 'a/1'"),
        ({"probabilities": [[1, 0, 0], [0.2, 0.2, 0.2], [1, 0, 0], [1, 0, 0]]}, "e.g. 'a/2'"),
        ({"probabilities": [[1, 0, 0], [1, 0, 0], [np.nan, 1, 0], [1, 0, 0]]}, "e.g. 'b/1'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        made(**changed)
    assert error.value.accepted
    assert error.value.do


def test_a_softmax_in_single_precision_passes() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (4, 3)).astype(np.float32)
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert made(probabilities=share).probabilities.dtype == np.float64


def test_the_file_gives_back_every_bit(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).dirichlet([0.01, 1, 1], 4)
    predictions = made(probabilities=noise)
    predictions.write(tmp_path / "new" / "test.csv")
    assert same(Predictions.read(tmp_path / "new" / "test.csv"), predictions)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["test.csv"]


@given(data=st.data())
def test_any_name_comes_back(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    keys = data.draw(st.lists(NAMES.filter(bool), min_size=4, max_size=4, unique=True))
    labels = data.draw(st.lists(NAMES.filter(bool), min_size=3, max_size=3, unique=True))
    four = st.lists(NAMES, min_size=4, max_size=4)
    groups = data.draw(st.dictionaries(NAMES, four, max_size=2))
    predictions = made(keys=keys, labels=tuple(labels), subjects=data.draw(four), videos=keys, groups=groups)
    path = tmp_path_factory.mktemp("any") / "test.csv"
    predictions.write(path)
    assert same(Predictions.read(path), predictions)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "its first line is ''"),
        (lambda text: text.replace('"video"', '"film"'), "its first line"),
        (lambda text: text.splitlines()[0] + "\n", "no clips|columns"),
        (lambda text: text[: text.rindex(",")], "row 4 has 7 entries, the first line 8"),
        (lambda text: text.replace('"a","happy"', '"a","merry"'), "row 1 says 'merry'"),
        (lambda text: text.replace("0.75", "much"), "much"),
        (lambda text: text.replace("0.75", "0.5"), "e.g. 'c/1'"),
        (lambda text: text.replace("happy", "\udcff"), "utf-8"),
    ],
)
def test_a_damaged_file_is_refused(damage: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    made().write(path)
    path.write_bytes(damage(path.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=message) as error:
        Predictions.read(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Predictions.read(tmp_path / "none.csv")


def test_the_clips_of_a_video_speak_together() -> None:
    videos = made().by_video()
    assert videos.keys.tolist() == videos.videos.tolist() == ["a", "b/1", "c/1"]
    np.testing.assert_allclose(videos.probabilities, [[0.3, 0.5, 0.2], [0.2, 0.6, 0.2], [0, 0.25, 0.75]])
    assert videos.subjects.tolist() == ["ann", "bob", ""]
    assert videos.groups["age"].tolist() == ["young", "old", ""]
    assert videos.predicted.tolist() == [1, 1, 2]
    assert same(videos.by_video(), videos)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"truth": [1, 0, 0, 2]}, "'a' differ in truth: 'sad', 'happy'"),
        ({"subjects": ["ann", "amy", "bob", ""]}, "'a' differ in subjects"),
        ({"subjects": ["ann", "", "bob", ""]}, "'a' differ in subjects"),
        ({"groups": {"age": ["young", "old", "old", ""]}}, "'a' differ in age"),
    ],
)
def test_a_video_with_two_labels_or_subjects_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(**changed).by_video()


def test_a_group() -> None:
    young = made().of_group("age", "young")
    assert young.keys.tolist() == ["a/1", "a/2"]
    assert made().of_group("age", "").keys.tolist() == ["c/1"]
    for grouping, group in (("age", "newborn"), ("sex", "young")):
        with pytest.raises(InputError, match=rf"{group}.*{grouping}[\s\S]*age: , old, young"):
            made().of_group(grouping, group)


def test_folds_are_joined() -> None:
    whole = made()
    assert same(Predictions.concat([whole.take(np.array([0, 1])), whole.take(np.array([2, 3]))]), whole)
    assert same(Predictions.concat([whole]), whole)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"keys": ["a/1", "x", "y", "z"]}, "1 clips are in two .* e.g. 'a/1'"),
        ({"keys": ["w", "x", "y", "z"]}, "3 videos are in two .* e.g. 'a'"),
        ({"keys": ["w", "x", "y", "z"], "videos": ["w", "x", "y", "z"]}, "2 subjects are in two .* e.g. 'ann'"),
        ({"labels": ("happy", "sad", "calm")}, "2 kinds of labels"),
        ({"groups": {}}, "2 kinds of labels"),
    ],
)
def test_what_cannot_be_joined(second: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Predictions.concat([made(), replace(made(), **second)])


def test_nothing_cannot_be_joined_or_taken() -> None:
    with pytest.raises(InputError, match="0 kinds"):
        Predictions.concat([])
    with pytest.raises(InputError, match="at least one clip"):
        made().take(np.array([], np.int64))
