"""Every kind of source gives the same frames; what cannot be read is a three-part error."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_files import draw, encode, small_disk

from fer_zoo.errors import FerZooError, InputError, VideoError
from fer_zoo.video.sources import find_sources, open_source

IMAGES = [draw([("red", 50 + 3 * i, 60, 40)]) for i in range(8)]


@contextmanager
def served(data: bytes, length: int | None = None) -> Iterator[str]:
    """Serve one file once over HTTP on the loopback address; a connection that breaks off if `length` is larger."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(length or len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/live/a.ts?token=secret"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_arrays_iterators_and_folders_of_frames_give_the_same_frames(tmp_path: Path) -> None:
    for index, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"f{index + 5}.png")  # f10 comes after f9
    for source in (np.stack(IMAGES), list(IMAGES), iter(IMAGES), tmp_path, str(tmp_path)):
        video = open_source(source, fps=10).recorded()
        for _ in range(2):  # also what could be read only once
            frames = list(video.frames())
            assert [frame.time_s for frame in frames] == [i / 10 for i in range(8)]
            for frame, image in zip(frames, IMAGES, strict=True):
                np.testing.assert_array_equal(frame.image, image)
        assert (video.width, video.height, video.rate, video.live, video.notes) == (160, 120, 10, False, ())
    assert "25 frames per second were assumed" in open_source(np.stack(IMAGES)).notes[0]


def test_the_order_of_frames_depends_only_on_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a.png", "01.png", "1.png", "2.png", "10.png"]
    for value, name in enumerate(names):
        Image.new("RGB", (8, 8), (value, 0, 0)).save(tmp_path / name)
    for listed in (names, names[::-1]):  # as file systems may list them
        monkeypatch.setattr(Path, "iterdir", lambda folder, listed=listed: (folder / name for name in listed))
        assert [frame.image[0, 0, 0] for frame in open_source(tmp_path, fps=25).frames()] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_frames_of_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, ending: str) -> None:
    ramp = np.linspace(0, 65535, 24 * 32).reshape(24, 32).round().astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / f"0.{ending}")
    (frame,) = open_source(tmp_path, fps=25).frames()
    np.testing.assert_array_equal(frame.image, np.stack([np.round(ramp / 257).astype(np.uint8)] * 3, axis=-1))


def test_a_frame_that_is_broken_in_any_way_is_a_three_part_error(tmp_path: Path) -> None:
    Image.fromarray(IMAGES[0]).save(tmp_path / "0.png")
    whole = (tmp_path / "0.png").read_bytes()
    for broken in (b"", whole[:30], whole[: len(whole) // 2], whole.replace(b"IDAT", b"IDAX"), whole[:8] + b"\0" * 60):
        (tmp_path / "1.png").write_bytes(broken)
        with pytest.raises(VideoError, match=r"1\.png cannot be read: [\s\S]*Accepted: [\s\S]*What to do: "):
            list(open_source(tmp_path, fps=25).frames())


def test_an_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", IMAGES[0]):
        (frame,) = open_source(source).frames()
        assert np.abs(frame.image.astype(int) - IMAGES[0]).max() <= 2


def test_frames_whose_size_changes_are_shown_whole() -> None:
    images = [IMAGES[0], draw([("red", 40, 60, 40)], 80, 120), IMAGES[1]]
    video = open_source(iter(images), fps=25)
    frames = list(video.frames())
    assert {frame.image.shape for frame in frames} == {(120, 160, 3)}
    assert [frame.reshaped for frame in frames] == [False, True, True]
    assert frames[1].image[:, :38].max() == 0
    assert "changes at frame 1" in video.notes[0]


def test_a_stream_over_http_is_read_in_one_connection(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", IMAGES * 3)
    expected = [frame.image for frame in open_source(path).frames()]
    with served(path.read_bytes()) as url:
        stream = open_source(url)
        assert (stream.once, stream.width, stream.height, stream.rate) == (True, 160, 120, 25)
        assert "secret" not in str(stream.path)
        video = stream.recorded()
    frames = list(video.frames())  # the server is gone
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(24) / 25, atol=2e-3)
    np.testing.assert_array_equal([frame.image for frame in frames], expected)
    with pytest.raises(VideoError, match="read to its end"):
        next(stream.frames())


def test_a_stream_that_dies_gives_what_came_and_says_so(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.ts", IMAGES * 10, options={"g": "10", "bf": "0"}).read_bytes()
    with served(data[: len(data) // 2], len(data)) as url:
        video = open_source(url).recorded()
    count = len(list(video.frames()))
    assert 10 < count < 70
    assert any("broke off" in note for note in video.notes)


def test_a_recording_stops_after_the_seconds_that_were_asked_for(tmp_path: Path) -> None:
    with served(encode(tmp_path / "a.ts", IMAGES * 3).read_bytes()) as url:
        assert len(list(open_source(url).recorded(0.4).frames())) == 10
    assert len(list(open_source(iter(IMAGES * 3), fps=25).recorded(0.4).frames())) == 10


@pytest.mark.parametrize("address", ["http://[::1/x.mp4", "rtsp://[x]y/a", "udp://[1", "http://a\u2100b/x.mp4"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(VideoError, match=r"cannot be opened: [\s\S]*Accepted: [\s\S]*What to do: "):
        open_source(address)


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + "/b.mp4", "1" * 300, "a" * 300 + "*", "x/" * 3000])
def test_a_name_that_the_system_refuses(name: str) -> None:
    for find in (str, Path, lambda name: find_sources([name])[0]):
        with pytest.raises(VideoError, match=r"Accepted: [\s\S]*What to do: "):
            open_source(find(name))


def test_folders_that_may_not_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def refused(path: Any, *rest: Any, **named: Any) -> os.stat_result:
        if "locked" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *rest, **named)

    monkeypatch.setattr(os, "stat", refused)
    assert find_sources([f"{tmp_path}/locked/a.mp4"]) == [tmp_path / "locked" / "a.mp4"]
    with pytest.raises(VideoError, match="Permission denied"):
        open_source(tmp_path / "locked" / "a.mp4")


def test_a_refused_stream_and_a_missing_camera() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for source in (f"http://me:pass@127.0.0.1:{port}/a.ts", f"rtsp://127.0.0.1:{port}/a", 97, "97"):
        with pytest.raises(VideoError, match=r"cannot be opened: [\s\S]*Accepted: [\s\S]*What to do: ") as caught:
            open_source(source)
        assert "pass" not in str(caught.value)
    with served(b"no video" * 100) as url, pytest.raises(VideoError, match="cannot be opened"):
        open_source(url)


@pytest.mark.parametrize(
    "source",
    [None, True, 1.5, b"a.mp4", {}, object(), np.zeros((4, 4)), np.zeros((2, 8, 8, 3)), np.zeros((0, 8, 8, 3), "u1"),
     [1, 2], iter([np.zeros((8, 8), np.uint8)]), [], iter([])],
    ids=lambda source: f"{type(source).__name__}",
)  # fmt: skip
def test_anything_else_is_a_three_part_error(source: Any) -> None:
    with pytest.raises((InputError, VideoError), match=r"Accepted: [\s\S]*What to do: ") as caught:
        open_source(source)
    assert isinstance(caught.value, FerZooError)


def test_folders_and_patterns_give_their_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("v/b.MP4", "v/deep/a.mkv", "v/.hidden.mp4", "v/notes.txt", "done/annotated.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("done/timeline.png").touch()
    Path("p").mkdir()
    Path("p/1.png").touch()
    Path("empty").mkdir()
    assert find_sources(["v"]) == [Path("v/b.MP4"), Path("v/deep/a.mkv")]
    assert find_sources(["v/*.MP4", "v", "p", "rtsp://x/y", "0"]) == [
        Path("v/b.MP4"), Path("v/deep/a.mkv"), Path("p"), "rtsp://x/y", "0",
    ]  # fmt: skip
    for wrong, message in (("empty", "holds no videos"), ("*.mov", "No file matches")):
        with pytest.raises(VideoError, match=message):
            find_sources([wrong])
    with pytest.raises(VideoError, match="is a folder of videos"):
        open_source("v")


def test_a_full_disk_while_recording_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "a.ts", IMAGES * 3)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with served(path.read_bytes()) as url:
        for source in (url, iter(IMAGES)):
            stream = open_source(source, fps=25)
            with small_disk(500), pytest.raises(VideoError, match=r"(written|kept)[\s\S]*What to do: "):
                stream.recorded()
    assert list((tmp_path / "temporary").iterdir()) == []
