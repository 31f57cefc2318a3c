"""Times of frames against ffprobe, for containers, codecs and rates; and by number where a format has no time."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fer_zoo.errors import OptionError
from fer_zoo.video.reader import open_video

pytestmark = pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffmpeg and ffprobe")

H264, NO_B = "-c:v libx264 -g 12 -bf 3", "-c:v libx264 -g 12 -bf 0"
CORE = [("mp4", H264), ("mkv", H264), ("ts", H264), ("avi", H264), ("avi", "-c:v mpeg4 -bf 2"), ("webm", "-c:v libvpx")]
MORE = [
    *((name, codec) for name in ("mov", "m2ts", "flv", "3gp") for codec in (H264, NO_B)),
    *((name, NO_B) for name in ("mp4", "mkv", "ts", "avi")),
    *((name, "-c:v mpeg2video -bf 2") for name in ("mpg", "vob", "mxf", "ts", "avi", "mkv")),
    *((name, "-c:v mpeg4 -bf 2") for name in ("mp4", "3gp", "mkv")),
    *((name, "-c:v libx265 -x265-params log-level=none") for name in ("mp4", "mkv", "ts")),
    ("ogv", "-c:v libtheora"), ("wmv", "-c:v wmv2"), ("avi", "-c:v mjpeg"), ("mp4", "-c:v libvpx-vp9 -cpu-used 8"),
]  # fmt: skip
RAW = [("h264", H264), ("hevc", "-c:v libx265 -x265-params log-level=none"), ("m2v", "-c:v mpeg2video -bf 2")]
RATES = ["24000/1001", "25", "60"]
CASES = [(name, codec, "60") for name, codec in CORE] + [
    pytest.param(name, codec, rate, marks=pytest.mark.slow)
    for name, codec in (*CORE, *MORE)
    for rate in RATES
    if not ((name, codec) in CORE and rate == "60")
]


def make(path: Path, codec: str, rate: str, *extra: str) -> Path:
    source = ["-f", "lavfi", "-i", f"testsrc2=s=96x64:r={rate}:d=1"]
    command = ["ffmpeg", "-v", "error", "-y", *source, "-pix_fmt", "yuv420p", *codec.split(), *extra, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this ffmpeg cannot write it: {done.stderr[:100]}")
    return path


def probed(path: Path) -> list[float | None]:
    """`best_effort_timestamp_time` of each frame, from the first; None where ffprobe has none."""
    shown = ["-show_frames", "-show_entries", "frame=best_effort_timestamp_time", "-of", "json"]
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", *shown, str(path)]
    frames = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["frames"]
    times = [frame.get("best_effort_timestamp_time") for frame in frames]
    return [None if time is None else float(time) - float(times[0]) for time in times]


def times_of(path: Path, fps: float | None = None) -> list[float]:
    return [frame.time_s for frame in open_video(path, fps=fps).frames()]


@pytest.mark.parametrize(("name", "codec", "rate"), CASES)
def test_times_are_those_of_ffprobe(tmp_path: Path, name: str, codec: str, rate: str) -> None:
    path = make(tmp_path / f"a.{name}", codec, rate)
    times, expected = times_of(path), probed(path)
    assert len(times) == len(expected)
    known = [number for number, time in enumerate(expected) if time is not None]
    if name == "mpg" and expected[-1] == expected[-2]:
        known.remove(len(expected) - 1)  # ffprobe gives the last of the B-frames the time of the one before
    # AVI has none for the last frames of a codec with B-frames.
    assert len(known) >= len(times) - 2
    np.testing.assert_allclose([times[n] for n in known], [expected[n] for n in known], atol=1e-5)
    frames_per_s = eval(rate)
    np.testing.assert_allclose(times, np.arange(len(times)) / frames_per_s, atol=1.1e-3)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("name", "codec"), RAW)
def test_a_stream_without_time_stamps_has_its_own_rate(tmp_path: Path, name: str, codec: str, rate: str) -> None:
    path = make(tmp_path / f"a.{name}", codec, rate)
    times = times_of(path)
    assert len(times) in (24, 25, 60)
    np.testing.assert_allclose(times, np.arange(len(times)) / eval(rate), atol=1e-9)


def test_a_rate_may_be_given(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", H264, "25")
    assert open_video(path, fps=50).rate == 50
    np.testing.assert_allclose(times_of(path, fps=50), np.arange(25) / 50)
    for wrong in (0, -1, float("nan"), float("inf"), 1e9):
        with pytest.raises(OptionError, match="fps="):
            open_video(path, fps=wrong)


def test_files_joined_without_new_time_stamps_continue(tmp_path: Path) -> None:
    path, part = tmp_path / "b.ts", make(tmp_path / "a.ts", NO_B, "25").read_bytes()
    path.write_bytes(part * 3)
    times = times_of(path)
    assert len(times) >= 73
    assert all(step > 0 for step in np.diff(times))
    assert times[-1] == pytest.approx(3, abs=0.15)


def test_a_counter_that_overflows_continues(tmp_path: Path) -> None:
    # 33 bits at 90 kHz overflow after 95443.7 s.
    path = make(tmp_path / "a.ts", H264, "25", "-output_ts_offset", "95443.2")
    np.testing.assert_allclose(times_of(path), np.arange(25) / 25, atol=1e-3)
