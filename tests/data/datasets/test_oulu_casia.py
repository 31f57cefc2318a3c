"""Oulu-CASIA: both layouts, camera and light, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check_reader, database, differences, sources, tree

from fer_zoo.errors import InputError

WORDS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


@pytest.mark.parametrize(
    "base", ["OriginalImg", "B_OriginalImg", "B_OriginalImg/OriginalImg", "Oulu_CASIA_NIR_VIS", "."]
)
def test_layouts(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, *(f"{base}/VL/Strong/P001/{word}/{n:03}.jpeg" for word in WORDS for n in (10, 9, 2)))
    found = sources("oulu_casia", tmp_path)
    assert list(found) == [f"VL/Strong/P001/{word.lower()}" for word in WORDS]
    assert [file.name for file in found["VL/Strong/P001/fear"].files] == ["002.jpeg", "009.jpeg", "010.jpeg"]
    assert {source.subject for source in found.values()} == {"P001"}
    assert {source.part for source in found.values()} == {"last"}, "a sequence ends at its peak"
    check_reader("oulu_casia", tmp_path, monkeypatch)


def test_camera_and_light(tmp_path: Path) -> None:
    for place in ("VL/Strong", "VL/Weak", "VL/Dark", "NI/Dark"):
        tree(tmp_path, f"OriginalImg/{place}/P002/Fear/000.jpeg")
    assert list(sources("oulu_casia", tmp_path)) == ["VL/Strong/P002/fear"]
    assert list(sources("oulu_casia", tmp_path, spectrum="NI", light="Dark")) == ["NI/Dark/P002/fear"]
    with pytest.raises(InputError, match="OriginalImg/NI/Weak/"):
        sources("oulu_casia", tmp_path, spectrum="NI", light="Weak")


def test_what_is_odd_is_left_out_and_named(tmp_path: Path) -> None:
    place = "OriginalImg/VL/Strong"
    tree(tmp_path, f"{place}/p003/anger/000.jpeg", f"{place}/p003/anger/.DS_Store", f"{place}/p003/Fear/")
    tree(tmp_path, f"{place}/p003/Neutral/000.jpeg", f"{place}/p003/Angst/000.jpeg", f"{place}/extra/Fear/000.jpeg")
    reader = database("oulu_casia", tmp_path)
    (source,) = reader.sources()
    assert (source.key, len(source.files)) == ("VL/Strong/P003/anger", 1)
    assert sorted(reader.problems) == [
        "P003/Fear: no picture; left out",
        "P003: 'Angst' is not a label of Oulu-CASIA (did you mean 'angry'?); left out",
        "P003: 'Neutral' is not a label of Oulu-CASIA; left out",
        "extra: not of the form P001; left out",
    ]
    assert differences("oulu_casia", tmp_path)["clips (expected number unverified)"] == (1, 480)


def test_the_whole_has_no_difference(tmp_path: Path) -> None:
    tree(tmp_path, *(f"VL/Strong/P{n:03}/{word}/000.jpeg" for n in range(1, 81) for word in WORDS))
    assert differences("oulu_casia", tmp_path) == {}
