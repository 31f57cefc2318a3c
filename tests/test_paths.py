"""Names: any local file opens as itself, any name prints, and a name in another Unicode form finds its file."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from video_files import draw, encode

from fer_zoo.paths import ffmpeg_url, find_path, missing, natural, shown
from fer_zoo.video.reader import open_video
from fer_zoo.video.writer import write_video

NAMES = [
    "2024-01-01T12:30.mp4", "http:x.mp4", "file:x.mp4", "-x.mp4", "a%d.mp4", "a%03d?*[1].mp4", "concat:a|b.mp4",
    "two\nlines.mp4", "$x_1$.mp4", "'q\"\\.mp4", " .mp4", os.fsdecode(b"Zo\xeb.mp4"), "café.mp4", "子供😀.mp4",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_ffmpeg_reads_and_writes_exactly_the_named_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "plain.mp4", [draw([])] * 3)
    os.rename("plain.mp4", name)
    assert len(list(open_video(name).frames())) == 3
    with write_video(f"2{name}", 25) as writer:
        writer.add(draw([]))
    assert sorted(os.listdir()) == sorted([name, f"2{name}"])
    assert len(list(open_video(f"2{name}").frames())) == 1


def test_a_pattern_in_a_picture_name_is_no_pattern(tmp_path: Path) -> None:
    from PIL import Image

    for name, level in (("a%d.png", 200), ("a0.png", 10), ("a1.png", 10)):
        Image.new("RGB", (32, 32), (level,) * 3).save(tmp_path / name)
    (frame,) = open_video(tmp_path / "a%d.png").frames()
    assert frame.image.mean() == pytest.approx(200, abs=2)


def test_a_url_is_always_a_local_file() -> None:
    assert ffmpeg_url("http://example.org/a.mp4") == f"file:{os.getcwd()}/http:/example.org/a.mp4"
    with pytest.raises(av.error.FileNotFoundError):
        av.open(ffmpeg_url("-"))


@given(st.text(st.characters(codec=None), max_size=30))
def test_a_shown_name_fits_on_one_line_of_utf8(name: str) -> None:
    text = shown(name)
    text.encode("utf-8")
    assert len(text.splitlines()) <= 1
    if name.isprintable():
        assert text == name


def test_what_is_shown() -> None:
    assert shown(os.fsdecode(b"Zo\xeb\n.mp4")) == "Zo\\xeb\\n.mp4"
    assert shown("a\u202eb\ud800") == "a\\u202eb\\ud800"
    assert shown(Path("子供/😀 é.mp4")) == "子供/😀 é.mp4"


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize(("there", "given_as"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_every_part_of_a_path_is_found_in_another_unicode_form(
    there: str, given_as: str, relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "Zoë/Übung/café.mp4"
    file = tmp_path / unicodedata.normalize(there, name)  # type: ignore[arg-type]
    file.parent.mkdir(parents=True)
    file.touch()
    requested = (Path() if relative else tmp_path) / unicodedata.normalize(given_as, name)  # type: ignore[arg-type]
    assert requested != file
    assert find_path(requested).absolute() == file
    assert find_path(file) == file


def test_an_ambiguous_or_missing_name_comes_back_and_the_error_says_why(tmp_path: Path) -> None:
    forms = [unicodedata.normalize(form, "ệ.mp4") for form in ("NFC", "NFD")]  # type: ignore[arg-type]
    third = "\u1eb9\u0302.mp4"  # the same letter, partly composed
    for name in forms:
        (tmp_path / name).touch()
    assert find_path(tmp_path / third) == tmp_path / third
    text = missing(tmp_path / third)
    assert "(names that differ in their Unicode form only: " in text
    assert "'\\u1ec7.mp4'" in text
    assert find_path(tmp_path / "none.mp4") == tmp_path / "none.mp4"
    assert find_path("a\0b") == Path("a\0b")
    assert missing("none.mp4") == "There is no file none.mp4."


def test_order_depends_only_on_names() -> None:
    names = ["2", "02", "10", "a", "b2", "b10", "٣", "²", "b02"]
    assert sorted(names, key=natural) == sorted(reversed(names), key=natural)
    assert sorted(["b10", "b2", "b"], key=natural) == ["b", "b2", "b10"]
