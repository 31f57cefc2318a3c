"""timeline.png and annotated.mp4: size, colours at expected positions, and atomic writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import rc_context
from picture_texts import check_texts
from PIL import Image
from toy_model import brightness_model
from video_files import Squares, draw, encode, small_disk, sounding

from fer_zoo.errors import OptionError, VideoError
from fer_zoo.inference import Timeline, predict_faces, predict_video
from fer_zoo.inference.annotate import annotate_video
from fer_zoo.inference.palette import label_colours, track_colours
from fer_zoo.inference.plot import CURVES, draw_timeline, face_pictures, plot_timeline
from fer_zoo.specs import SEVEN_LABELS
from fer_zoo.video.reader import open_video


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    images = [draw([("red", 60, 60, 40)])] * 10 + [draw([])] * 10 + [draw([("red", 90, 60, 40)])] * 10
    path = encode(tmp_path_factory.mktemp("video") / "a.mp4", images)
    return predict_video(brightness_model(), path, landmarker=Squares())


def share_of(image: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> float:
    return float((np.abs(image.astype(int) - colour).max(axis=-1) <= tolerance).mean())


def test_the_plot_shows_labels_in_their_colours_and_thumbnails(timeline: Timeline, tmp_path: Path) -> None:
    plot_timeline(timeline, tmp_path / "t.png")
    image = np.asarray(Image.open(tmp_path / "t.png").convert("RGB"))
    assert image.shape == (1350, 1800, 3)
    colours = label_colours(timeline.labels)
    left, _, right, top = (round(share * side) for share, side in zip(CURVES, (1800, 1350) * 2, strict=True))
    strip = image[1350 - 265 : 1350 - 225, left:right]  # the bar of the likeliest label
    named = [row.label for row in timeline.rows]
    for label, colour in colours.items():
        expected = named.count(label) / len(named)
        assert share_of(strip, colour) == pytest.approx(expected, abs=0.08)
    thumbnails = image[1350 - top - 250 : 1350 - top - 100, left:right]
    red = (np.asarray(thumbnails[..., 0], int) > 180) & (thumbnails[..., 1] < 90)
    assert red.mean() > 0.2  # two thirds of the thumbnails are the red square
    assert plt.get_fignums() == []  # nothing is left in pyplot's global list


@pytest.mark.parametrize("part", [slice(20, 30), slice(0.9, None), slice(5, None, 5)])
def test_a_part_of_a_timeline_shows_its_own_frames(timeline: Timeline, part: slice) -> None:
    some = timeline[part]
    shown, whole = face_pictures(some, range(len(some))), face_pictures(timeline, [row.frame for row in some])
    assert [row.frame for row, _ in shown] == [row.frame for row in some]
    for (_, one), (_, other) in zip(shown, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_part_of_a_timeline_cannot_be_annotated_and_no_rows_cannot_be_drawn(
    timeline: Timeline, tmp_path: Path
) -> None:
    for some in (timeline[0.9:], timeline[0:0], timeline[::2], timeline.per_second(), [timeline, timeline[:20]]):
        with pytest.raises(OptionError, match=r"(?s)a row for each frame.*annotate the whole timeline"):
            annotate_video(some, tmp_path / "a.mp4")
    with pytest.raises(OptionError, match="without rows"):
        timeline[0:0].plot()
    assert face_pictures(timeline, []) == []
    assert timeline[0:0]._repr_html_().startswith("<pre>")


def test_the_plot_can_be_read_on_a_phone(timeline: Timeline) -> None:
    """Also with many labels and long names."""
    source = open_video(timeline.video)
    named = replace(
        timeline, synthetic=True, source=source, video=Path("a_rather_long_name_of_a_video_that_somebody_recorded.mp4")
    )
    labels = tuple(f"label number {number}" for number in range(13))
    rows = [replace(row, label=row.label and labels[3], probabilities=(1 / 13,) * 13) for row in timeline.rows]
    for each in (named, replace(named, labels=labels, rows=tuple(rows))):
        check_texts(draw_timeline(each), smallest=7)


def test_one_frame_can_be_plotted(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [draw([("red", 60, 60, 40)])])
    timeline = predict_video(brightness_model(), path, landmarker=Squares())
    plot_timeline(timeline, tmp_path / "t.png")
    annotate_video(timeline, tmp_path / "a_annotated.mp4")
    assert Image.open(tmp_path / "t.png").size == (1800, 1350)
    assert len(list(open_video(tmp_path / "a_annotated.mp4").frames())) == 1


def test_annotated_video(timeline: Timeline, tmp_path: Path) -> None:
    done: list[int] = []
    annotate_video(timeline, tmp_path / "out.mp4", done.append)
    video = open_video(tmp_path / "out.mp4")
    frames = list(video.frames())
    assert done == list(range(1, 31))
    np.testing.assert_allclose([frame.time_s for frame in frames], timeline.times, atol=2e-3)
    assert video.height == 360  # three times the source, so that the names can be read
    assert video.width > 480
    label = timeline.rows[5].label
    assert label is not None
    colour = label_colours(timeline.labels)[label]
    # Box around the face: its colour along the top edge, at three times the source's coordinates.
    box = timeline.rows[5].box
    assert box is not None
    top = round(3 * (box.y0 + 0.5))
    rows = frames[5].image[top - 2 : top + 3, round(3 * box.x0) + 8 : round(3 * box.x1) - 8]
    assert max(share_of(row, colour, 80) for row in rows) > 0.6
    strip = frames[5].image[:, 480:]
    assert share_of(strip, colour, 40) > 0.004
    without_face = frames[15].image[:, 480:]
    for colour in label_colours(timeline.labels).values():
        assert share_of(without_face, colour, 30) < 0.004
    # A frame without a face is not changed.
    assert np.median(np.abs(frames[15].image[:, :480].astype(int) - 90)) < 6


@pytest.mark.parametrize(("width", "height"), [(64, 48), (200, 640), (3000, 1000)])
def test_annotated_video_of_any_shape(tmp_path: Path, width: int, height: int) -> None:
    side = min(width, height) * 0.5
    image = draw([("red", width / 2, height / 2, side)], width, height)
    path = encode(tmp_path / "a.mp4", [image] * 3, options={"preset": "ultrafast"})
    timeline = predict_video(brightness_model(), path, landmarker=Squares())
    annotate_video(timeline, tmp_path / "out.mp4")
    plot_timeline(timeline, tmp_path / "out.png")
    video = open_video(tmp_path / "out.mp4")
    assert len(list(video.frames())) == 3
    assert video.height >= 180
    assert video.width <= 1280 + 400


def test_files_are_written_atomically(timeline: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VideoError, match="cannot be written"):
        plot_timeline(timeline, tmp_path / "nowhere" / "t.png")

    def fail(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate_video(timeline, tmp_path / "out.mp4", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_clear_error(timeline: Timeline, tmp_path: Path) -> None:
    with small_disk(500):
        with pytest.raises(VideoError, match=r"t\.png cannot be written"):
            plot_timeline(timeline, tmp_path / "t.png")
        with pytest.raises(VideoError, match=r"t\.csv cannot be written"):
            timeline.to_csv(tmp_path / "t.csv")
        with pytest.raises(VideoError, match=r"t\.mp4 cannot be written: File too large"):
            annotate_video(timeline, tmp_path / "t.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_returns_more_frames_the_second_time(timeline: Timeline, tmp_path: Path) -> None:
    shorter = replace(timeline, rows=timeline.rows[:7])
    annotate_video(shorter, tmp_path / "out.mp4")
    plot_timeline(shorter, tmp_path / "out.png")
    assert len(list(open_video(tmp_path / "out.mp4").frames())) == 7


def test_the_plot_distinguishes_no_face_from_a_face_too_briefly_seen(timeline: Timeline, tmp_path: Path) -> None:
    brief = [replace(row, label=None, probabilities=None) if 20 <= row.frame < 25 else row for row in timeline.rows]
    texts = []
    for name, rows in (("all", timeline.rows), ("brief", tuple(brief))):
        with rc_context({"svg.fonttype": "none"}):
            plot_timeline(replace(timeline, rows=rows), tmp_path / f"{name}.svg")
        curves = (tmp_path / f"{name}.svg").read_text().split('id="axes_2"')[0]
        texts.append(("no face" in curves, "briefly seen" in curves))
    # Frames 10 to 19 show no face; the five after them do, in the second.
    assert texts == [(True, False), (True, True)]


def test_colours_are_distinct_for_known_and_unknown_labels() -> None:
    for labels in (SEVEN_LABELS, ("a", "b", "c", "d"), (*SEVEN_LABELS, "x", "y")):
        colours = list(label_colours(labels).values())
        gaps = [max(abs(a - b) for a, b in zip(p, q, strict=True)) for p in colours for q in colours if p is not q]
        assert min(gaps) > 15
    assert label_colours(("happiness",)) == {"happiness": label_colours(SEVEN_LABELS)["happiness"]}


def test_the_annotated_video_keeps_its_sound_up_to_its_last_frame(tmp_path: Path) -> None:
    path = sounding(tmp_path / "a.mp4", [draw([("red", 60, 60, 40)])] * 25, seconds=3.0)
    annotate_video(predict_video(brightness_model(), path, landmarker=Squares()), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as out:
        (audio,) = out.streams.audio
        frames = list(out.decode(audio))
    seconds = sum(frame.samples for frame in frames) / audio.rate
    assert seconds == pytest.approx(1.0, abs=0.08)
    assert audio.rate == 44_100


def test_each_face_has_its_colour_and_its_sizes_do_not_matter(tmp_path: Path) -> None:
    images = [draw([("red", 40 + i, 60, 40), ("green", 120, 60, 36)]) for i in range(12)]
    path = encode(tmp_path / "a.mp4", images)
    timelines = predict_faces(brightness_model(), path, landmarker=Squares())
    assert [timeline.track for timeline in timelines] == [1, 2]
    assert {row.track for row in timelines[1]} == {2}
    assert [len(predict_faces(brightness_model(), path, faces, landmarker=Squares())) for faces in (1, 9)] == [1, 2]
    annotate_video(timelines, tmp_path / "out.mp4")
    frame = list(open_video(tmp_path / "out.mp4").frames())[6].image
    for timeline, colour in zip(timelines, track_colours([1, 2]).values(), strict=True):
        box = timeline.rows[6].box
        assert box is not None
        top = round(3 * (box.y0 + 0.5))
        rows = frame[top - 2 : top + 3, round(3 * box.x0) + 8 : round(3 * box.x1) - 8]
        assert max(share_of(row, colour, 80) for row in rows) > 0.6


def test_pictures_of_frames_from_memory(tmp_path: Path) -> None:
    images = [draw([("red", 60, 60, 40)])] * 6
    from_array = predict_video(brightness_model(), np.stack(images), landmarker=Squares(), fps=25)
    from_iterator = predict_video(brightness_model(), iter(images), landmarker=Squares(), fps=25)
    assert [row.label for row in from_array] == [row.label for row in from_iterator]
    for timeline in (from_array, from_iterator):
        plot_timeline(timeline, tmp_path / "t.png")
        annotate_video(timeline, tmp_path / "t.mp4")
        assert len(list(open_video(tmp_path / "t.mp4").frames())) == 6
        assert "data:image/png" in timeline._repr_html_()


def test_the_plot_says_that_the_weights_saw_synthetic_faces(timeline: Timeline, tmp_path: Path) -> None:
    with rc_context({"svg.fonttype": "none"}):
        plot_timeline(replace(timeline, synthetic=True), tmp_path / "t.svg")
    assert "trained on synthetic faces only" in (tmp_path / "t.svg").read_text()
