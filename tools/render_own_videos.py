"""Render labelled videos of synthetic subjects with labels of their own, bored and interested, to try fine-tuning on.

python tools/render_own_videos.py FOLDER [--subjects 0 6] [--videos 5]
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

from fer_zoo.synth import render_video
from fer_zoo.synth.family import makehuman
from fer_zoo.video.writer import write_video

# Facial units of each label, rendered in place of a label of the generator, which has none of these.
OWN = {
    "bored": ("sadness", "eyeBlink 0.35, eyeLookDown 0.5, mouthFrown 0.35, mouthShrugLower 0.4, mouthPress 0.3"),
    "interested": ("surprise", "browOuterUp 0.55, browInnerUp 0.45, eyeWide 0.6, mouthSmile 0.3, jawOpen 0.08"),
}


def main() -> None:
    """Write the videos and labels.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subjects", type=int, nargs=2, default=(0, 6), help="the first, and one past the last")
    parser.add_argument("--videos", type=int, default=5, help="videos of each subject, the labels in turn")
    arguments = parser.parse_args()
    head = makehuman()
    units = {stand_in: ((1.0, text),) for stand_in, text in OWN.values()}
    head = replace(head, prototypes={**head.prototypes, **units})
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for subject in range(*arguments.subjects):
        for number in range(arguments.videos):
            label = list(OWN)[(subject + number) % len(OWN)]
            name = f"s{subject:03d}_{number}.mp4"
            rows.append((name, label, f"s{subject:03d}"))
            if (arguments.folder / name).exists():
                continue
            film = render_video(
                subject, [OWN[label][0]], number, seconds_each=0.96, strength=0.8, size=192, seed=77, family=head
            )
            with write_video(arguments.folder / name, 25) as writer:
                for frame in film.frames:
                    writer.add(frame)
    with (arguments.folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "subject"), *rows])


if __name__ == "__main__":
    main()
