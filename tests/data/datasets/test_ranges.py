"""Stretches in tables: under which names, in which units, as what numbers; frames by the video's own clock."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_trees import database, tree

from fer_zoo.data.datasets._ranges import RangeError, frame_range, parse_number, range_columns

STAMPS = [0, 40, 80, 200, 240, 400, 440, 480, 900, 940]  # milliseconds, of no even rate


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for stamp in STAMPS:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), stamp % 251, np.uint8), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(root: Path, header: str, *rows: str) -> tuple[list[tuple[int, int] | None], list[str]]:
    (root / "clips.csv").write_text("\n".join((f"path,label,subject,{header}", *rows)) + "\n")
    reader = database("csv", root)
    return [source.frames for source in reader.sources()], reader.problems


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("start_s,end_s", "0.08,0.44"), ("start_sec,end_sec", ".08,.44"), ("Start (s),End (s)", "0.0800,0.4400"),
        ("onset,offset", "0.08,0.44"), ("begin_s,stop_s", "8e-2,0.44"), ("start_ms,end_ms", "80,440"),
        ("from,to", "0:00.08,0:00.44"), ("start_time,end_time", "00:00:00.080,00:00:00.440"),
        ("Begin Time - ss.msec,End Time - ss.msec", "0.080,0.440"), ("t_start,t_end", "0.08,0.44"),
        ("Begin Time - hh:mm:ss.ms,End Time - hh:mm:ss.ms", "00:00:00.080,00:00:00.440"),
        ("start,end", "0:00.08,0:00.44"), ("start_seconds,end_seconds,start_ms,end_ms", "0.08,0.44,80,440"),
        ("start_frame,end_frame", "2,6"), ("frame_start,frame_end", "2.0,6.0"), ("start,end,onset,offset", "2,6,0.1,9"),
    ],
)  # fmt: skip
def test_ranges_under_many_names(header: str, cells: str, film: Path) -> None:
    assert read(film.parent, header, f"a.mkv,fear,x,{cells}") == ([(2, 6)], [])


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
def test_frames_are_those_that_ffprobe_places_between_the_times(film: Path) -> None:
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=best_effort_timestamp_time"]
    output = subprocess.run([*command, "-of", "csv=p=0", str(film)], capture_output=True, text=True, check=True).stdout
    times = [float(line.rstrip(",")) for line in output.split()]
    for start, end in ((0, 0.05), (0.1, 0.21), (0.24, 0.401), (0.9, 1.2)):
        inside = [number for number, time in enumerate(times) if start <= time < end]
        frames, problems = read(film.parent, "start_s,end_s", f"a.mkv,fear,x,{start},{end}")
        assert (frames, problems) == ([(inside[0], inside[-1] + 1)], [])


@pytest.mark.parametrize(
    "header", ["onset,offset", "from,to", "begin,stop", "first_frame,last_frame", "start_s", "begin"]
)
def test_columns_that_look_like_ranges_and_are_not_used_are_named(header: str, film: Path) -> None:
    frames, problems = read(film.parent, header, "a.mkv,fear,x" + ",3" * len(header.split(",")))
    assert frames == [None]
    (problem,) = problems
    assert all(name in problem for name in header.split(","))


def test_other_columns_are_no_ranges() -> None:
    problems: list[str] = []
    others = [
        "path",
        "label",
        "notes",
        "from_city",
        "first",
        "last",
        "end_label",
        "duration",
        "tos",
        "restart",
        "stopwatch",
    ]
    assert range_columns(others, [], problems) is None
    assert problems == []


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("0.5", "0.6", "no frame of the video lies in it"),
        ("0.2", "9", "the video ends at 0.940 seconds"),
        ("0.4", "0.2", "is not before"),
        ("0.4", "", "go together"),
        ("-1", "2", "must be integers"),
        ("a", "2", "must be integers"),
        ("1:75", "2:00", "must be integers"),
    ],
)
def test_ranges_that_cannot_be_used(start: str, end: str, reason: str, film: Path) -> None:
    frames, problems = read(film.parent, "start_s,end_s", f"a.mkv,fear,x,{start},{end}", "a.mkv,fear,x,0,0.1")
    assert frames == [(0, 3)]
    (problem,) = problems
    assert problem.startswith("line 2: ")
    assert reason in problem


def test_a_video_that_cannot_be_decoded_has_no_seconds(tmp_path: Path) -> None:
    tree(tmp_path, "a.mkv", "b.mp4")
    frames, problems = read(tmp_path, "start_s,end_s", "a.mkv,fear,x,0,1", "b.mp4,fear,x,,")
    assert frames == [None]
    assert problems[0].startswith("line 2: start_s=0, end_s=1: ")


def test_seconds_of_pictures_go_by_their_rate(tmp_path: Path) -> None:
    tree(tmp_path, *(f"seq/{number}.png" for number in range(20)))
    (tmp_path / "clips.csv").write_text("path,label,subject,start_s,end_s\nseq,fear,x,0.5,1.5\n")
    assert [source.frames for source in database("csv", tmp_path, fps=10).sources()] == [(5, 15)]
    with pytest.raises(ValueError, match="needs its rate"):
        list(database("csv", tmp_path).sources())


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.51), (0.01, 0.03), (1e-3, 0.039)])
def test_seconds_between_two_pictures_are_no_range(start: float, end: float, tmp_path: Path) -> None:
    row = {"start_s": f"{start}", "end_s": f"{end}"}
    columns = range_columns(list(row), [row], [])
    with pytest.raises(RangeError, match=r"no frame lies in it at 25 frames per second"):
        frame_range(row, columns, ",", tmp_path, 25.0)


@pytest.mark.parametrize(
    ("text", "separator", "value"),
    [
        ("20", ",", 20), ("20.0", ",", 20), ("20.", ",", 20), ("2e1", ",", 20), ("2.0E+01", ",", 20), ("+20", ",", 20),
        ("1 000", ";", 1000), ("1\u00a0000", ";", 1000), ("1\u202f234\u202f567", ";", 1234567), ("1'000", ";", 1000),
        ("1,234,567", ",", 1234567), ("1.234.567,5", ";", Fraction(2469135, 2)), ("1,234.5", ",", Fraction(2469, 2)),
        ("0,5", ";", Fraction(1, 2)), ("20,0", ";", 20), ("0,500", ";", Fraction(1, 2)), ("20.000", ",", 20),
        ("1:30", ",", 90), ("1:02:03,5", ";", Fraction(7447, 2)),
    ],
)  # fmt: skip
def test_numbers_as_spreadsheets_write_them(text: str, separator: str, value: Fraction) -> None:
    assert parse_number(text, separator) == value


@pytest.mark.parametrize(("text", "separator"), [("1.000", ";"), ("1,000", ";"), ("1,000", ","), ("12.345", "\t")])
def test_numbers_that_mean_two_things_are_refused(text: str, separator: str) -> None:
    with pytest.raises(RangeError, match="may be"):
        parse_number(text, separator)


@given(st.text("0123456789.,:eE+-' \u00a0\u0663nx", max_size=12))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with suppress(RangeError):
        assert 0 <= parse_number(text, ";") < 10**9
