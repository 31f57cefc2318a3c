"""What a frame says of itself: orientation in any way, other side data, another shape than the first, HDR."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps
from video_files import Squares, draw, encode

from fer_zoo.video.reader import open_video
from fer_zoo.video.track import track_faces

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")


def photo(orientation: int) -> bytes:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16, :24], image[24:, 40:] = (220, 40, 40), (40, 40, 220)
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", orientation
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.avi"])
def test_exif_of_photos_and_of_motion_jpeg(tmp_path: Path, name: str, orientation: int) -> None:
    data, path = photo(orientation), tmp_path / name
    if name == "a.jpg":
        path.write_bytes(data)
    else:
        with av.open(str(path), "w") as out:
            stream = out.add_stream("mjpeg", rate=30)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
            for number in range(3):
                packet = av.Packet(data)
                packet.pts = packet.dts = number
                packet.time_base, packet.stream = Fraction(1, 30), stream
                out.mux(packet)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB"))
    for frame in open_video(path).frames():
        assert frame.image.shape == expected.shape
        assert np.abs(frame.image.astype(int) - expected).mean() < 6


@needs_ffmpeg
def test_a_picture_that_changes_its_shape_is_not_squeezed(tmp_path: Path) -> None:
    def part(name: str, width: int, height: int) -> bytes:
        image = draw([("red", width / 2, height / 2, 40)], width, height)
        return encode(tmp_path / name, [image] * 20, options={"bf": "0"}).read_bytes()

    path = tmp_path / "c.ts"
    path.write_bytes(part("a.ts", 120, 160) + part("b.ts", 160, 120))
    video = open_video(path)
    (track,) = track_faces(video.frames(), Squares(), scale=video.scale)
    assert (len(track), track.found.all(), track.faces, len(track.shape_changes)) == (40, True, 1, 1)
    assert (video.width, video.height) == (120, 160)
    first, last = track.boxes[0], track.boxes[-1]
    assert first is not None
    assert last is not None
    assert last.width == pytest.approx(40 * 120 / 160, abs=2)
    assert last.width == pytest.approx(last.height, abs=1.5)
    assert last.centre == pytest.approx((60, 80), abs=1.5)
    assert "shape of the picture changes at 0." in video.notes[0]


@needs_ffmpeg
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_high_dynamic_range_is_mapped(tmp_path: Path, transfer: str) -> None:
    path = tmp_path / "a.mp4"
    filters = (
        "format=gbrp,zscale=tin=bt709:pin=bt709:min=gbr:rin=full:t=linear:p=2020:m=gbr:npl=203,format=gbrpf32le,"
        f"zscale=tin=linear:pin=2020:min=gbr:t={transfer}:p=2020:m=2020_ncl:r=tv:npl=203,format=yuv420p10le"
    )
    tags = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    source = ["-f", "lavfi", "-i", "color=c=0xd04020:s=96x64:r=25:d=0.2"]
    command = ["ffmpeg", "-v", "error", *source, "-vf", filters, "-c:v", "libx265", "-x265-params", tags, str(path)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this ffmpeg has no zscale or no x265")
    video = open_video(path)
    red, green, blue = next(video.frames()).image.mean(axis=(0, 1))
    # Without the mapping the colour is greyish: the red of PQ is 110, its blue 70.
    assert red > 170
    assert red - blue > 100
    assert red - green > 70
    assert "high dynamic range" in video.notes[0]


FORK = """
import gc, os, sys, time
from fer_zoo.video.reader import open_video
gc.disable()
def read(how):
    frames = open_video(sys.argv[1]).frames()
    if how == "whole":
        list(frames)
    elif how == "abandoned":
        next(frames)
    elif how == "closed":
        next(frames); frames.close()
    else:
        try:
            next(frames); frames.throw(KeyError("stop"))
        except KeyError as error:
            return error
kept = [read(how) for how in ("whole", "abandoned", "closed", "error")]
threads = len(os.listdir("/proc/self/task"))
assert threads == 1, threads
pid = os.fork()
if pid == 0:
    gc.collect(); os._exit(0)
for _ in range(100):
    if os.waitpid(pid, os.WNOHANG)[0]:
        sys.exit(0)
    time.sleep(0.05)
os.kill(pid, 9); sys.exit("the child hangs")
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads the Linux way")
def test_no_thread_of_a_decoder_is_left(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [draw([("red", 60, 60, 30)])] * 20)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", FORK, str(path)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
