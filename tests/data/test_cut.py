"""From sources to clips: which frames, which crop, which face, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from video_files import encode

from fer_zoo.data.cut import CutSpec, cut_source, pictures, sample
from fer_zoo.data.sources import Source
from fer_zoo.errors import NoFaceError, VideoError
from fer_zoo.landmarks.base import Box, Face
from fer_zoo.video.crop import clip_box

SPEC = CutSpec(frames=4, canvas=40)


class Marked:
    """A landmarker that finds a face wherever a pure red square is; its points fill the square."""

    name, version, detect_every = "marked", "1", 3

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        red = (image[..., 0] > 200) & (image[..., 1] < 60) & (image[..., 2] < 60)
        if red.sum() < 9:
            return []
        rows, columns = np.nonzero(red)
        box = Box(float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
        spread = np.linspace(0, 1, 68)[:, None]
        low, high = np.array([box.x0, box.y0]), np.array([box.x1, box.y1])
        points = low + (high - low) * np.concatenate([spread, spread[::-1]], 1)
        return [Face(box, 0.75, points.astype(np.float32))]

    def follow(self, image: NDArray[np.uint8], last: Face) -> Face | None:
        return next(iter(self.detect(image)), None)


def picture(number: int, size: tuple[int, int] = (60, 80), face: bool = True) -> NDArray[np.uint8]:
    """Grey of a brightness that tells its number, with a red square that moves to the right."""
    image = np.full((*size, 3), 80 + number, np.uint8)
    if face:
        image[20:40, 10 + number : 30 + number] = (255, 0, 0)
    return image


@pytest.fixture
def sequence(tmp_path: Path) -> Source:
    for number in range(10):
        Image.fromarray(picture(number)).save(tmp_path / f"{number:03d}.png")
    files = tuple(Path(f"{number:03d}.png") for number in range(10))
    return Source("s1/a", files, "fear", "s1", fps=25.0)


def test_clips_follow_each_other_and_a_rest_is_left_out(sequence: Source, tmp_path: Path) -> None:
    cuts = cut_source(sequence, tmp_path, SPEC, Marked())
    assert [cut.numbers for cut in cuts] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    for cut in cuts:
        assert cut.frames.shape == (4, 40, 40, 3)
        assert cut.points.shape == (4, 68, 2)
        assert cut.scores.tolist() == [0.75] * 4
        assert cut.real == 4


def test_the_crop_is_the_one_of_training_and_inference_with_a_margin(sequence: Source, tmp_path: Path) -> None:
    (cut, _) = cut_source(sequence, tmp_path, SPEC, Marked())
    points = np.stack([Marked().detect(picture(number))[0].points for number in range(4)])
    inner = clip_box(points, SPEC.crop)
    assert inner is not None
    assert cut.box.width == pytest.approx(inner.width * SPEC.margin)
    assert cut.box.centre == pytest.approx(inner.centre)
    # The points lie on the corners of the red square in the stored frames too.
    red = (cut.frames[0, ..., 0] > 200) & (cut.frames[0, ..., 1] < 60)
    rows, columns = np.nonzero(red)
    low, high = cut.points[0].min(0), cut.points[0].max(0)
    assert np.abs(low - (columns.min(), rows.min())).max() < 1.2
    assert np.abs(high - (columns.max(), rows.max())).max() < 1.2


def test_a_range_of_frames_counts_from_the_source(sequence: Source, tmp_path: Path) -> None:
    part = Source(**{**vars(sequence), "frames": (5, 9)})
    (cut,) = cut_source(part, tmp_path, SPEC, Marked())
    assert cut.numbers == (5, 6, 7, 8)


def test_video_at_another_rate_is_sampled_in_time(tmp_path: Path) -> None:
    frames = [picture(number, (64, 96)) for number in range(20)]
    encode(tmp_path / "fast.mp4", frames, rate=50)
    source = Source("fast", (Path("fast.mp4"),), "fear", "s1")
    cuts = cut_source(source, tmp_path, CutSpec(frames=5, fps=25.0, canvas=32), Marked())
    assert [cut.numbers for cut in cuts] == [(0, 2, 4, 6, 8), (10, 12, 14, 16, 18)]


def test_rotation_and_region(sequence: Source, tmp_path: Path) -> None:
    turned = Source(**{**vars(sequence), "rotate": 1, "region": (0.0, 0.0, 1.0, 0.5)})
    first = next(pictures(turned, tmp_path)).image
    assert np.array_equal(first, np.rot90(picture(0), -1)[:40])


def test_short_stretches(sequence: Source, tmp_path: Path) -> None:
    part = Source(**{**vars(sequence), "frames": (7, 10)})
    with pytest.raises(VideoError) as caught:
        cut_source(part, tmp_path, SPEC, Marked())
    assert str(caught.value) == (
        "s1/a: 3 frames at 25 a second, a clip has 4.\n"
        "  Accepted: 4 frames or more, or `short: repeat`\n"
        "  What to do: repeat the last frame (--set short=repeat), or make clips shorter"
    )
    (cut,) = cut_source(part, tmp_path, SPEC.model_copy(update={"short": "repeat"}), Marked())
    assert cut.numbers == (7, 8, 9, 9)
    assert cut.real == 3
    assert np.array_equal(cut.frames[3], cut.frames[2])


def test_frames_without_a_face_have_no_points(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(picture(number, face=number != 3)).save(tmp_path / f"{number}.png")
    source = Source("a", tuple(Path(f"{n}.png") for n in range(4)), "fear", None, fps=25.0)
    (cut,) = cut_source(source, tmp_path, SPEC, Marked())
    assert np.isnan(cut.points[3]).all()
    assert np.isnan(cut.scores[3])
    assert np.isfinite(cut.points[:3]).all()


def test_no_face_at_all(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(picture(number, face=False)).save(tmp_path / f"{number}.png")
    source = Source("a", tuple(Path(f"{n}.png") for n in range(4)), "fear", None, fps=25.0)
    with pytest.raises(NoFaceError, match="a: no face was found in 4 frames"):
        cut_source(source, tmp_path, SPEC, Marked())


@pytest.mark.parametrize("damage", ["missing", "text", "cut"])
def test_unreadable_pictures(sequence: Source, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "004.png"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"no picture" if damage == "text" else file.read_bytes()[:80])
    with pytest.raises(VideoError, match=r"004\.png"):
        cut_source(sequence, tmp_path, SPEC, Marked())


def test_an_empty_range(sequence: Source, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no frame between \(20, 30\)"):
        cut_source(Source(**{**vars(sequence), "frames": (20, 30)}), tmp_path, SPEC, Marked())


def test_sampling_is_that_of_inference() -> None:
    times = np.arange(25) / 29.97
    source = Source("a", (Path("a.mp4"),), "fear", None)
    from fer_zoo.video.sample import sample_frames

    flat = [n for window in sample(times, CutSpec(frames=5), source) for n in window]
    assert flat == sample_frames(times, 25.0)[: len(flat)].tolist()
