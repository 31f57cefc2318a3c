"""Reading real files: turned, of changing rate, of odd formats, damaged, and not videos at all."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from video_files import audio_only, draw, encode, song_with_cover, sounding

from fer_zoo.errors import VideoError
from fer_zoo.video.reader import open_video


def corners(width: int = 96, height: int = 64) -> np.ndarray:
    """A picture whose four quarters differ, so that any turn or mirroring shows."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (230, 30, 30)
    image[: height // 2, width // 2 :] = (30, 230, 30)
    image[height // 2 :, : width // 2] = (30, 30, 230)
    image[height // 2 :, width // 2 :] = (220, 220, 220)
    return image


def assert_alike(image: np.ndarray, expected: np.ndarray, tolerance: float = 12.0) -> None:
    assert image.shape == expected.shape
    # Compression smears the borders; the quarters themselves must agree.
    assert np.median(np.abs(image.astype(int) - expected.astype(int)).max(axis=-1)) < tolerance


def moving(count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 120, (height, width, 3), dtype=np.uint8)
    out = []
    for index in range(count):
        image = ground.copy()
        image[:, 2 * index % width : 2 * index % width + 8] = 240
        out.append(image)
    return out


def test_frames_times_and_size(tmp_path: Path) -> None:
    images = [draw([("red", 20 + 2 * i, 60, 30)]) for i in range(12)]
    video = open_video(encode(tmp_path / "a.mp4", images))
    frames = list(video.frames())
    assert (video.width, video.height, video.scale, video.rate) == (160, 120, 1.0, 25)
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(12) / 25, atol=1e-3)
    for frame, image in zip(frames, images, strict=True):
        assert frame.image.dtype == np.uint8
        assert_alike(frame.image, image)
    assert video.damage is None


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    video = open_video(encode(tmp_path / "a.mp4", moving(8)))
    first, second = list(video.frames()), list(video.frames())
    assert len(first) == 8
    for one, other in zip(first, second, strict=True):
        assert one.time_s == other.time_s
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, angle: int) -> None:
    path = encode(tmp_path / "turned.mp4", [corners()] * 4, rotation=angle)
    with av.open(str(path)) as container:
        turn = next(container.decode(video=0)).rotation  # counter-clockwise degrees, FFmpeg's own reading
    assert turn % 360 in (90, 180, 270)
    video = open_video(path)
    frame = next(iter(video.frames()))
    assert_alike(frame.image, np.rot90(corners(), turn // 90))
    assert (video.width, video.height) == ((64, 96) if turn % 180 else (96, 64))


def test_mirroring_is_applied(tmp_path: Path) -> None:
    one = 1 << 16
    path = encode(tmp_path / "selfie.mp4", [corners()] * 4, matrix=[-one, 0, 0, 0, one, 0, 0, 0, 1 << 30])
    assert_alike(next(iter(open_video(path).frames())).image, corners()[:, ::-1])


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.52, 0.9]
    video = open_video(encode(tmp_path / "vfr.mp4", moving(6), times=times))
    np.testing.assert_allclose([frame.time_s for frame in video.frames()], times, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv444p10le"),
        ("a.mkv", "ffv1", "gray"),
        ("a.mkv", "ffv1", "yuv422p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.mov", "mpeg4", "yuv420p"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
    ],
)
def test_any_format(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    image = corners()
    expected = np.repeat(image @ [0.299, 0.587, 0.114], 3).reshape(image.shape) if pix_fmt == "gray" else image
    frames = list(open_video(encode(tmp_path / name, [image] * 3, codec=codec, pix_fmt=pix_fmt)).frames())
    assert len(frames) == 3
    assert_alike(frames[-1].image, expected, tolerance=20)


def test_wide_pixels_are_shown_wide(tmp_path: Path) -> None:
    video = open_video(encode(tmp_path / "a.mkv", [corners()] * 2, aspect=Fraction(3, 2)))
    assert (video.width, video.height) == (144, 64)
    assert_alike(next(iter(video.frames())).image, corners(144))


def test_8k_is_shrunk_while_decoding(tmp_path: Path) -> None:
    big = np.repeat(np.repeat(corners(480, 270), 16, axis=0), 16, axis=1)
    video = open_video(encode(tmp_path / "8k.avi", [big], codec="mjpeg", pix_fmt="yuvj420p"))
    assert (video.width, video.height, video.scale) == (7680, 4320, 0.25)
    image = next(iter(video.frames())).image
    assert image.shape == (1080, 1920, 3)
    assert_alike(image[4::8, 4::8], corners(240, 135))


def test_turned_and_shrunk(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [corners(320, 160)] * 2, rotation=90)
    video = open_video(path, max_side=80)
    assert (video.width, video.height, video.scale, video.image_size) == (160, 320, 0.25, (40, 80))
    assert next(iter(video.frames())).image.shape == (80, 40, 3)


def test_one_frame(tmp_path: Path) -> None:
    frames = list(open_video(encode(tmp_path / "a.mp4", moving(1))).frames())
    assert [(frame.index, frame.time_s) for frame in frames] == [(0, 0.0)]


@pytest.mark.parametrize(("name", "container"), [("a.mkv", {}), ("a.ts", {}), ("a.mp4", {"movflags": "+faststart"})])
@pytest.mark.parametrize("kept", [0.4, 0.7])
def test_truncated_file_gives_its_frames_and_says_so(
    tmp_path: Path, name: str, container: dict[str, str], kept: float
) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(60)]  # as many bytes in every frame
    path = encode(tmp_path / name, noise, container=container, options={"g": "12", "bf": "0"})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    video = open_video(path)
    frames = list(video.frames())
    assert 60 * kept - 15 < len(frames) < 60 * kept + 10
    if name != "a.ts":  # a transport stream has no announced length: an end is an end
        assert video.damage


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_sound_that_is_longer_than_the_picture_is_no_damage(tmp_path: Path, name: str) -> None:
    path = sounding(tmp_path / name, moving(30), seconds=3.0)
    with av.open(str(path)) as container:
        assert container.duration / 1e6 > 2.8
    video = open_video(path)
    assert len(list(video.frames())) == 30
    assert video.damage is None


def test_a_count_in_a_header_is_no_evidence_of_damage(tmp_path: Path) -> None:
    video = replace(open_video(encode(tmp_path / "a.mp4", moving(20))), frame_count=90)
    assert (len(list(video.frames())), video.damage) == (20, None)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("a.mp4", "libx264", {"movflags": "+faststart"}),
        ("a.mp4", "libx264", {"movflags": "+frag_keyframe+empty_moov"}),
        ("a.avi", "mpeg4", {}),
        ("a.webm", "libvpx", {}),
        ("a.flv", "libx264", {}),
        ("a.wmv", "wmv2", {}),
    ],
)
def test_a_file_that_was_cut_off_is_damaged_and_the_whole_one_is_not(
    tmp_path: Path, name: str, codec: str, container: dict[str, str]
) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(40)]
    path = encode(tmp_path / name, noise, codec=codec, container=container)
    video = open_video(path)
    assert (len(list(video.frames())), video.damage) == (40, None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    video = open_video(path)
    assert len(list(video.frames())) < 40
    assert video.damage


def test_an_end_that_only_the_time_stamps_show_is_seen_despite_sound(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(60)]
    path = sounding(tmp_path / "a.mkv", noise, seconds=2.4)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    video = open_video(path)
    assert 10 < len(list(video.frames())) < 50
    assert video.damage


def test_bytes_overwritten_in_the_middle(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(60)]
    path = encode(tmp_path / "a.mp4", noise, container={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = rng.bytes(4000)
    path.write_bytes(data)
    frames = list(open_video(path).frames())
    assert len(frames) > 30
    times = [frame.time_s for frame in frames]
    assert times == sorted(set(times))


def test_mp4_that_lost_its_index(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", moving(30))
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(VideoError, match="cannot be read as video"):
        open_video(path)


def test_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 500)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    for path, message in (
        (tmp_path / "missing.mp4", "There is no file"),
        (tmp_path, "is a folder, not a file"),
        (tmp_path / ("long" * 100), "cannot be read: File name too long"),
        (tmp_path / "empty.mp4", "empty"),
        (tmp_path / "text.mp4", "cannot be read as video|No frame|no picture"),
        (tmp_path / "noise.mp4", "cannot be read as video|No frame|no picture"),
        (audio_only(tmp_path / "sound.m4a"), "sound but no picture"),
        (song_with_cover(tmp_path / "song.mp3"), r"sound but no picture \(only a cover\)"),
    ):
        with pytest.raises(VideoError, match=message):
            open_video(path)


@pytest.mark.parametrize(("default", "expected"), [((True, False), 60), ((False, True), 200)])
def test_the_default_stream_is_decoded(tmp_path: Path, default: tuple[bool, bool], expected: int) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        streams = [out.add_stream("libx264", rate=25) for _ in default]
        for stream, flag in zip(streams, default, strict=True):
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.disposition = Disposition.default if flag else Disposition(0)
        for stream, grey in zip(streams, (60, 200), strict=True):
            for _ in range(5):
                picture = np.full((48, 64, 3), grey, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode(None))
    assert next(open_video(tmp_path / "a.mkv").frames()).image.mean() == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_thumbnail_before_the_video_is_not_the_video(tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / name), "w") as out:
        still, video = out.add_stream("mjpeg", rate=25), out.add_stream("libx264", rate=25)
        still.width, still.height, still.pix_fmt = 128, 96, "yuvj420p"
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for stream, count in ((still, 1), (video, 9)):
            for _ in range(count):
                picture = np.full((stream.height, stream.width, 3), 90, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode(None))
    assert len(list(open_video(tmp_path / name).frames())) == 9
