"""What `make demo` runs: the shipped weights on a real face video; prints where the results are, opens nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from demo_video import demo_video

from fer_zoo.cli import main

OUT = Path("demo-out")
CACHE = Path(__file__).parent.parent / ".cache"


def demo() -> int:
    """Fetch the video (or render one), predict, and say where timeline, plot and annotated video are."""
    video = demo_video(CACHE)
    print(f"video: {video}")
    return main(["predict", str(video), "--out", str(OUT)])


if __name__ == "__main__":
    sys.exit(demo())
