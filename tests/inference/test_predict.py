"""From file to timeline: sampling, windows, averaging, gaps, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from toy_model import BrightnessNet, brightness_model
from video_files import Squares, draw, encode, rendered_face

import fer_zoo
from fer_zoo import create_model
from fer_zoo.errors import InputError, MissingExtraError, NoFaceError, OptionError, VideoError
from fer_zoo.inference import Timeline, predict_video
from fer_zoo.specs import Calibration
from fer_zoo.video.reader import open_video


def square(brightness: int, x: float = 60, y: float = 60, side: float = 40) -> np.ndarray:
    image = draw([("red", x, y, side)])
    image[image[..., 0] == 230] = (brightness, 15, 15)
    return image


def empty() -> np.ndarray:
    return draw([])


def watch(tmp_path: Path, images: list[np.ndarray], *, rate: int = 25, hop: int = 1, frames: int = 4) -> Timeline:
    path = encode(tmp_path / "a.mp4", images, rate=rate, options={"crf": "8"}, pix_fmt="yuv444p")
    return predict_video(brightness_model(frames=frames), path, landmarker=Squares(), hop=hop)


def labels(timeline: Timeline) -> list[str | None]:
    return [row.label for row in timeline.rows]


def test_labels_follow_the_face(tmp_path: Path) -> None:
    images = [square(160, 40 + i) for i in range(20)] + [square(230, 60 + i) for i in range(20)]
    timeline = watch(tmp_path, images)
    assert len(timeline) == 40
    assert labels(timeline)[:17] == ["dark"] * 17
    assert labels(timeline)[23:] == ["bright"] * 17
    for i, row in enumerate(timeline.rows):
        assert (row.frame, row.face) == (i, "tracked")
        assert row.time_s == pytest.approx(i / 25, abs=1e-3)
        assert row.probabilities is not None
        assert sum(row.probabilities) == pytest.approx(1)
        assert row.box is not None
        assert row.box.centre[0] == pytest.approx(40 + i - 0.5, abs=1.5)
    assert [span.label for span in timeline.spans()] in (["dark", "bright"], ["dark", "middle", "bright"])


def test_probabilities_are_the_mean_over_the_windows_that_hold_a_frame(tmp_path: Path) -> None:
    images = [square(165 + 8 * i) for i in range(9)]
    path = encode(tmp_path / "a.mp4", images, options={"crf": "8"}, pix_fmt="yuv444p")
    model = brightness_model()
    timeline = predict_video(model, path, landmarker=Squares(), hop=2)
    brights = [frame.image.max(axis=-1)[50:70, 50:70].mean() / 255 for frame in open_video(path).frames()]
    shares = {}
    for start in (0, 2, 4, 5):  # 9 ticks, windows of 4 every 2, the last moved back to the end
        logits = -20 * np.abs(np.mean(brights[start : start + 4]) - np.array([0.62, 0.78, 0.9]))
        shares[start] = np.exp(logits) / np.exp(logits).sum()
    for i, row in enumerate(timeline.rows):
        expected = np.mean([share for start, share in shares.items() if start <= i < start + 4], axis=0)
        np.testing.assert_allclose(row.probabilities, expected, atol=0.02)


def predicted(count: int, **options: Any) -> Timeline:
    """Predict a face that is just about "bright" for two seconds, and then clearly."""
    model = brightness_model()
    model.input_spec = model.input_spec.model_copy(update={"sampling": options.pop("sampling", "dense")})
    frames = np.stack([square(215)] * 50 + [square(240)] * 40)
    return predict_video(model, frames[:count], landmarker=Squares(), **{"fps": 25, **options})


def test_labels_are_relative_to_the_resting_face_of_a_long_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toy_model.LABELS", ("dark", "neutral", "bright"))
    raw, found = predicted(90, baseline=None), predicted(90)
    assert set(labels(raw)) == {"bright"}
    assert labels(found)[:45] == ["neutral"] * 45
    assert labels(found)[55:] == ["bright"] * 35
    np.testing.assert_allclose(found.probabilities, raw.with_baseline("auto").probabilities, atol=1e-9)
    assert found.notes == raw.with_baseline("auto").notes
    assert set(labels(predicted(60, baseline=1))[:45]) == {"neutral"}
    assert set(labels(predicted(90, fps=None))) == {"bright"}, "images may show several people"


@pytest.mark.parametrize(
    ("middle", "options"),
    [
        ("neutral", {"count": 60}),  # no three seconds
        ("middle", {"count": 90}),
        ("neutral", {"count": 90, "sampling": "segments"}),  # one prediction
    ],
)
def test_where_there_is_no_resting_face_nothing_is_changed(
    middle: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toy_model.LABELS", ("dark", middle, "bright"))
    raw, found = predicted(**options, baseline=None), predicted(**options)
    np.testing.assert_array_equal(found.probabilities, raw.probabilities)
    assert found.notes == raw.notes
    if middle != "neutral":
        with pytest.raises(OptionError, match="baseline"):
            predicted(**options, baseline=1)


@pytest.mark.parametrize("count", [3, 30])
def test_a_network_that_sees_whole_videos_gives_one_prediction(tmp_path: Path, count: int) -> None:
    """Its clip is the middle frame of each of four parts, some twice in a short video; no other frame matters."""
    seen = {3: (0, 1, 1, 2), 30: (3, 11, 18, 26)}[count]
    images = [square(160 + 20 * (i in seen)) for i in range(count)]
    path = encode(tmp_path / "a.mp4", images, options={"crf": "8"}, pix_fmt="yuv444p")
    model = brightness_model()
    model.input_spec = model.input_spec.model_copy(update={"sampling": "segments"})
    timeline = predict_video(model, path, landmarker=Squares())
    assert len(timeline) == count
    assert len({row.probabilities for row in timeline.rows}) == 1
    brights = [frame.image.max(axis=-1)[50:70, 50:70].mean() / 255 for frame in open_video(path).frames()]
    logits = -20 * np.abs(np.mean([brights[number] for number in seen]) - np.array([0.62, 0.78, 0.9]))
    np.testing.assert_allclose(timeline.rows[0].probabilities, np.exp(logits) / np.exp(logits).sum(), atol=0.02)
    assert cast(BrightnessNet, model).batches == [1]
    assert any("One prediction for the whole video, of 4 frames" in note for note in timeline.notes)


@pytest.mark.parametrize("rate", [10, 25, 60])
def test_any_rate_gives_every_frame_a_row(tmp_path: Path, rate: int) -> None:
    seconds = 1.2
    images = [square(230 if i / rate > seconds / 2 else 160) for i in range(round(seconds * rate))]
    timeline = watch(tmp_path, images, rate=rate)
    assert len(timeline) == len(images)
    assert (labels(timeline)[0], labels(timeline)[-1]) == ("dark", "bright")
    middle = next(i for i, label in enumerate(labels(timeline)) if label == "bright") / rate
    assert middle == pytest.approx(seconds / 2, abs=0.15)


def test_a_face_that_leaves_and_returns(tmp_path: Path) -> None:
    images = [square(230)] * 12 + [empty()] * 20 + [square(160)] * 12
    timeline = watch(tmp_path, images)
    # Windows at the border see the empty ground too, up to half of their frames.
    assert labels(timeline)[:9] == ["bright"] * 9
    assert labels(timeline)[-12:] == ["dark"] * 12
    assert None not in labels(timeline)[:12]
    for row in timeline.rows[12:32]:
        assert (row.face, row.label, row.box, row.landmarks, row.probabilities) == ("none", None, None, None, None)
    assert any("20 of 44 frames show no face" in note for note in timeline.notes)


def test_a_face_for_too_short_a_time_has_a_box_but_no_label(tmp_path: Path) -> None:
    images = [square(230)] * 12 + [empty()] * 20 + [square(160)] * 1 + [empty()] * 20 + [square(160)] * 12
    path = encode(tmp_path / "a.mp4", images, options={"crf": "8"}, pix_fmt="yuv444p")
    # Every frame is searched, so that the one face in between is sure to be seen.
    timeline = predict_video(brightness_model(), path, landmarker=Squares(detect_every=1), hop=1)
    row = timeline.rows[32]
    assert (row.face, row.label, row.probabilities) == ("tracked", None, None)
    assert row.box is not None
    assert row.landmarks is not None
    assert labels(timeline)[12:53] == [None] * 41
    assert None not in labels(timeline)[:12] + labels(timeline)[53:]


def test_time_stamps_that_jump_an_hour(tmp_path: Path) -> None:
    images = [square(230)] * 10 + [square(160)] * 10
    times = [i / 25 + (3600 if i >= 10 else 0) for i in range(20)]
    path = encode(tmp_path / "a.mp4", images, times=times, options={"crf": "8"}, pix_fmt="yuv444p")
    model = brightness_model()
    timeline = predict_video(model, path, landmarker=Squares(), hop=1)
    # No window holds frames of both sides, so that the border is sharp.
    assert labels(timeline) == ["bright"] * 10 + ["dark"] * 10
    assert timeline.rows[10].time_s == pytest.approx(3600.4, abs=1e-2)
    assert sum(cast(BrightnessNet, model).batches) == 2 * 7
    assert any("more than 0.16 s between two frames: 1, the longest 3600.0 s" in note for note in timeline.notes)


def test_in_a_very_slow_video_each_frame_is_looked_at_once(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 3 + [square(160)] * 3, rate=5, options={"crf": "8"})
    model = brightness_model()  # a window of 0.16 s, so that 0.2 s between frames is a gap
    timeline = predict_video(model, path, landmarker=Squares(), hop=1)
    assert labels(timeline) == ["bright"] * 3 + ["dark"] * 3
    assert sum(cast(BrightnessNet, model).batches) == 6
    assert any("more than 0.16 s between two frames: 5" in note for note in timeline.notes)


def test_a_network_of_single_frames_reports_no_gaps_between_24_frames_a_second(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 6, rate=24, options={"crf": "8"})
    timeline = predict_video(brightness_model(frames=1), path, landmarker=Squares())
    assert labels(timeline) == ["bright"] * 6
    assert not any("Gaps" in note for note in timeline.notes)


def test_shorter_than_a_window(tmp_path: Path) -> None:
    for count in (1, 2):
        timeline = watch(tmp_path, [square(230)] * count)
        assert labels(timeline) == ["bright"] * count
        assert any("last frame was repeated" in note for note in timeline.notes)


def test_an_untrained_classifier_is_noted(tmp_path: Path) -> None:
    model = create_model("incres3d_tiny_lstm_lm_in", pretrained=True, labels=["bored", "interested"])
    path = encode(tmp_path / "a.mp4", [draw([("red", 60, 60, 40)])] * 12, options={"crf": "8"}, pix_fmt="yuv444p")
    untrained = predict_video(model, path, landmarker=Squares())
    assert untrained.model == "incres3d_tiny_lstm_lm_in.synth7 (untrained classifier)"
    assert any(note.startswith("The classifier is untrained: its labels mean nothing.") for note in untrained.notes)
    with torch.no_grad():
        model.classifier.weight += 0.1  # as a step of training does
    trained = predict_video(model, path, landmarker=Squares())
    assert trained.model == "incres3d_tiny_lstm_lm_in.synth7 (changed classifier)"
    assert not any("untrained" in note for note in trained.notes)


def test_weights_calibrated_on_a_few_clips_are_noted(tmp_path: Path) -> None:
    model = create_model("incres3d_tiny_lstm_lm_in", pretrained=True)
    assert model.card is not None
    validation = model.card.metrics["validation"].model_copy(update={"clips": 4, "subjects": 1})
    changes = {"calibration": Calibration(temperature=1.5, before={}, after={}), "metrics": {"validation": validation}}
    model.card = model.card.model_copy(update=changes)
    path = encode(tmp_path / "a.mp4", [draw([("red", 60, 60, 40)])] * 12, options={"crf": "8"}, pix_fmt="yuv444p")
    notes = predict_video(model, path, landmarker=Squares()).notes
    assert any(note.startswith("The probabilities were calibrated on 4 clips of 1 subject only") for note in notes)


def test_two_faces(tmp_path: Path) -> None:
    images = [draw([("red", 50, 60, 50), ("green", 120, 60, 24)]) for _ in range(10)]
    timeline = watch(tmp_path, images)
    assert all(row.box is not None and row.box.centre[0] < 80 for row in timeline.rows)
    assert any("2 faces" in note for note in timeline.notes)


def test_a_truncated_file_gives_rows_for_what_can_be_decoded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [np.maximum(square(230), rng.integers(0, 60, (120, 160, 3), dtype=np.uint8)) for _ in range(40)]
    path = encode(tmp_path / "a.mkv", images, options={"g": "5", "bf": "0"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    timeline = predict_video(brightness_model(), path, landmarker=Squares())
    assert 10 < len(timeline) < 35
    assert any("can" in note or "ends early" in note for note in timeline.notes)


def test_batches_and_landmarks_in_crop_pixels(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230, 40 + 2 * i) for i in range(11)])
    model = brightness_model()
    predict_video(model, path, landmarker=Squares(), hop=1, batch_size=3)
    net = cast(BrightnessNet, model)
    assert net.batches == [3, 3, 2]
    points = torch.cat(net.points)
    assert points.shape == (8, 4, 68, 2)
    # The crop is 0.8 of the points' square, centred on the median face: the points' middle stays near 7.5.
    low, high = points.amin(dim=2), points.amax(dim=2)
    middle = ((low + high) / 2).median(dim=1).values
    assert (middle - 7.5).abs().max() < 0.7
    assert ((high - low).mean() - 16 / 0.8).abs() < 0.5


def test_a_model_without_landmarks_gets_none_and_training_mode_is_restored(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 5)
    model = brightness_model(needs_landmarks=False)
    model.train()
    assert predict_video(model, path, landmarker=Squares()).rows[0].label == "bright"
    assert model.training


def test_progress_is_reported_to_the_end(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 9)
    progress_by_stage: dict[str, list[tuple[int, int | None]]] = {}
    predict_video(
        brightness_model(), path, landmarker=Squares(), hop=1, batch_size=4,
        progress=lambda stage, done, total: progress_by_stage.setdefault(stage, []).append((done, total)),
    )  # fmt: skip
    assert progress_by_stage["find face"] == [(i, 9) for i in range(1, 10)]
    assert progress_by_stage["network"] == [(4, 6), (6, 6)]


def test_no_face_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoFaceError, match="No face was found in the 9 frames"):
        watch(tmp_path, [empty()] * 9)
    with pytest.raises(NoFaceError, match="never seen for half of 12 frames"):
        watch(tmp_path, [square(230)] * 3 + [empty()] * 30, frames=12)


def test_what_is_refused_before_any_work(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 5)
    model = brightness_model()
    with pytest.raises(OptionError, match="hop=9"):
        predict_video(model, path, landmarker=Squares(), hop=9)
    with pytest.raises(OptionError, match="batch_size"):
        predict_video(model, path, landmarker=Squares(), batch_size=0)
    for wrong in ({"precision": "int4"}, {"threads": 0}, {"batch_size": True}):
        with pytest.raises(OptionError, match="Accepted"):
            predict_video(model, path, landmarker=Squares(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="The model is of type int"):
        predict_video(3, path)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="Device 'nonsense'"):
        predict_video(model, path, landmarker=Squares(), device="nonsense")
    with pytest.raises(InputError, match="given"):
        predict_video(model, path, landmarker="given")
    with pytest.raises(VideoError, match="There is no file"):
        predict_video(model, tmp_path / "missing.mp4", landmarker=Squares())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_gets_clips_in_half_precision(tmp_path: Path, dtype: torch.dtype) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 6)
    model = brightness_model()
    model.to(dtype)
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append((given[0].dtype, given[1].dtype)))
    assert predict_video(model, path, landmarker=Squares()).rows[0].label == "bright"
    # `FERModel` takes landmarks in float32 whatever its weights are.
    assert set(seen) == {(dtype, torch.float32)}


def test_a_given_rate_replaces_the_times_of_the_file(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 10)
    timeline = predict_video(brightness_model(), path, landmarker=Squares(), fps=10)
    assert timeline.rate == 10
    np.testing.assert_allclose(timeline.times, np.arange(10) / 10)
    with pytest.raises(OptionError, match="fps=0"):
        predict_video(brightness_model(), path, landmarker=Squares(), fps=0)


def test_rows_are_a_sequence(tmp_path: Path) -> None:
    rows = predict_video(brightness_model(), encode(tmp_path / "a.mp4", [square(230)] * 6), landmarker=Squares()).rows
    assert [row.frame for row in rows] == [row.frame for row in rows[:]] == [0, 1, 2, 3, 4, 5]
    assert (rows[-1].frame, [row.frame for row in rows[1:3]]) == (5, [1, 2])
    with pytest.raises(IndexError):
        rows[6]


MEMORY = """
import resource, sys
sys.path[:0] = sys.argv[2:]
from toy_model import brightness_model
from video_files import Squares
from fer_zoo.inference import predict_video
predict_video(brightness_model(), sys.argv[1], landmarker=Squares(), hop=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_memory_hardly_grows_with_the_length(tmp_path: Path) -> None:
    peaks = []
    here = Path(__file__).parent
    for count in (1_000, 11_000):
        path = encode(tmp_path / f"{count}.mp4", [square(230)] * count, options={"preset": "ultrafast"})
        command = [sys.executable, "-c", MEMORY, str(path), str(here), str(here.parent)]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    # 544 bytes of a frame are its landmarks; it was 11 kB in all when a frame was kept as objects.
    assert (peaks[1] - peaks[0]) * 1024 / 10_000 < 5_500


MANY = """
import gc, os, sys, threading
sys.path[:0] = sys.argv[2:]
from toy_model import brightness_model
from video_files import Squares
from fer_zoo.inference import predict_faces

def state():
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), threading.active_count(), len(os.listdir("/proc/self/fd"))

for number in range(200):
    predict_faces(brightness_model(), sys.argv[1], landmarker=Squares())
    if number in (19, 199):
        print(*state())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(900)
def test_many_videos_in_one_process_leave_nothing_behind(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [draw([("red", 60, 60, 40), ("green", 120, 60, 30)])] * 15)
    here = Path(__file__).parent
    command = [sys.executable, "-c", MANY, str(path), str(here), str(here.parent)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (early, *before), (late, *after) = (map(int, line.split()) for line in lines)
    assert after == before  # threads and open files
    assert late - early < 20e6


def test_without_the_weights_own_landmarker_the_packages_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default weights name `dlib`, whose predictor is an extra; a plain installation reads a video."""
    frames = [rendered_face()[0]] * 8
    path = encode(tmp_path / "a.mp4", frames)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # as if nothing optional were installed
    model = fer_zoo.create_model("incres2d_tiny_mean", landmarks={"detector": "dlib"})
    timeline = predict_video(model, path)
    assert {row.face for row in timeline.rows} == {"tracked"}
    assert timeline.landmarker.startswith("fz68")
    assert "Landmarks are from 'fz68'; the weights name 'dlib'." in timeline.notes
    with pytest.raises(MissingExtraError, match="extra 'dlib'"):
        predict_video(model, path, landmarker="dlib")


def test_the_shipped_model_by_name_says_that_it_saw_synthetic_faces(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [square(230)] * 12)
    timeline = predict_video("incres3d_tiny_lstm_lm_in", path, landmarker=Squares(), precision="bf16", threads=1)
    assert timeline.synthetic
    assert "synthetic faces only" in repr(timeline)
    np.testing.assert_allclose(np.nansum(timeline.probabilities, axis=1), 1)
