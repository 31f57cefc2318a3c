"""Features: what the classifier reads, a row for each window or clip, with what it is of."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from video_files import Squares, draw, encode

from fer_zoo import FERModel, cli
from fer_zoo.compose import build
from fer_zoo.errors import InputError, MissingExtraError, OptionError, VideoError
from fer_zoo.inference import Features, predict_faces, predict_video, store_features, video_features
from fer_zoo.registry import LANDMARKERS
from fer_zoo.training.evaluate import predict_clips
from fer_zoo.weights import load_weights

sys.path.append(str(Path(__file__).parent.parent / "evaluation"))

import toy_databases


@pytest.fixture(scope="module")
def model() -> FERModel:
    torch.manual_seed(0)
    return build(toy_databases.recipe().model).eval()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    images = [draw([("red", 50 + i, 60, 40), ("blue", 150, 60 + i, 30)]) for i in range(17)]
    return encode(tmp_path / "a.mp4", images)


def probabilities(model: FERModel, features: Features) -> np.ndarray:
    with torch.inference_mode():
        return model.classifier(torch.from_numpy(features.embedding)).softmax(1).numpy()


def test_the_classifier_makes_the_predictions_of_them(model: FERModel, video: Path) -> None:
    """A frame's probabilities are the mean over the windows from start_s to end_s that hold it."""
    features = video_features(model, video, landmarker=Squares(), hop=3)
    assert features.embedding.shape == (5, model.num_features)
    assert features.embedding.dtype == np.float32
    columns = features.columns
    assert columns["frame"].tolist() == [2, 5, 8, 11, 13]
    np.testing.assert_allclose(columns["time_s"] * 25, columns["frame"], atol=1e-3)
    np.testing.assert_allclose(columns["start_s"] * 25, [0, 3, 6, 9, 11], atol=1e-3)
    np.testing.assert_allclose(columns["end_s"] * 25, [5, 8, 11, 14, 16], atol=1e-3)
    timeline = predict_video(model, video, landmarker=Squares(), hop=3)
    shares = probabilities(model, features)
    for row in timeline.rows:
        held = (columns["start_s"] <= row.time_s + 1e-6) & (row.time_s <= columns["end_s"] + 1e-6)
        np.testing.assert_allclose(row.probabilities, shares[held].mean(axis=0), atol=1e-5)
    assert model.labels == toy_databases.LABELS  # the caller's model keeps its classifier


def test_each_face_has_rows_of_its_own(model: FERModel, video: Path) -> None:
    features = video_features(model, video, "all", landmarker=Squares(), hop=6)
    timelines = predict_faces(model, video, landmarker=Squares(), hop=6)
    assert features.columns["track"].tolist() == [t.track for t in timelines for _ in range(3)]
    assert set(features.columns["video"].tolist()) == {str(video)}
    one = video_features(model, video, 1, landmarker=Squares(), hop=6)
    assert len(one) == 3


def test_a_model_without_a_classifier_gives_the_same(model: FERModel, video: Path) -> None:
    bare = build(model.spec).eval()
    bare.load_state_dict(model.state_dict())
    bare.reset_classifier(num_classes=0)
    found = video_features(bare, video, landmarker=Squares()).embedding
    np.testing.assert_allclose(found, video_features(model, video, landmarker=Squares()).embedding, atol=1e-6)


def test_clips_of_a_store_with_their_labels(tmp_path: Path) -> None:
    """Also clips of labels that the network does not have."""
    folder = toy_databases.weights_folder(tmp_path / "run")
    store = toy_databases.database(
        tmp_path, "mmi", ("S1", None), labels=("anger", "fear", "bored"), clips=2, groups=[{"sex": "female"}, {}]
    )
    features = store_features(folder, tmp_path / "mmi", batch_size=5)
    columns = {name: of.tolist() for name, of in features.columns.items()}
    assert columns["key"] == [clip.key for clip in store.facts]
    assert columns["label"] == [clip.label for clip in store.facts]
    assert columns["subject"] == [clip.subject or "" for clip in store.facts]
    assert columns["video"] == [clip.video for clip in store.facts]
    assert columns["group:sex"] == [clip.groups.get("sex", "") for clip in store.facts]
    model = load_weights(folder)
    known = store.as_clip_set(model.labels)
    rows = [columns["key"].index(key) for key in known.keys]
    expected = predict_clips(model, known).probabilities
    np.testing.assert_allclose(probabilities(model, features)[rows], expected, atol=1e-5)


def test_files_give_back_what_was_written(model: FERModel, video: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    features = video_features(model, video, landmarker=Squares())
    features.write(tmp_path / "f.npz")
    features.write(tmp_path / "f.parquet")
    arrays = np.load(tmp_path / "f.npz")  # no pickle
    table = parquet.read_table(tmp_path / "f.parquet")
    assert str(arrays["model"]) == table.schema.metadata[b"model"].decode() == features.model
    np.testing.assert_array_equal(arrays["embedding"], features.embedding)
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), features.embedding)
    for name, column in features.columns.items():
        assert arrays[name].tolist() == table[name].to_pylist() == column.tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "f.npz", "f.parquet"]


def test_what_cannot_be_written_is_refused_before_the_computation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for out, code, message in (("f.csv", 2, "'.csv'"), ("no/f.npz", 4, "existing folder")):
        assert cli.main(["features", "none", "none.mp4", "--out", str(tmp_path / out)]) == code
        assert message in capsys.readouterr().err
    monkeypatch.setattr("fer_zoo.inference.features.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="tables"):
        Features(np.zeros((1, 2), np.float32), {}, "m").write(tmp_path / "f.parquet")
    monkeypatch.undo()
    with pytest.raises(VideoError):
        Features(np.zeros((1, 2), np.float32), {}, "m").write(tmp_path / "no" / "f.npz")


def test_bad_input(model: FERModel, video: Path, tmp_path: Path) -> None:
    for wrong in ({"hop": 0}, {"hop": 7}, {"batch_size": 0}, {"precision": "int4"}, {"faces": 0}):
        with pytest.raises(OptionError):
            video_features(model, video, landmarker=Squares(), **wrong)  # type: ignore[arg-type]
    toy_databases.database(tmp_path, "mmi", ("S1",), size=54, fps=10.0)
    with pytest.raises(InputError, match="fps"):
        store_features(model, tmp_path / "mmi")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A video that fails is named at the end; the file has the others."""
    entries = dict(LANDMARKERS._entries)
    folder, out = toy_databases.weights_folder(tmp_path / "run"), tmp_path / "f.npz"
    videos = tmp_path / "videos"
    videos.mkdir()
    encode(videos / "a.mp4", [draw([("red", 50, 60, 40)])] * 8)
    encode(videos / "b.mp4", [draw([("red", 50, 60, 40)])] * 8)
    command = ["features", str(folder), str(videos), "--landmarker", "squares", "--out", str(out), "--hop", "6"]
    try:
        LANDMARKERS.register("squares")(Squares)
        assert cli.main(command) == 0
        assert "4 rows of 8 features" in capsys.readouterr().out
        encode(videos / "c.mp4", [draw([])] * 8)
        assert cli.main([*command, "--batch-size", "2"]) == cli.EXIT_NO_FACE
    finally:
        LANDMARKERS._entries.clear()
        LANDMARKERS._entries.update(entries)
    assert "c.mp4: No face" in capsys.readouterr().err
    assert np.load(out)["video"].tolist() == [str(videos / "a.mp4")] * 2 + [str(videos / "b.mp4")] * 2
    toy_databases.database(tmp_path, "mmi", ("S1",))
    store = ["--store", str(tmp_path / "mmi")]
    assert cli.main(["features", str(folder), *store, "--out", str(out)]) == 0
    assert np.load(out)["label"].tolist() == list(toy_databases.LABELS)
    for wrong, message in (
        ([*store, "--hop", "3"], "--hop cannot be used with --store"),
        (["a.mp4", *store], "videos and a store"),
        ([], "neither a video nor a store"),
    ):
        assert cli.main(["features", str(folder), *wrong, "--out", str(out)]) == cli.EXIT_ERROR
        assert message in capsys.readouterr().err
