"""Compare the speed of `predict_video` with that of the PyPI package `fer` on one video, alternating, as ratios.

`fer` needs packages that fer_zoo does not go with, so it runs in an environment of its own:

    python -m venv fer-env && fer-env/bin/pip install fer==25.10.3 'setuptools<80' 'opencv-contrib-python<5'
    python tools/compare_with_fer.py VIDEO --fer-python fer-env/bin/python

`fer` finds faces with its default detector (Haar cascades) and labels each frame by itself; fer_zoo follows a face and
labels windows of ten frames. Both are loaded, and have read the video once, before the first measurement. The ratio of
processor times also holds on a busy machine; that of wall times only on a quiet one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

_LOOP = """
import sys, time
run(sys.argv[1])
for _ in sys.stdin:
    wall, processor = time.perf_counter(), time.process_time()
    frames = run(sys.argv[1])
    print("measured", frames, time.perf_counter() - wall, time.process_time() - processor, flush=True)
"""
_FER = """
import cv2
from fer.fer import FER
detector = FER()
def run(path):
    video, frames = cv2.VideoCapture(path), 0
    while (image := video.read()[1]) is not None:
        detector.detect_emotions(image)
        frames += 1
    return frames
"""
_OURS = """
from fer_zoo import create_model
from fer_zoo.inference import predict_video
model = create_model({model!r}, pretrained=True)
def run(path):
    return len(predict_video(model, path, hop={hop}, landmarker={landmarker!r}))
"""


class _Worker:
    def __init__(self, python: str, code: str, video: str) -> None:
        command = [python, "-c", code + _LOOP, video]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self) -> tuple[float, float]:
        """Return the wall and processor milliseconds of a frame."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("measured"):
                frames, wall, processor = map(float, line.split()[1:])
                return 1e3 * wall / frames, 1e3 * processor / frames
        raise SystemExit(f"a worker ended with {self._process.wait()}")


def main() -> None:
    """Print the times of each round and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--fer-python", required=True, help="Python of the environment of `fer`")
    parser.add_argument("--model", default="incres3d_tiny_lstm_lm_in")
    parser.add_argument("--landmarker", help="default: that of the weights")
    parser.add_argument("--hop", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ours = _OURS.format(model=args.model, hop=args.hop, landmarker=args.landmarker)
    workers = {"fer_zoo": _Worker(sys.executable, ours, args.video), "fer": _Worker(args.fer_python, _FER, args.video)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
    for number in range(1, args.rounds + 1):
        for name, worker in workers.items():
            times[name].append(worker.measure())
            wall, processor = times[name][-1]
            print(f"round {number}: {name:8} {wall:7.1f} ms/frame, {processor:7.1f} ms/frame of processor time")
    for index, what in enumerate(("wall", "processor")):
        medians = {name: statistics.median(pair[index] for pair in pairs) for name, pairs in times.items()}
        print(f"{what} time, fer / fer_zoo: {medians['fer'] / medians['fer_zoo']:.2f}")


if __name__ == "__main__":
    main()
