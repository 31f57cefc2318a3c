"""Video files made on the spot, a world of coloured squares, and a landmarker that sees the squares as faces."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from fer_zoo.errors import MissingExtraError
from fer_zoo.landmarks.base import Box, Face, Landmarker, keep_likely, largest_first
from fer_zoo.video.reader import VideoFrame

Square = tuple[str, float, float, float]  # colour, centre x, centre y, side
COLOURS = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230)}


def encode(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    rate: int = 25,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    matrix: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Write a file with PyAV alone, independent of fer_zoo's own writer."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 90_000)
        if rotation:
            stream.set_display_rotation(rotation)
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] * 90_000), Fraction(1, 90_000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=16_000)
        for index in range(20):
            out.mux(stream.encode(_silence(16_000, index * 1024, 1024)))
        out.mux(stream.encode(None))
    return path


def _silence(rate: int, first: int, count: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, count), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate, first
    return frame


def sounding(path: Path, images: Sequence[np.ndarray], *, seconds: float, rate: int = 25) -> Path:
    """A video with `seconds` of silence, both streams from 0 and interleaved."""
    sample_rate, block = 44_100, 1024
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=rate, options={"g": "12", "bf": "0"})
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio: Any = out.add_stream("aac", rate=sample_rate)
        for image in images:
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        out.mux(video.encode(None))
        for first in range(0, round(seconds * sample_rate), block):
            out.mux(audio.encode(_silence(sample_rate, first, block)))
        out.mux(audio.encode(None))
    return path


def song_with_cover(path: Path) -> Path:
    """An MP3 with a PNG cover: FFmpeg shows the cover as a video stream of one frame."""
    with av.open(str(path), "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as out:
        stream: Any = out.add_stream("libmp3lame", rate=44_100)
        for first in range(0, 44_100, 1152):
            out.mux(stream.encode(_silence(44_100, first, 1152)))
        out.mux(stream.encode(None))
    picture = BytesIO()
    Image.fromarray(np.full((32, 32, 3), 120, np.uint8)).save(picture, "png")
    # ID3v2.3: text encoding, type of picture file, kind 3 (front cover), no description, the file itself.
    content = b"\0image/png\0\x03\0" + picture.getvalue()
    frame = b"APIC" + len(content).to_bytes(4, "big") + b"\0\0" + content
    # Sizes in the header of the tag have seven bits a byte.
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\0\0" + size + frame + path.read_bytes())
    return path


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow past `size` bytes: the operating system then refuses as it does on a full disk."""
    resource = pytest.importorskip("resource", reason="the limit is set the POSIX way")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def draw(squares: Sequence[Square], width: int = 160, height: int = 120) -> np.ndarray:
    """Coloured squares on grey; the later ones lie on top."""
    image = np.full((height, width, 3), 90, np.uint8)
    for colour, x, y, side in squares:
        rows = slice(max(0, round(y - side / 2)), max(0, round(y + side / 2)))
        columns = slice(max(0, round(x - side / 2)), max(0, round(x + side / 2)))
        image[rows, columns] = COLOURS[colour]
    return image


def video_frames(worlds: Sequence[Sequence[Square]], rate: float = 25.0) -> list[VideoFrame]:
    return [VideoFrame(index, index / rate, draw(squares)) for index, squares in enumerate(worlds)]


class Squares:
    """Sees each coloured square as a face with 68 points on it; follows by place alone, as real detectors do."""

    name = "squares"
    version = "squares 1"

    def __init__(self, *, detect_every: int = 5) -> None:
        self.detect_every = detect_every
        self.searches = 0

    def detect(self, image: np.ndarray) -> list[Face]:
        self.searches += 1
        return largest_first(self._all(image))

    def follow(self, image: np.ndarray, last: Face) -> Face | None:
        return keep_likely(self._all(image), last)

    @staticmethod
    def _all(image: np.ndarray) -> list[Face]:
        faces = []
        for channel in range(3):
            others = [c for c in range(3) if c != channel]
            mask = (image[..., channel] > 150) & (image[..., others].max(axis=-1) < 110)
            rows, columns = np.nonzero(mask)
            if len(rows) < 16:
                continue
            box = Box(columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5)
            faces.append(Face(box, 1.0, square_points(box)))
        return faces


def square_points(box: Box) -> np.ndarray:
    share = np.stack([np.linspace(0, 1, 68), np.arange(68) % 2.0], axis=1)  # upright: the eyes are level
    return (np.array([box.x0, box.y0]) + share * (box.width, box.height)).astype(np.float32)


@cache
def rendered_face(size: int = 192, seconds: float = 0.8) -> np.ndarray:
    """Frames uint8 (T, size, size, 3) of a rendered face that smiles."""
    from fer_zoo.synth import render_video

    return render_video(1, ["happiness"], seconds_each=seconds, size=size, plain=True).frames


@cache
def _dlib() -> Landmarker | str:
    from fer_zoo.landmarks import create_landmarker

    try:
        return create_landmarker("dlib")
    except MissingExtraError as error:
        return str(error)


def on_grey(face: np.ndarray, width: int, height: int, left: int, top: int) -> np.ndarray:
    """A picture of a face on a grey ground."""
    image = np.full((height, width, 3), 110, np.uint8)
    image[top : top + face.shape[0], left : left + face.shape[1]] = face
    return image


def dlib_or_skip() -> Landmarker:
    """One dlib landmarker for all tests (its file is 100 MB), or a skip that says what to install."""
    found = _dlib()
    if isinstance(found, str):
        # In CI the extra is part of the installation: a skip would hide that half of inference went untested.
        assert not os.environ.get("CI"), found
        pytest.skip(f"needs the extra dlib: {found}")
    return found
