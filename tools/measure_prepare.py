"""Measure the stages of `fer-zoo prepare` on videos, beside the time that decoding them alone takes.

    python tools/measure_prepare.py VIDEO ...

One process a video at a time, in rounds that take turns, medians. The columns are frames of the video a second:

- ffmpeg: the program FFmpeg decodes the file and throws the frames away (`ffmpeg -i VIDEO -map 0:v:0 -f null -`), if
  there is one (or the package imageio-ffmpeg, which brings one); pyav: the same in Python;
- the stages of `prepare`, each as if it was all that had to be done. It decodes twice and makes RGB of each frame.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from fer_zoo.data.cut import CutSpec
from fer_zoo.data.prepare import ShardProgress, prepare
from fer_zoo.specs import ComponentSpec

STAGES = ("decode", "detect", "points", "crop", "write")


def ffmpeg() -> str | None:
    """The program, if there is one."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def by_program(program: str, video: Path) -> None:
    """Decode with FFmpeg alone."""
    command = [program, "-v", "error", "-i", str(video), "-map", "0:v:0", "-f", "null", "-"]
    subprocess.run(command, check=True)


def by_pyav(video: Path) -> int:
    """Decode with PyAV alone; frames."""
    import av

    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def by_prepare(video: Path) -> dict[str, float]:
    """Seconds of each stage."""
    told: list[ShardProgress] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "database"
        (root / "neutral").mkdir(parents=True)
        (root / "neutral" / video.name).symlink_to(video.resolve())
        prepare(ComponentSpec(name="folder"), root, Path(folder) / "store", CutSpec(), progress=told.append)
    return {stage: told[-1].made.seconds.get(stage, 0.0) for stage in STAGES}


def seconds(job: Callable[[], object]) -> float:
    """Wall time of a job."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def measure(video: Path, program: str | None) -> dict[str, float]:
    """Seconds of each way to decode, and of each stage."""
    alone = {"ffmpeg": seconds(lambda: by_program(program, video))} if program else {}
    alone["pyav"] = seconds(lambda: by_pyav(video))
    stages = by_prepare(video)
    return {**alone, **stages, "all": sum(stages.values())}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    program = ffmpeg()
    by_prepare(args.videos[0])  # loads the detector
    rounds = [[measure(video, program) for video in args.videos] for _ in range(args.rounds)]
    columns = list(rounds[0][0])
    print(f"{args.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; frames/s, medians")
    print("| video | frames | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 2))
    for place, video in enumerate(args.videos):
        frames = by_pyav(video)
        figures = [frames / median(found[place][column] for found in rounds) for column in columns]
        print(f"| {video.name} | {frames} | " + " | ".join(f"{figure:,.0f}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
