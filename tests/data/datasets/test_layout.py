"""Folders under any spelling, errors that help, natural order, text of any encoding, duplicates."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_zoo.data.datasets._layout import (
    find_folder,
    in_order,
    optional_folder,
    read_text,
    safe_key,
    visible_files,
    visible_folders,
)
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError


def test_a_folder_is_found_in_any_case_and_the_exact_one_first(tmp_path: Path) -> None:
    (tmp_path / "EMOTION" / "Inner").mkdir(parents=True)
    assert find_folder(tmp_path, ["labels", "emotion/INNER"], "labels") == tmp_path / "EMOTION" / "Inner"
    (tmp_path / "emotion").mkdir()
    assert find_folder(tmp_path, ["emotion"], "labels") == tmp_path / "emotion"
    assert find_folder(tmp_path, ["."], "anything") == tmp_path
    assert optional_folder(tmp_path, ["other"]) is None


def test_the_error_says_what_was_looked_for_what_is_there_and_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "Emotions").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "readme.txt").touch()
    with pytest.raises(InputError) as caught:
        find_folder(tmp_path, ["Emotion", "Emotion_Labels/Emotion"], "emotion labels")
    assert caught.value.given == (
        f"No emotion labels below {tmp_path}: looked for Emotion/ or Emotion_Labels/Emotion/; "
        "there is Emotions/, readme.txt."
    )
    assert caught.value.do == f"did you mean {tmp_path / 'Emotions'}?"


@pytest.mark.parametrize(("given", "meant"), [("data/Emotion", "data"), (".", "data"), ("date", "data")])
def test_a_root_that_is_nearly_right(given: str, meant: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "Emotion").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        find_folder(tmp_path / given, ["Emotion"], "emotion labels")
    assert caught.value.do.endswith(f"{tmp_path / meant}?")


def test_hidden_files_are_passed_over_and_numbers_sort_as_numbers(tmp_path: Path) -> None:
    for name in ("f10.png", "f9.PNG", ".f1.png", "Thumbs.db", "f1.txt"):
        (tmp_path / name).touch()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in visible_files(tmp_path, [".png"])] == ["f9.PNG", "f10.png"]
    assert [path.name for path in visible_files(tmp_path)] == ["f1.txt", "f9.PNG", "f10.png"]
    assert [path.name for path in visible_folders(tmp_path)] == ["folder.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_of_any_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Grüße\r\n1".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "Grüße\n1"


def test_text_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.txt cannot be read"):
        read_text(tmp_path / "gone.txt")


def test_of_two_sources_with_one_key_the_first_stays() -> None:
    sources = [Source(key, (Path(file),), "fear", None) for key, file in [("b", "1"), ("a", "2"), ("b", "3")]]
    problems: list[str] = []
    assert [(source.key, str(source.files[0])) for source in in_order(sources, problems)] == [("a", "2"), ("b", "1")]
    assert problems == ["b: duplicate; 3 is left out, 1 is used"]


def test_keys_hold_no_other_characters() -> None:
    assert safe_key("S 1", "ä/b", "c-1.x") == "S_1/__b/c-1.x"
