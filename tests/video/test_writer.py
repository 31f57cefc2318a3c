"""Writing video: what comes back when it is read, and that there are no half files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import draw, small_disk

from fer_zoo.errors import InputError, VideoError
from fer_zoo.video import writer as module
from fer_zoo.video.reader import open_video
from fer_zoo.video.writer import output_file, write_video


def squares(count: int, width: int = 120, height: int = 80) -> list[np.ndarray]:
    return [draw([("red", 20 + 3 * index, 40, 30)], width, height) for index in range(count)]


def codec_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name


def test_round_trip_at_a_constant_rate(tmp_path: Path) -> None:
    images = squares(9)
    with write_video(tmp_path / "a.mp4", 30) as writer:
        for image in images:
            writer.add(image)
    video = open_video(tmp_path / "a.mp4")
    frames = list(video.frames())
    assert video.rate == 30
    assert codec_of(tmp_path / "a.mp4") == "h264"
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(9) / 30, atol=1e-3)
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 6


def test_given_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.11, 0.7, 1.5]
    with write_video(tmp_path / "a.mp4", 25) as writer:
        for image, time in zip(squares(5), times, strict=True):
            writer.add(image, time)
    np.testing.assert_allclose([frame.time_s for frame in open_video(tmp_path / "a.mp4").frames()], times, atol=1e-3)


def test_odd_sizes_lose_one_pixel(tmp_path: Path) -> None:
    with write_video(tmp_path / "a.mp4", 25) as writer:
        for image in squares(3, 121, 79):
            writer.add(image)
    video = open_video(tmp_path / "a.mp4")
    assert (video.width, video.height) == (120, 78)


def test_without_an_h264_encoder_mpeg4_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CODECS", (("no_such_codec", {}), ("mpeg4", {})))
    with write_video(tmp_path / "a.mp4", 25) as writer:
        writer.add(squares(1)[0])
    assert codec_of(tmp_path / "a.mp4") == "mpeg4"
    monkeypatch.setattr(module, "_CODECS", (("no_such_codec", {}),))
    with pytest.raises(VideoError, match="no video encoder"), write_video(tmp_path / "b.mp4", 25) as writer:
        writer.add(squares(1)[0])
    assert not (tmp_path / "b.mp4").exists()


def write_all(path: Path, images: list[np.ndarray]) -> None:
    with write_video(path, 25) as writer:
        for image in images:
            writer.add(image)


def stop_half_way(path: Path) -> None:
    with write_video(path, 25) as writer:
        writer.add(squares(1)[0])
        raise KeyboardInterrupt


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        stop_half_way(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_text() == "old"


def test_wrong_images_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without frames"), write_video(tmp_path / "a.mp4", 25):
        pass
    with pytest.raises(InputError, match="in a video of"):
        write_all(tmp_path / "a.mp4", [squares(1)[0], squares(1)[0][:40]])
    with pytest.raises(InputError, match="float64"):
        write_all(tmp_path / "a.mp4", [np.zeros((20, 20, 3))])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be written: No such file"), output_file(tmp_path / "no" / "a.csv"):
        pass


def test_a_full_disk_is_an_error_with_a_text_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(1000):
        with (
            pytest.raises(VideoError, match=r"a\.csv cannot be written: File too large"),
            output_file(tmp_path / "a.csv") as file,
        ):
            file.write_bytes(b"x" * 5000)
        with pytest.raises(VideoError, match=r"a\.mp4 cannot be written: File too large"):
            write_all(tmp_path / "a.mp4", squares(20))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.xyz", "a"])
def test_a_name_that_says_no_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(VideoError, match="ending of the video's name"):
        write_all(tmp_path / name, squares(1))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_caller_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"^mine$"), output_file(tmp_path / "a.csv"):
        raise VideoError("mine")


def with_beep(path: Path, rate: int, layout: str = "mono") -> Path:
    """A video of 1 s whose sound is silent but for 0.1 s from 0.5 s on."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=25)
        pictures.width, pictures.height = 32, 32
        sound = container.add_stream("pcm_s16le", rate=rate)
        sound.layout = layout
        for number in range(25):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(pictures.encode(picture))
        container.mux(pictures.encode())
        times = np.arange(rate) / rate
        wave = 20_000 * np.sin(2 * np.pi * 440 * times) * ((times >= 0.5) & (times < 0.6))
        channels = 2 if layout == "stereo" else 1
        for start in range(0, rate, 1024):
            part = np.repeat(wave[start : start + 1024].astype(np.int16), channels)[None]
            heard = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
            heard.sample_rate, heard.pts, heard.time_base = rate, start, Fraction(1, rate)
            container.mux(sound.encode(heard))
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(192000, 96000), (6000, 7350), (11024, 11025), (37800, 32000), (44100, 44100), (8000, 8000), (100, 7350)],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_sound_of_any_rate_is_kept_in_time(rate: int, expected: int, layout: str, tmp_path: Path) -> None:
    source = with_beep(tmp_path / "a.mkv", rate, layout)
    with write_video(tmp_path / "b.mp4", 25, sound=(source, 0)) as writer:
        for _ in range(25):
            writer.add(np.zeros((32, 32, 3), np.uint8))
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.audio[0].rate == expected
        frames = list(container.decode(audio=0))
    loud = [(frame.time + np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2) / frame.sample_rate) for frame in frames]
    heard = np.concatenate(loud)
    assert abs(frames[-1].time + frames[-1].samples / expected - 1) < 0.2 + 1024 / expected
    if rate > 880:
        assert abs(heard[0] - 0.5) < 0.02
        assert abs(heard[-1] - 0.6) < 0.02
