"""From sources to clips: which frames, which crop, which face, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from video_files import Square, Squares, dlib_or_skip, draw, encode, rendered_face

from fer_zoo.data.cut import Cut, CutSpec, cut_windows, find_windows
from fer_zoo.data.pictures import pictures
from fer_zoo.data.sources import Source
from fer_zoo.errors import NoFaceError, VideoError
from fer_zoo.landmarks.base import Box, Face, Landmarker
from fer_zoo.specs import CropSpec
from fer_zoo.video.crop import clip_box

SPEC = CutSpec(frames=4, canvas=40)


def cut_source(source: Source, root: Path, spec: CutSpec, landmarker: Landmarker) -> Iterator[Cut]:
    return cut_windows(source, root, spec, find_windows(source, root, spec, landmarker))


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
        points = low + (high - low) * np.concatenate([spread, np.arange(68)[:, None] % 2], 1)  # the eyes are level
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
    cuts = list(cut_source(sequence, tmp_path, SPEC, Marked()))
    assert [cut.numbers for cut in cuts] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    for cut in cuts:
        assert cut.frames.shape == (4, 40, 40, 3)
        assert cut.landmarks.shape == (4, 68, 2)
        assert cut.scores.tolist() == [0.75] * 4


def test_one_clip_is_spread_over_the_whole_stretch(sequence: Source, tmp_path: Path) -> None:
    spread = SPEC.model_copy(update={"sampling": "uniform"})
    (cut,) = cut_source(sequence, tmp_path, spread, Marked())
    assert cut.numbers == (1, 3, 6, 8), "the middles of four parts of ten frames"
    assert cut.frames.shape == (4, 40, 40, 3)
    assert cut.fps == pytest.approx(3 / (7 / 25), abs=1e-3)
    part = Source(**{**vars(sequence), "frames": (7, 9)})
    (short,) = cut_source(part, tmp_path, spread, Marked())
    assert short.numbers == (7, 7, 8, 8), "of a stretch with fewer frames, some are repeated"


def test_the_crop_is_the_one_of_training_and_inference_with_a_margin(sequence: Source, tmp_path: Path) -> None:
    (cut, _) = cut_source(sequence, tmp_path, SPEC, Marked())
    points = np.stack([Marked().detect(picture(number))[0].landmarks for number in range(4)])
    inner = clip_box(points, SPEC.crop)
    assert inner is not None
    assert cut.box is not None
    assert cut.box.width == pytest.approx(inner.width * SPEC.margin)
    assert cut.box.centre == pytest.approx(inner.centre)
    # The points lie on the corners of the red square in the stored frames too.
    red = (cut.frames[0, ..., 0] > 200) & (cut.frames[0, ..., 1] < 60)
    rows, columns = np.nonzero(red)
    low, high = cut.landmarks[0].min(0), cut.landmarks[0].max(0)
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


def test_the_rate_of_a_sequence(sequence: Source, tmp_path: Path) -> None:
    """The reader's, else the setting, else every picture is taken."""
    unknown = Source(**{**vars(sequence), "fps": None})
    spec = CutSpec(frames=3, fps=12.5, canvas=24)

    def numbers(source: Source, **changes: float) -> list[tuple[int, ...]]:
        cuts = cut_source(source, tmp_path, spec.model_copy(update=changes), Marked())
        return [cut.numbers for cut in cuts]

    assert numbers(unknown) == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    assert numbers(unknown, sequence_fps=37.5) == [(0, 3, 6)]
    assert numbers(sequence, sequence_fps=12.5) == numbers(sequence) == [(0, 2, 4)], "the reader knows that it is 25"


def test_rotation_and_region(sequence: Source, tmp_path: Path) -> None:
    turned = Source(**{**vars(sequence), "rotate": 1, "region": (0.0, 0.0, 1.0, 0.5)})
    first = next(pictures(turned, tmp_path)).image
    assert np.array_equal(first, np.rot90(picture(0), -1)[:40])


def test_short_stretches(sequence: Source, tmp_path: Path) -> None:
    part = Source(**{**vars(sequence), "frames": (7, 10)})
    with pytest.raises(VideoError) as caught:
        list(cut_source(part, tmp_path, SPEC, Marked()))
    assert str(caught.value) == (
        "s1/a: 3 frames at 25 a second, a clip has 4.\n"
        "  Accepted: 4 frames or more, or `short`: repeat or pad\n"
        "  What to do: repeat the last frame (--set short=repeat), or make clips shorter"
    )
    (cut,) = cut_source(part, tmp_path, SPEC.model_copy(update={"short": "repeat"}), Marked())
    assert cut.numbers == (7, 8, 9)
    assert np.array_equal(cut.frames[3], cut.frames[2])
    assert np.array_equal(cut.landmarks[3], cut.landmarks[2])
    assert cut.scores.tolist() == [0.75] * 4
    (padded,) = cut_source(part, tmp_path, SPEC.model_copy(update={"short": "pad"}), Marked())
    assert np.array_equal(padded.frames[:3], cut.frames[:3])
    assert padded.frames.dtype == np.uint8
    assert not padded.frames[3].any()
    assert np.isnan(padded.landmarks[3]).all()
    assert np.isfinite(padded.landmarks[:3]).all()
    assert np.isnan(padded.scores).tolist() == [False, False, False, True]


def test_frames_without_a_face_have_no_points(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(picture(number, face=number != 3)).save(tmp_path / f"{number}.png")
    source = Source("a", tuple(Path(f"{n}.png") for n in range(4)), "fear", None, fps=25.0)
    (cut,) = cut_source(source, tmp_path, SPEC, Marked())
    assert np.isnan(cut.landmarks[3]).all()
    assert np.isnan(cut.scores[3])
    assert np.isfinite(cut.landmarks[:3]).all()


def test_no_face_at_all(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(picture(number, face=False)).save(tmp_path / f"{number}.png")
    source = Source("a", tuple(Path(f"{n}.png") for n in range(4)), "fear", None, fps=25.0)
    with pytest.raises(NoFaceError, match="a: no face was found in any frame"):
        list(cut_source(source, tmp_path, SPEC, Marked()))


@pytest.mark.parametrize("damage", ["missing", "text", "cut"])
def test_unreadable_pictures(sequence: Source, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "004.png"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"no picture" if damage == "text" else file.read_bytes()[:80])
    with pytest.raises(VideoError, match=r"004\.png"):
        list(cut_source(sequence, tmp_path, SPEC, Marked()))


def test_an_empty_range(sequence: Source, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no frame between \(20, 30\)"):
        list(cut_source(Source(**{**vars(sequence), "frames": (20, 30)}), tmp_path, SPEC, Marked()))


def test_sampling_is_that_of_inference(sequence: Source, tmp_path: Path) -> None:
    from fer_zoo.video.sample import sample_frames

    slow = Source(**{**vars(sequence), "fps": 12.5})
    found = find_windows(slow, tmp_path, CutSpec(frames=5, canvas=32), Marked())
    flat = [number for window in found.windows[0] for number in window.frames]
    assert len(flat) == 15
    assert flat == sample_frames(np.arange(10) / 12.5, 25.0)[:15].tolist()
    # Every picture is seen twice: two clips end and begin within one.
    cuts = list(cut_source(slow, tmp_path, CutSpec(frames=5, canvas=32), Marked()))
    assert [cut.numbers for cut in cuts] == [tuple(window.frames) for window in found.windows[0]]


@pytest.mark.parametrize("whole", [True, False], ids=["whole file", "a range"])
def test_a_video_with_a_part_that_cannot_be_decoded_is_refused(tmp_path: Path, whole: bool) -> None:
    drawn = np.random.default_rng(0)
    frames = [np.where(picture(n, (96, 96)) == 80 + n, drawn.integers(60, 120, (96, 96, 3)), picture(n, (96, 96)))
              for n in range(30)]  # fmt: skip
    encode(tmp_path / "a.mkv", [f.astype(np.uint8) for f in frames], codec="ffv1", pix_fmt="bgr0", options={"g": "1"})
    file = tmp_path / "a.mkv"
    source = Source("a", (Path("a.mkv"),), "fear", None, frames=None if whole else (0, 25))
    assert len(list(cut_source(source, tmp_path, SPEC, Marked()))) >= 6
    content = bytearray(file.read_bytes())
    content[len(content) // 2 - 4000 : len(content) // 2 + 4000] = bytes(8000)
    file.write_bytes(content)
    with pytest.raises(VideoError, match="could not be decoded"):
        list(cut_source(source, tmp_path, SPEC, Marked()))


def test_a_truncated_video_is_cut_and_its_end_reported(tmp_path: Path) -> None:
    frames = [picture(number, (64, 96)) for number in range(40)]
    file = encode(tmp_path / "a.mkv", frames)
    file.write_bytes(file.read_bytes()[: int(0.6 * file.stat().st_size)])
    found = find_windows(Source("a", (Path("a.mkv"),), "fear", None), tmp_path, SPEC, Marked())
    assert found.windows[0]
    assert found.damage


def film(folder: Path, worlds: Sequence[Sequence[Square]]) -> Source:
    for number, world in enumerate(worlds):
        Image.fromarray(draw(world)).save(folder / f"{number:03d}.png")
    return Source("a", tuple(Path(f"{n:03d}.png") for n in range(len(worlds))), "fear", "s1", fps=25.0)


def colours(cut_frames: NDArray[np.uint8]) -> set[int]:
    """The channel that is brightest in the middle of each frame."""
    middle = cut_frames.shape[1] // 2
    return {int(channel) for channel in cut_frames[:, middle, middle].argmax(axis=1)}


def test_all_faces_give_clips_of_their_own(tmp_path: Path) -> None:
    """Red is there all the time, green from frame 5 on, blue for three frames."""
    worlds = [
        [("red", 40, 60, 40), *([("green", 120 - n, 60, 20)] if n >= 5 else []),
         *([("blue", 80, 15, 20)] if 10 <= n < 13 else [])]
        for n in range(20)
    ]  # fmt: skip
    source = film(tmp_path, worlds)
    spec = CutSpec(frames=5, canvas=40, face="all")
    found = find_windows(source, tmp_path, spec, Squares(detect_every=3))
    assert found.brief == 1
    cuts = list(cut_source(source, tmp_path, spec, Squares(detect_every=3)))
    red = [cut for cut in cuts if cut.face == 0]
    assert [cut.numbers for cut in red] == [tuple(range(at, at + 5)) for at in (0, 5, 10, 15)]
    assert [cut.number for cut in red] == [0, 1, 2, 3]
    assert all(colours(cut.frames) == {0} for cut in red)
    (person,) = {cut.face for cut in cuts} - {0}
    green = [cut for cut in cuts if cut.face == person]
    assert [cut.numbers for cut in green] == [tuple(range(at, at + 5)) for at in (5, 10, 15)]
    assert all(colours(cut.frames) == {1} for cut in green)
    # Alone, each is cut exactly as if the other was not there.
    (alone, *_) = cut_source(source, tmp_path, CutSpec(frames=5, canvas=40), Squares(detect_every=3))
    assert np.array_equal(alone.frames, red[0].frames)
    assert np.array_equal(alone.landmarks, red[0].landmarks)


def test_no_face_long_enough_for_a_clip(tmp_path: Path) -> None:
    source = film(tmp_path, [[("red", 40, 60, 40)] if n in (4, 5, 6) else [] for n in range(12)])
    with pytest.raises(NoFaceError, match="for the length of a clip"):
        list(cut_source(source, tmp_path, CutSpec(frames=5, face="all"), Squares(detect_every=3)))


def test_landmarks_and_box_are_smoothed_only_with_the_option(tmp_path: Path) -> None:
    source = film(tmp_path, [[("red", 60 + n + 3 * (n % 2), 60, 40)] for n in range(12)])
    spec = CutSpec(frames=12, canvas=64)
    (rough,) = cut_source(source, tmp_path, spec, Squares())
    (calm,) = cut_source(source, tmp_path, spec.model_copy(update={"smooth": 0.08}), Squares())
    shake = [np.abs(np.diff(cut.landmarks[:, 0, 0], 2)).mean() for cut in (rough, calm)]
    assert shake[1] < 0.2 * shake[0]


def test_aligned_clips_stand_upright_and_have_no_box(tmp_path: Path) -> None:
    """A rendered face turned by 20 degrees comes out as if it had not been turned."""
    landmarker = dlib_or_skip()
    for number, frame in enumerate(rendered_face()[::4][:3]):
        Image.fromarray(frame).rotate(20, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)).save(
            tmp_path / f"{number}.png"
        )
    source = Source("a", tuple(Path(f"{n}.png") for n in range(3)), "fear", None, fps=25.0)
    spec = CutSpec(frames=3, canvas=96, crop=CropSpec(align="similarity"))
    (cut,) = cut_source(source, tmp_path, spec, landmarker)
    assert cut.box is None
    eyes = cut.landmarks[:, 42:48].mean(axis=1) - cut.landmarks[:, 36:42].mean(axis=1)
    assert np.abs(np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))).max() < 3
    (boxed,) = cut_source(source, tmp_path, spec.model_copy(update={"crop": CropSpec()}), landmarker)
    eyes = boxed.landmarks[:, 42:48].mean(axis=1) - boxed.landmarks[:, 36:42].mean(axis=1)
    assert np.abs(np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))) == pytest.approx(12, abs=1.5)


@pytest.mark.parametrize(("part", "expected"), [("last", (6, 7, 8, 9)), ("middle", (3, 4, 5, 6))])
def test_one_clip_at_the_end_or_round_the_middle(
    sequence: Source, tmp_path: Path, part: str, expected: tuple[int, ...]
) -> None:
    (cut,) = cut_source(Source(**{**vars(sequence), "part": part}), tmp_path, SPEC, Marked())
    assert (cut.numbers, cut.number) == (expected, 0)
    some = Source(**{**vars(sequence), "part": part, "frames": (2, 7)})
    (cut,) = cut_source(some, tmp_path, SPEC, Marked())
    assert cut.numbers == ((3, 4, 5, 6) if part == "last" else (2, 3, 4, 5))
    few = Source(**{**vars(sequence), "part": part, "frames": (4, 6)})
    (cut,) = cut_source(few, tmp_path, SPEC.model_copy(update={"short": "repeat"}), Marked())
    assert cut.numbers == (4, 5)


def test_the_part_is_chosen_after_sampling(tmp_path: Path) -> None:
    encode(tmp_path / "fast.mp4", [picture(number, (64, 96)) for number in range(20)], rate=50)
    spec = CutSpec(frames=5, fps=25.0, canvas=32)
    numbers = {
        part: next(cut_source(Source("a", (Path("fast.mp4"),), "fear", None, part=part), tmp_path, spec, Marked()))
        for part in ("middle", "last")
    }
    assert numbers["middle"].numbers == (4, 6, 8, 10, 12)
    assert numbers["last"].numbers == (10, 12, 14, 16, 18)


@pytest.fixture
def half_seen(tmp_path: Path) -> Source:
    """Of the clips of four frames one has four faces, one has one, one has two."""
    for number in range(12):
        face = number < 4 or number == 7 or number in (8, 11)
        Image.fromarray(picture(number, face=face)).save(tmp_path / f"{number:02d}.png")
    return Source("a", tuple(Path(f"{n:02d}.png") for n in range(12)), "fear", None, fps=5.0)


def test_clips_with_a_face_in_too_few_frames_are_left_out_and_counted(half_seen: Source, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"fps": 5.0})
    found = find_windows(half_seen, tmp_path, spec, Marked())
    assert ([window.number for window in found.windows[0]], found.faceless) == ([0, 2], 1)
    found = find_windows(half_seen, tmp_path, spec.model_copy(update={"faces": 0.6}), Marked())
    assert ([window.number for window in found.windows[0]], found.faceless) == ([0], 2)
    found = find_windows(half_seen, tmp_path, spec.model_copy(update={"faces": 0.0}), Marked())
    assert ([window.number for window in found.windows[0]], found.faceless) == ([0, 1, 2], 0)
    cuts = list(cut_source(half_seen, tmp_path, spec, Marked()))
    assert [np.isfinite(cut.landmarks).all(axis=(1, 2)).mean() for cut in cuts] == [1, 0.5]


def test_no_clip_with_a_face_in_enough_frames(half_seen: Source, tmp_path: Path) -> None:
    part = Source(**{**vars(half_seen), "frames": (4, 12)})
    with pytest.raises(NoFaceError) as caught:
        list(cut_source(part, tmp_path, SPEC.model_copy(update={"fps": 5.0, "faces": 0.75}), Marked()))
    assert caught.value.given == "a: no face was found in 75% of the frames of any clip, in 50% at most."
