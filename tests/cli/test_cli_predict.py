"""`fer-zoo predict`: files, messages and exit codes; a traceback only with --debug."""

from __future__ import annotations

import argparse
import csv
import errno
import os
import unicodedata
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_files import audio_only, dlib_or_skip, draw, encode, rendered_face, small_disk, song_with_cover

from fer_zoo import cli
from fer_zoo.cli.predict import RESULTS, Failed, note_failure
from fer_zoo.compose import build
from fer_zoo.errors import VideoError
from fer_zoo.inference.plot import recorded
from fer_zoo.paths import shown
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import Metrics
from fer_zoo.video.reader import open_video
from fer_zoo.weights import write_weights


def face_video(path: Path, count: int = 12) -> Path:
    return encode(path, [draw([("red", 50 + i, 60, 40)]) for i in range(count)])


@pytest.mark.usefixtures("squares_model")
def test_predict_writes_three_files_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "out"
    assert cli.main(["predict", str(face_video(tmp_path / "a.mp4")), "--out", str(out)]) == 0
    assert sorted(file.name for file in out.iterdir()) == ["annotated.mp4", "timeline.csv", "timeline.png"]
    output = capsys.readouterr().out
    assert "a.mp4: 12 frames" in output
    for file in out.iterdir():
        assert str(file) in output
    with (out / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == [str(i) for i in range(12)]
    assert {row["face"] for row in rows} == {"tracked"}
    assert len({row["label"] for row in rows}) == 1
    assert Image.open(out / "timeline.png").width == 1800
    assert len(list(open_video(out / "annotated.mp4").frames())) == 12


@pytest.mark.usefixtures("squares_model")
def test_without_the_video_and_into_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    face_video(tmp_path / "clip.mp4")
    assert cli.main(["predict", "clip.mp4", "--no-video", "--hop", "4"]) == 0
    assert sorted(file.name for file in (tmp_path / "clip_expressions").iterdir()) == ["timeline.csv", "timeline.png"]


@pytest.mark.usefixtures("squares_model")
def test_where_nothing_can_be_done_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        encode(tmp_path / "noface.mp4", [draw([])] * 6): (cli.EXIT_NO_FACE, "No face was found"),
        audio_only(tmp_path / "sound.m4a"): (cli.EXIT_VIDEO, "sound but no picture"),
        song_with_cover(tmp_path / "song.mp3"): (cli.EXIT_VIDEO, "sound but no picture"),
        tmp_path / "folder": (cli.EXIT_VIDEO, "holds no videos and no images"),
        tmp_path / "missing.mp4": (cli.EXIT_VIDEO, "There is no file"),
    }
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.mp4").touch()
    files[tmp_path / "empty.mp4"] = (cli.EXIT_VIDEO, "empty")
    (tmp_path / "text.mp4").write_text("no video" * 1000)
    files[tmp_path / "text.mp4"] = (cli.EXIT_VIDEO, "text.mp4")
    for path, (code, message) in files.items():
        assert cli.main(["predict", str(path), "--out", str(tmp_path / "out")]) == code
        captured = capsys.readouterr()
        assert message in captured.err
        assert "What to do:" in captured.err
        assert "Traceback" not in captured.err
        assert captured.out == ""
        assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("squares_model")
def test_other_landmarkers_and_their_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = str(face_video(tmp_path / "a.mp4"))
    assert cli.main(["predict", video, "--landmarker", "dilb", "--out", str(tmp_path / "out")]) == cli.EXIT_ERROR
    assert "did you mean 'dlib'?" in capsys.readouterr().err
    assert cli.main(["predict", video, "--landmarker", "given", "--out", str(tmp_path / "out")]) == cli.EXIT_ERROR
    assert "--landmarker fz68" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_rendered_face_through_dlib_and_a_real_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    landmarker = dlib_or_skip()
    recipe = load_recipe("quickstart")
    classes = len(recipe.model.labels)
    metrics = Metrics(clips=1, subjects=1, war=0.5, uar=0.5, confusion=((1,) * classes,) * classes)
    card = {
        "name": f"{recipe.model.name}.test", "labels": recipe.model.labels, "licence": "none", "terms": "none",
        "training_data": "none", "protocol": recipe.protocol, "metrics": {"test": metrics}, "commit": "0" * 40,
        "hardware": "none", "hours": 0.0, "synthetic": True, "may_use": "anybody", "share_weights": "yes",
        "terms_source": "unknown",
    }  # fmt: skip
    folder = write_weights(tmp_path / "weights", build(recipe.model), recipe, card)
    video = encode(tmp_path / "face.mp4", list(rendered_face()))
    code = cli.main(["predict", str(video), "--model", str(folder), "--out", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert (code, captured.err) == (0, "")
    assert f"model {recipe.model.name}.test" in captured.out
    with (tmp_path / "out" / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["face"] for row in rows} == {"tracked"}
    assert {row["label"] for row in rows} <= set(recipe.model.labels)
    face = landmarker.detect(next(iter(open_video(video).frames())).image)[0]
    assert float(rows[0]["x0"]) == pytest.approx(face.box.x0, abs=3)
    assert cli.main(["predict", str(video), "--model", str(tmp_path / "nowhere")]) == cli.EXIT_ERROR
    assert "nowhere" in capsys.readouterr().err


def test_an_out_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    video = str(face_video(tmp_path / "a.mp4"))
    assert cli.main(["predict", video, "--out", str(tmp_path / "file" / "out")]) == cli.EXIT_VIDEO
    error = capsys.readouterr().err
    assert f"{tmp_path / 'file'} is a file" in error
    assert "another --out" in error
    assert cli.main(["predict", video, "--out", str(tmp_path / ("long" * 100))]) == cli.EXIT_VIDEO
    assert "File name too long" in capsys.readouterr().err


@pytest.mark.usefixtures("squares_model")
def test_an_out_that_is_lost_while_the_network_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fer_zoo import inference

    predict_video = inference.predict_video

    def meanwhile(*arguments: Any, **options: Any) -> inference.Timeline:
        (tmp_path / "out").write_text("someone else's file")
        return predict_video(*arguments, **options)

    monkeypatch.setattr(inference, "predict_video", meanwhile)
    video = str(face_video(tmp_path / "a.mp4"))
    assert cli.main(["predict", video, "--out", str(tmp_path / "out")]) == cli.EXIT_VIDEO
    assert "another --out" in capsys.readouterr().err


@pytest.mark.usefixtures("squares_model")
def test_a_full_disk_is_no_bug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = str(face_video(tmp_path / "a.mp4"))
    with small_disk(500):
        assert cli.main(["predict", video, "--out", str(tmp_path / "out")]) == cli.EXIT_VIDEO
    error = capsys.readouterr().err
    assert "timeline.png cannot be written" in error
    assert "What to do: make room" in error
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unknown_model_is_named_with_its_neighbours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = str(face_video(tmp_path / "a.mp4"))
    assert cli.main(["predict", video, "--model", "incres3d_tiny_lsdm_lm"]) == cli.EXIT_ERROR
    assert "incres3d_tiny_lstm_lm" in capsys.readouterr().err


def test_a_model_of_a_family_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("timm")
    monkeypatch.chdir(tmp_path)
    video = str(face_video(tmp_path / "a.mp4"))
    expected = {
        "timm/resnet18_lstm": "There are no weights for 'timm/resnet18_lstm'.",
        "timm/resnet18_lsdm": "No weights are named 'timm/resnet18_lsdm', and there is no such folder.",
        "resnet18": "Accepted: incres2d_tiny_mean_lm_in.synth",
        "./timm/resnet18_lstm": "There is no folder timm/resnet18_lstm.",
        "runs/mine/weights": "There is no folder runs/mine/weights.",
        ".": ". lacks config.json",
        "~/nowhere/weights": f"There is no folder {Path.home()}/nowhere/weights.",
    }
    for name, text in expected.items():
        assert cli.main(["predict", video, "--model", name]) == cli.EXIT_ERROR
        assert text in capsys.readouterr().err, name
    (tmp_path / "timm" / "resnet18_lstm").mkdir(parents=True)
    assert cli.main(["predict", video, "--model", "timm/resnet18_lstm"]) == cli.EXIT_ERROR
    assert "timm/resnet18_lstm lacks config.json" in capsys.readouterr().err, "a folder that is there is meant"


def test_debug_shows_the_traceback_on_either_side_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--debug", "predict", "missing.mp4"], ["predict", "missing.mp4", "--debug"]):
        assert cli.main(arguments) == cli.EXIT_VIDEO
        error = capsys.readouterr().err
        assert "Traceback" in error
        assert "There is no file" in error


@pytest.mark.usefixtures("squares_model")
def test_a_damaged_video_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    ground = draw([("red", 70, 60, 50)])
    images = [np.maximum(ground, rng.integers(0, 60, ground.shape, dtype=np.uint8)) for _ in range(40)]
    path = encode(tmp_path / "a.mkv", images, options={"g": "5", "bf": "0"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert cli.main(["predict", str(path), "--out", str(tmp_path / "out"), "--no-video"]) == 0
    assert "note: " in capsys.readouterr().out


@pytest.mark.usefixtures("squares_model")
def test_videos_of_one_name_do_not_replace_each_others_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    videos = [face_video(Path(name), count) for name, count in (("a/x.mp4", 12), ("b/x.mp4", 14), ("a/x.mkv", 16))]
    for _ in range(2):  # the second time each finds its own folder again
        for video in videos:
            assert cli.main(["predict", str(video), "--no-video", "--hop", "4"]) == 0
            assert capsys.readouterr().err == ""
    folders = ["x_expressions", "x_expressions_2", "x_expressions_3"]
    assert sorted(path.name for path in tmp_path.glob("x_*")) == folders
    assert [len((tmp_path / f / "timeline.csv").read_text().splitlines()) - 1 for f in folders] == [12, 14, 16]
    assert [recorded(tmp_path / f / "timeline.png")["Source"] for f in folders] == [
        str(tmp_path / video) for video in videos
    ]


@pytest.mark.usefixtures("squares_model")
def test_an_explicit_folder_is_replaced_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, out = face_video(tmp_path / "a.mp4"), face_video(tmp_path / "b.mp4", 14), tmp_path / "out"
    assert cli.main(["predict", str(one), "--out", str(out)]) == 0
    (out / "notes.txt").touch()
    (out / f".annotated.{2**22 + 1}.0123456789abcdef.tmp.mp4").touch()  # no process has so high a number
    assert cli.main(["predict", str(two), "--out", str(out), "--no-video"]) == 0
    assert capsys.readouterr().err == f"note: {out} held the results of {one}; they were replaced.\n"
    assert sorted(file.name for file in out.iterdir()) == ["notes.txt", "timeline.csv", "timeline.png"]


@pytest.mark.usefixtures("squares_model")
@pytest.mark.parametrize(
    "name", ["2024-01-01T12:30.mp4", "-x$y_1$%d.mp4", "Zo\udceb\n.mp4", "子供.mp4", "cafe\u0301.mp4"], ids=ascii
)
def test_any_file_name_goes_in_and_comes_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    face_video(tmp_path / "plain.mp4")
    os.rename("plain.mp4", name)
    given = unicodedata.normalize("NFC", name)
    assert cli.main(["predict", "--no-video", "--out", "o", "--", given]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"{shown(name)}: 12 frames")
    assert recorded(tmp_path / "o" / "timeline.png")["Source"] == shown(tmp_path / name)


@pytest.mark.usefixtures("squares_model")
@pytest.mark.parametrize("device", ["meta", "hpu", "xyz", "cuda:99", "mps", "cpu:x", ""])
def test_a_device_that_cannot_compute_here(device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = str(face_video(tmp_path / "a.mp4"))
    assert cli.main(["predict", video, "--device", device, "--out", str(tmp_path / "out")]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert f"Device {device!r} cannot be used: " in error
    assert "Accepted: cpu" in error
    assert "What to do: write " in error


def test_a_dash_at_the_start_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x.mp4").touch()
    assert cli.main(["predict", "--", "-x.mp4", "--no-video"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "got '--no-video' after `--`" in error
    assert "What to do: write options before `--`" in error
    assert cli.main(["predict", "-x.mp4"]) == cli.EXIT_ERROR
    assert "What to do: write ./-x.mp4; " in capsys.readouterr().err


@pytest.mark.usefixtures("squares_model")
def test_a_folder_is_resumed_and_its_failures_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    face_video(tmp_path / "in" / "a.mp4")
    face_video(tmp_path / "in" / "deep" / "a.mkv")
    (tmp_path / "in" / "bad.mp4").write_text("no video" * 100)
    command = ["predict", "in", "--no-video", "--out", "out"]
    assert cli.main(command) == cli.EXIT_VIDEO
    captured = capsys.readouterr()
    assert "2 predicted, 0 done before, 1 failed" in captured.out
    assert "1 of 3 sources failed" in captured.err
    assert "in/bad.mp4" in captured.err.split("sources failed")[1]
    folders = ["a_expressions", "a_expressions_2"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == folders
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    (tmp_path / "in" / "bad.mp4").unlink()
    (tmp_path / "out" / "a_expressions_2" / "timeline.csv").unlink()  # as if it had been interrupted there
    assert cli.main(command) == 0
    assert "1 predicted, 1 done before, 0 failed" in capsys.readouterr().out
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    assert [path.parent.name for path in before if before[path] == after[path]] == ["a_expressions"] * 2
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["a.mp4", "deep"]


@pytest.mark.usefixtures("squares_model")
def test_results_of_other_options_are_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = [str(face_video(tmp_path / f"{name}.mp4")) for name in "ab"]
    command = ["predict", *videos, "--no-video", "--out", str(tmp_path / "out")]
    for options, done in (([], 0), (["--pose"], 0), (["--pose", "--threads", "1"], 2), (["--per", "second"], 0)):
        assert cli.main([*command, *options]) == 0
        assert f"{2 - done} predicted, {done} done before, 0 failed" in capsys.readouterr().out


def test_every_option_of_predict_changes_its_results_or_is_known_not_to() -> None:
    (commands,) = (action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction))
    same = {"help", "debug", "sources", "device", "threads", "out", "batch_size", "seconds", "again"}
    files = {"with_video", "format"}  # looked for by name
    names = {action.dest for action in commands.choices["predict"]._actions}
    assert names - same - files == set(RESULTS)


@pytest.mark.usefixtures("squares_model")
def test_a_folder_in_which_every_video_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        encode(tmp_path / f"{name}.mp4", [draw([])] * 4)
    out = tmp_path / "out"
    assert cli.main(["predict", str(tmp_path), "--out", str(out)]) == cli.EXIT_NO_FACE
    assert "2 of 2 sources failed" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.usefixtures("squares_model")
def test_an_interrupt_in_a_folder_leaves_finished_results_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fer_zoo import inference

    predict_video, calls = inference.predict_video, []

    def interrupted(*arguments: Any, **options: Any) -> inference.Timeline:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return predict_video(*arguments, **options)

    monkeypatch.setattr(inference, "predict_video", interrupted)
    videos = [str(face_video(tmp_path / f"{name}.mp4")) for name in "ab"]
    command = ["predict", *videos, "--no-video", "--out", str(tmp_path / "out")]
    assert cli.main(command) == cli.EXIT_INTERRUPTED
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_expressions"]
    assert cli.main(command) == 0
    assert "1 predicted, 1 done before" in capsys.readouterr().out


@pytest.mark.usefixtures("squares_model")
def test_all_faces_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [draw([("red", 40 + i, 60, 40), ("green", 120, 60, 36)]) for i in range(12)]
    path, out = encode(tmp_path / "a.mp4", images), tmp_path / "out"
    formats = [word for name in ("csv", "json", "srt", "eaf") for word in ("--format", name)]
    command = ["predict", str(path), "--out", str(out), "--faces", "all", "--pose", *formats]
    assert cli.main(command) == 0
    names = {file.name for file in out.iterdir()}
    assert names == {
        "annotated.mp4", "timeline.csv", "timeline.json", "timeline.srt", "timeline.eaf", "timeline.png",
        "timeline_2.png",
    }  # fmt: skip
    with (out / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["track"], row["frame"]) for row in rows] == [(t, str(i)) for t in "12" for i in range(12)]
    assert all(float(row["x0"]) < 70 for row in rows if row["track"] == "1")
    assert "a.mp4, face 2: 12 frames" in capsys.readouterr().out
    assert cli.main([*command[:4], "--faces", "1", "--no-video", "--per", "second", "--threshold", "1"]) == 0
    assert (out / "timeline.csv").read_text().splitlines()[1].split(",")[8] == "uncertain"
    assert not (out / "timeline_2.png").exists()


@pytest.mark.usefixtures("squares_model")
def test_a_baseline_makes_the_resting_face_neutral(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toy_model.LABELS", ("dark", "neutral", "bright"))
    video, out = str(face_video(tmp_path / "a.mp4", 20)), tmp_path / "out"
    assert cli.main(["predict", video, "--out", str(out), "--no-video"]) == 0
    with (out / "timeline.csv").open(newline="") as file:
        before = {row["label"] for row in csv.DictReader(file)}
    assert before == {"bright"}
    assert cli.main(["predict", video, "--out", str(out), "--no-video", "--baseline", "0.4"]) == 0
    with (out / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"neutral"}
    assert all(abs(float(row["intensity"]) - 0.25) < 0.02 for row in rows)
    assert "note: Labels are relative to the resting face of 0.00 - 0.36 s." in capsys.readouterr().out


@pytest.mark.usefixtures("squares_model")
@pytest.mark.parametrize(("words", "label"), [([], "neutral"), (["--baseline", "none"], "bright")])
def test_long_videos_have_a_baseline_unless_none_is_wanted(
    words: list[str], label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toy_model.LABELS", ("dark", "neutral", "bright"))
    image = draw([("red", 60, 60, 40)])
    image[image[..., 0] == 230] = (215, 15, 15)
    bright = np.where(image == 215, 217, image)
    images, out = [image] * 60 + [bright] * 40, tmp_path / "out"
    video = encode(tmp_path / "a.mp4", images, options={"crf": "4"}, pix_fmt="yuv444p")
    assert cli.main(["predict", str(video), "--out", str(out), "--no-video", *words]) == 0
    with (out / "timeline.csv").open(newline="") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {label}


@pytest.mark.usefixtures("squares_model")
@pytest.mark.parametrize(
    "options",
    [
        ["--faces", "0"], ["--faces", "both"], ["--format", "xls"], ["--precision", "int4"], ["--threshold", "2"],
        ["--threads", "0"], ["--smooth", "-1"], ["--baseline", "0"], ["--baseline", "first"], ["--baseline", "1"],
        ["--seconds", "1"],
    ],
)  # fmt: skip
def test_options_that_are_not_valid(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = str(face_video(tmp_path / "a.mp4"))
    assert cli.main(["predict", video, "--out", str(tmp_path / "out"), *options]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "Accepted: " in error
    assert "What to do: " in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("number", "ends"), [(errno.EIO, False), (errno.ENOSPC, True), (errno.EMFILE, True)])
def test_a_full_disk_ends_a_batch_and_an_unreachable_source_does_not(number: int, ends: bool) -> None:
    error = VideoError("It cannot be read.", "a video", "try again")
    error.__cause__ = OSError(number, "reason")
    failed: Failed = []
    with pytest.raises(VideoError) if ends else nullcontext():
        note_failure(failed, "a.mp4", error)
    assert len(failed) == (0 if ends else 1)


def test_a_name_that_is_too_long_is_no_bug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["evaluate", "x" * 300, "--store", "s"], ["predict", str(tmp_path / "x" / ("y" * 300))]):
        assert cli.main(words) in (cli.EXIT_ERROR, cli.EXIT_VIDEO)
        error = capsys.readouterr().err
        assert "This is a bug" not in error
        assert "What to do: " in error
