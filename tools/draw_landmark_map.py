"""Draw what the landmark map tells the network: `python tools/draw_landmark_map.py docs/img/landmark-map.png`.

One rendered face; the map on the paper's grids (38 x 38 and 18 x 18 of a 299 px clip), and on the tiny network's grid
with windows of three sizes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from fer_zoo.landmarks.maps import landmark_map
from fer_zoo.specs import CropSpec
from fer_zoo.synth import render_clip
from fer_zoo.video.crop import clip_box, crop_clip


def main() -> None:
    """Render, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    clip = render_clip(7, "happiness", size=400, frames=10, plain=True)
    box = clip_box(clip.landmarks, CropSpec())
    if box is None:
        raise SystemExit("no landmarks in the rendered clip")
    frames, landmarks = crop_clip(clip.frames, clip.landmarks, box, 299)
    points = torch.from_numpy(landmarks[None])
    panels = [
        ("paper, unit A: 38 x 38, 7 x 7", 38, 3),
        ("paper, unit B: 18 x 18, 7 x 7", 18, 3),
        ("tiny, unit A: 20 x 20, 7 x 7", 20, 3),
        ("tiny, unit A: 20 x 20, 5 x 5", 20, 2),
        ("tiny, unit A: 20 x 20, 3 x 3", 20, 1),
    ]
    figure = Figure(figsize=(15, 3.1), layout="constrained")
    axes = figure.subplots(1, len(panels) + 1)
    middle = len(frames) // 2
    axes[0].imshow(frames[middle])
    axes[0].scatter(*np.moveaxis(landmarks[middle], -1, 0), s=3, c="cyan")
    axes[0].set_title("clip and its 68 points", fontsize=9)
    for axis, (title, grid, radius) in zip(axes[1:], panels, strict=True):
        weights = landmark_map(points, (299, 299), (grid, grid), radius=radius).weights
        axis.imshow(weights[0, 0, middle].numpy(), vmin=0, vmax=1, cmap="viridis")
        axis.set_title(f"{title}: {float((weights == 0).float().mean()):.0%} zeros", fontsize=9)
    for axis in axes:
        axis.set_axis_off()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    main()
