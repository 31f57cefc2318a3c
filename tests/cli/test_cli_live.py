"""`fer-zoo live`: rows as they come, a page with the picture, numbers at the end, and nothing half written."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_files import draw, encode, rendered_face, small_disk

from fer_zoo import cli
from fer_zoo.cli.live_page import LivePage
from fer_zoo.errors import OptionError
from fer_zoo.inference.lines import RowFile

pytestmark = pytest.mark.usefixtures("squares_model")


def two_faces(path: Path, count: int = 20) -> str:
    images = [draw([("red", 50 + i, 60, 40), ("green", 130, 60, 30)]) for i in range(count)]
    return str(encode(path, images, options={"crf": "8"}, pix_fmt="yuv444p"))


def test_headless_prints_rows_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, out = two_faces(tmp_path / "a.mp4"), tmp_path / "rows.csv"
    assert cli.main(["live", video, "--headless", "--faces", "all", "--hop", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert {row["track"] for row in rows} == {1, 2}
    assert [row["frame"] for row in rows] == sorted(row["frame"] for row in rows)
    assert rows[-1]["frame"] == 19
    for row in rows:
        assert row["time_s"] == pytest.approx(row["frame"] / 25, abs=2e-3)
        assert sum(row[f"p_{label}"] for label in ("dark", "middle", "bright")) == pytest.approx(1, abs=1e-3)
        assert 0 <= row["latency_s"] < 5
    with out.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(row["frame"], row["track"], row["label"]) for row in written] == [
        (str(row["frame"]), str(row["track"]), row["label"]) for row in rows
    ]
    numbers = re.search(r"frames/s of [\d.]+, (\d+) dropped; (\d+) results\n.*p50 \d+ ms, p95 \d+ ms, p99", printed.err)
    assert numbers is not None, printed.err
    assert int(numbers[1]) + len({row["frame"] for row in rows}) == 20
    assert "Watch it" not in printed.err


def test_columns_threshold_and_smoothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, out = two_faces(tmp_path / "a.mp4"), tmp_path / "rows.jsonl"
    options = ["--landmarks", "--pose", "--threshold", "1", "--smooth", "0.5", "--out", str(out)]
    assert cli.main(["live", video, "--headless", *options]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["label"] for row in rows} == {"uncertain"}
    assert {row["track"] for row in rows} == {1}
    assert {"yaw", "pitch", "roll", "x_0", "y_67"} <= rows[0].keys()


@pytest.mark.parametrize(("words", "note"), [([], True), (["--baseline", "none"], False)])
def test_a_run_says_whether_labels_are_relative(
    words: list[str], note: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toy_model.LABELS", ("dark", "neutral", "bright"))
    assert cli.main(["live", two_faces(tmp_path / "a.mp4"), "--headless", *words]) == 0
    assert ("relative to the most neutral second" in capsys.readouterr().err) == note


def test_frames_without_a_face_have_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = str(encode(tmp_path / "a.mp4", [draw([])] * 8))
    for faces in ("largest", "all", "2"):
        assert cli.main(["live", video, "--headless", "--faces", faces]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {(row["face"], row["track"], row["label"], row["p_dark"]) for row in rows} == {
            ("none", None, None, None)
        }


def test_a_page_shows_the_annotated_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, Any] = {}

    def watch() -> None:
        while "address" not in found:
            found["err"] = found.get("err", "") + capsys.readouterr().err
            match = re.search(r"http://127\.0\.0\.1:\d+/\S+/", found["err"])
            found.update({"address": match[0]} if match else {})
            time.sleep(0.02)
        found["page"] = urllib.request.urlopen(found["address"], timeout=5).read().decode()
        with urllib.request.urlopen(f"{found['address']}picture", timeout=5) as response:
            found["type"] = response.headers["Content-Type"]
            assert response.readline() == b"--picture\r\n"
            assert response.readline() == b"Content-Type: image/jpeg\r\n"
            length = int(response.readline().split()[1])
            assert response.readline() == b"\r\n"
            found["picture"] = Image.open(io.BytesIO(response.read(length))).convert("RGB")
        found["state"] = urllib.request.urlopen(f"{found['address']}state", timeout=5).read().decode()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert cli.main(["live", two_faces(tmp_path / "a.mp4", 75), "--faces", "all"]) == 0
    watcher.join(5)
    assert '<img src="picture"' in found["page"]
    assert found["type"].startswith("multipart/x-mixed-replace")
    picture = np.asarray(found["picture"])
    assert picture.shape[0] == 360
    assert picture.shape[1] > 480 + 60, "the picture, and the faces beside it"
    assert "frames dropped" in found["state"]


def test_the_page_needs_its_whole_address() -> None:
    with LivePage() as page:
        root = page.address.rsplit("/", 2)[0]
        for path in ("/", "/picture", "/wrong/picture", f"{page.address.removeprefix(root)}other"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(root + path, timeout=5)
        with pytest.raises(OptionError, match=r"cannot be used: [\s\S]*Accepted: "):
            LivePage(int(root.rpartition(":")[2]))
        connection = http.client.HTTPConnection(root.removeprefix("http://"), timeout=5)
        for path in ("state", "picture", "*"):  # no browser sends these
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read() != b"") == (404, True)
            connection.close()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["missing.mp4"], cli.EXIT_VIDEO, "There is no file"),
        (["97"], cli.EXIT_VIDEO, "Camera 97 cannot be opened"),
        (["tcp://127.0.0.1:1"], cli.EXIT_VIDEO, "cannot be opened"),
        (["a.mp4", "--out", "rows.txt"], cli.EXIT_ERROR, ".jsonl or .csv"),
        (["a.mp4", "--out", "old.csv"], cli.EXIT_ERROR, "exists already"),
        (["a.mp4", "--out", "no/rows.csv"], cli.EXIT_VIDEO, "cannot be written"),
        (["a.mp4", "--threshold", "2"], cli.EXIT_ERROR, "0 to 1"),
        (["a.mp4", "--port", "70000"], cli.EXIT_ERROR, "--port 70000 cannot be used"),
        (["a.mp4", "--faces", "0"], cli.EXIT_ERROR, "neither all, largest"),
        (["a.mp4", "--hop", "9"], cli.EXIT_ERROR, "hop=9"),
        (["a.mp4", "--baseline", "1"], cli.EXIT_ERROR, "baseline=1.0 for a stream"),
    ],
)
def test_bad_input_is_one_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str],
    code: int, text: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    two_faces(Path("a.mp4"), 4)
    Path("old.csv").write_text("earlier rows")
    assert cli.main(["live", *arguments]) == code
    printed = capsys.readouterr()
    assert text in printed.err
    assert "What to do: " in printed.err
    assert printed.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "old.csv"]
    assert Path("old.csv").read_text() == "earlier rows"


def test_a_full_disk_leaves_complete_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, out = two_faces(tmp_path / "a.mp4"), tmp_path / "rows.jsonl"
    with small_disk(700):
        assert cli.main(["live", video, "--headless", "--out", str(out)]) == cli.EXIT_VIDEO
    assert "rows.jsonl cannot be written" in capsys.readouterr().err
    data = out.read_bytes()
    assert data.endswith(b"}\n")
    assert [json.loads(line)["frame"] for line in data.splitlines()]


def test_a_run_without_rows_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    with RowFile(out, ["frame"]):
        assert out.read_text() == "frame\n"
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_a_real_run_with_its_numbers(tmp_path: Path) -> None:
    video, out = encode(tmp_path / "face.mp4", list(rendered_face()) * 25), tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "fer_zoo", "live", str(video), "--headless", "--landmarker", "fz68"]
    run = subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    assert run.stdout is not None
    first = json.loads(run.stdout.readline())
    run.send_signal(signal.SIGINT)
    rest, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert "latency from a frame to its row: p50" in errors
    assert "Traceback" not in errors
    rows = [first, *map(json.loads, rest.splitlines())]
    assert [json.loads(line) for line in out.read_text().splitlines()][: len(rows)] == rows
