"""What files of pictures and videos can be like: turned by a tag, of 16 bits, of several sizes, broken in any way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video_files import encode

from fer_zoo.data import pictures as module
from fer_zoo.data.pictures import pictures
from fer_zoo.data.sources import Source
from fer_zoo.errors import VideoError


def ramp(height: int = 24, width: int = 32) -> np.ndarray:
    return np.linspace(0, 65535, height * width).reshape(height, width).round().astype(np.uint16)


def sequence(*names: str, **fields: object) -> Source:
    return Source("a", tuple(map(Path, names)), "fear", None, fps=25.0, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_tag_of_cameras_is_heeded(tmp_path: Path, orientation: int) -> None:
    upright = np.stack([(ramp() >> 8).astype(np.uint8)] * 3, axis=-1)
    upright[:6, :6] = (255, 0, 0)
    # How a camera stores it, by the table of Exif: value 6 is shown after a quarter turn clockwise, and so on.
    stored: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda image: image,
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, 1),
        7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
        8: lambda image: np.rot90(image, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored[orientation](upright))).save(tmp_path / "0.png", exif=exif)
    (frame,) = pictures(sequence("0.png"), tmp_path)
    assert np.array_equal(frame.image, upright)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "0.png")
    Image.fromarray(ramp()).save(tmp_path / "1.tif")
    for frame in pictures(sequence("0.png", "1.tif"), tmp_path):
        assert np.array_equal(frame.image[..., 1], np.round(ramp() / 257).astype(np.uint8))
        assert len(np.unique(frame.image)) == 256


def test_numbers_without_a_white_are_refused(tmp_path: Path) -> None:
    Image.fromarray(ramp().astype(np.float32)).save(tmp_path / "0.tif")
    with pytest.raises(VideoError, match=r"0\.tif cannot be read: numbers of 32 bits"):
        list(pictures(sequence("0.tif"), tmp_path))


def test_pictures_of_several_sizes_are_refused(tmp_path: Path) -> None:
    for number, width in enumerate((32, 32, 40)):
        Image.new("RGB", (width, 24)).save(tmp_path / f"{number}.png")
    names = ("0.png", "1.png", "2.png")
    with pytest.raises(VideoError, match=r"2\.png has 40 x 24 pixels, the pictures before it 32 x 24"):
        list(pictures(sequence(*names), tmp_path))
    assert len(list(pictures(sequence(*names, frames=(0, 2)), tmp_path))) == 2


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("what", ["broken checksum", "short header", "strange chunk", "half", "nothing"])
def test_broken_pictures_are_their_source_s_failure(tmp_path: Path, what: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8)).save(tmp_path / "0.png")
    content = (tmp_path / "0.png").read_bytes()
    broken = {
        "broken checksum": content[:30] + bytes([content[30] ^ 255]) + content[31:],
        "short header": content[:8] + chunk(b"IHDR", b"\0\0"),
        # Bytes that are no name of a chunk, where the picture's data should go on: Pillow raises SyntaxError.
        "strange chunk": content[:33] + chunk(b"IDAT", content[41:80]) + b"\0\0\0\1\xff\xfe\xfd\xfc" + bytes(20),
        "half": content[: len(content) // 2],
        "nothing": b"",
    }
    (tmp_path / "0.png").write_bytes(broken[what])
    with pytest.raises(VideoError, match=r"0\.png cannot be read"):
        list(pictures(sequence("0.png"), tmp_path))


@pytest.mark.parametrize("error", [OSError, ValueError, SyntaxError, EOFError, struct.error])
def test_whatever_a_decoder_raises_is_the_source_s_failure(
    tmp_path: Path, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise error("deep inside")

    encode(tmp_path / "a.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3)
    monkeypatch.setattr(module, "open_video", broken)
    with pytest.raises(VideoError, match="a cannot be decoded: deep inside"):
        list(pictures(Source("a", (Path("a.mp4"),), "fear", None), tmp_path))


@pytest.mark.parametrize("kind", ["video", "sequence"])
def test_a_stretch_that_goes_past_the_end(tmp_path: Path, kind: str) -> None:
    images = [np.full((64, 64, 3), 20 * number, np.uint8) for number in range(10)]
    if kind == "video":
        encode(tmp_path / "a.mp4", images)
        whole = Source("a", (Path("a.mp4"),), "fear", None, frames=(6, 50))
    else:
        for number, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / f"{number}.png")
        whole = sequence(*(f"{number}.png" for number in range(10)), frames=(6, 50))
    damage: list[str] = []
    found = list(pictures(whole, tmp_path, damage=damage))
    assert [frame.index for frame in found] == [0, 1, 2, 3]
    assert [frame.time_s for frame in found] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert [round(float(frame.image.mean()), -1) for frame in found] == pytest.approx([120, 140, 160, 180], abs=10)
    assert damage == ["it is to end at frame 50, but there are only 10 frames"]


def test_pictures_before_a_stretch_are_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (32, 24)).save(tmp_path / "1.png")
    (frame,) = pictures(sequence("gone.png", "1.png", frames=(1, 2)), tmp_path)
    assert frame.index == 0


def test_stretches_of_one_video_are_numbered_alike_in_any_order(tmp_path: Path) -> None:
    ground = np.random.default_rng(0).integers(60, 200, (64, 96, 3), dtype=np.uint8)
    images = [np.roll(ground, 3 * number, axis=1) for number in range(60)]
    encode(tmp_path / "a.mp4", images, options={"g": "12", "bf": "3"})
    whole = list(pictures(Source("a", (Path("a.mp4"),), "fear", None), tmp_path))
    for start in (40, 20, 41, 3, 55):
        part = Source("a", (Path("a.mp4"),), "fear", None, frames=(start, start + 5))
        found = list(pictures(part, tmp_path))
        assert len(found) == 5
        for frame, expected in zip(found, whole[start:], strict=False):
            assert np.array_equal(frame.image, expected.image)
            assert frame.time_s == pytest.approx(expected.time_s - whole[start].time_s)
    encode(tmp_path / "a.mp4", images[::-1], options={"g": "12", "bf": "3"})  # another film under the same name
    turned = list(pictures(Source("a", (Path("a.mp4"),), "fear", None), tmp_path))
    (frame, *_) = pictures(Source("a", (Path("a.mp4"),), "fear", None, frames=(41, 46)), tmp_path)
    assert np.array_equal(frame.image, turned[41].image)
