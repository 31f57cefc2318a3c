"""What is a video is what FFmpeg says; nothing else is lost without being named."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from reader_trees import database, tree

from fer_zoo.data.datasets._videos import ENDINGS, is_text, is_video


def film(path: Path, form: str, codec: str, frames: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path.open("wb"), "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = {"gif": "rgb8", "apng": "rgb24"}.get(codec, "yuv420p")
        for number in range(frames):
            picture = np.full((48, 64, 3), 40 * number, np.uint8)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt))
            )
        container.mux(stream.encode())
    return path


KINDS = [
    ("a.mts", "mpegts", "mpeg2video"), ("a.M2TS", "mpegts", "mpeg2video"), ("a.ts", "mpegts", "mpeg2video"),
    ("a.3gp", "3gp", "mpeg4"), ("a.ogv", "ogg", "libvpx"), ("a.gif", "gif", "gif"), ("a.wmv", "asf", "wmv2"),
    ("a.FLV", "flv", "flv1"), ("a.mpg", "mpeg", "mpeg1video"), ("a.vob", "vob", "mpeg2video"), ("a", "mp4", "mpeg4"),
    ("a.recording", "matroska", "mpeg4"), ("a.dat", "avi", "mpeg4"), ("a.apng", "apng", "apng"),
    ("a b.MOV", "mov", "mpeg4"), ("a.mxf", "mxf", "mpeg2video"), ("a.ogg", "ogg", "libvpx"),
    ("a:b.txt", "avi", "mpeg4"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "form", "codec"), KINDS)
def test_videos_under_any_ending_are_sources(name: str, form: str, codec: str, tmp_path: Path) -> None:
    film(tmp_path / "fear" / name, form, codec)
    reader = database("folder", tmp_path)
    (source,) = reader.sources()
    assert source.files == (Path("fear") / name,)
    assert reader.problems == []


def test_what_is_no_video_is_named_and_text_is_not(tmp_path: Path) -> None:
    folder = tree(tmp_path, "fear/ok.mp4", "fear/.DS_Store", "fear/Thumbs.db", "fear/empty") / "fear"
    for name in ("README", "notes.txt", "table.csv", "list.m3u8"):
        (folder / name).write_bytes("nöte\n".encode("latin-1") * 2000)
    (folder / "excel.txt").write_text("path\tlabel", "utf-16")
    (folder / "blob.bin").write_bytes(bytes(range(256)) * 40)
    film(folder / "still.gif", "gif", "gif", frames=1)
    Image.new("RGB", (8, 8)).save(folder / "still.webp")
    Image.new("RGB", (8, 8)).save(folder / "still.png")
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    film(folder / ".hidden.mp4", "mp4", "mpeg4")
    (folder / "._ok.mp4").write_bytes(b"\x00\x05\x16\x07" + bytes(200))
    film(tmp_path / "outside.avi", "avi", "mpeg4")
    film(folder / "session" / "deep.mp4", "mp4", "mpeg4")
    reader = database("folder", tmp_path)
    assert [source.key for source in reader.sources()] == ["fear/ok.mp4"]
    assert sorted(reader.problems) == [
        "fear/session: no picture; left out (1 videos: move them up into fear)",
        "fear: files that FFmpeg does not read as video: 4 left out, such as fear/blob.bin",
        "fear: hidden videos: 1 left out, such as fear/.hidden.mp4",
        "fear: single pictures are not clips (put the pictures of one clip into a folder): 1 left out, such as "
        "fear/still.png",
        "videos that are in no label's folder: 1 left out, such as outside.avi",
    ]


def test_pictures_of_other_kinds_in_a_sequence_are_named(tmp_path: Path) -> None:
    folder = tree(tmp_path, "fear/seq/1.png", "fear/seq/notes.txt") / "fear" / "seq"
    Image.new("RGB", (8, 8)).save(folder / "2.webp")
    reader = database("folder", tmp_path)
    assert [len(source.files) for source in reader.sources()] == [1]
    assert reader.problems[0].endswith("1 left out, such as 2.webp")


def test_a_broken_video_is_one_by_its_ending(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.MTS", "a.3gp"):
        (tmp_path / name).write_bytes(b"cut off")
        assert is_video(tmp_path / name)
    assert not is_video(tmp_path / "gone.bin")
    assert not is_text(tmp_path / "gone.bin")


def test_a_broken_file_without_a_telling_ending_is_no_error(tmp_path: Path) -> None:
    """Cut off or overwritten anywhere: FFmpeg has errors of its own, which are neither OSError nor ValueError."""
    path = tmp_path / "stray"
    for form, codec in (("mp4", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("flv", "flv1"), ("ogg", "libvpx")):
        whole = film(tmp_path / "whole", form, codec).read_bytes()
        for size in (20, 45, *range(64, len(whole), len(whole) // 4)):
            path.write_bytes(whole[:size])
            is_video(path)
            path.write_bytes(whole[:size] + bytes(40) + whole[size + 40 :])
            is_video(path)


@pytest.mark.parametrize("kind", [av.error.EOFError, av.error.UndefinedError, av.error.InvalidDataError])
def test_every_error_of_ffmpeg_means_no_video(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise kind(1, "broken")

    monkeypatch.setattr(av, "open", broken)
    (tmp_path / "a").write_bytes(bytes(99))
    assert not is_video(tmp_path / "a")


def test_endings_are_those_of_video_formats() -> None:
    assert {
        "mp4",
        "avi",
        "mov",
        "mkv",
        "webm",
        "flv",
        "wmv",
        "mpg",
        "mts",
        "m2ts",
        "ts",
        "3gp",
        "ogv",
    } <= ENDINGS
    assert not {"txt", "csv", "json", "png", "jpg", "tiff", "wav", "mp3", "m4a", "webp", ""} & ENDINGS
