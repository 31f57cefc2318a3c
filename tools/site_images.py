"""Make the pictures of README and site that show a result: a rendered face, read by the shipped weights.

FER_ZOO_ICT_FACEKIT=... FER_ZOO_PHOTOGRAPHS=... python tools/site_images.py

The skin is that of a photograph (DeBruine and Jones 2017, figshare 4220517, CC BY 4.0); the name of the credit's page
is in docs/synthetic-faces.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import fer_zoo
from fer_zoo.data.synthetic import ict_pack, photo_folder, photo_heads
from fer_zoo.inference import predict_video
from fer_zoo.inference.annotate import annotate_video
from fer_zoo.synth import render_video
from fer_zoo.video.reader import open_video
from fer_zoo.video.writer import write_video

IMAGES = Path(__file__).parent.parent / "docs" / "img"
SUBJECT, LABELS, FPS = 30, ("happiness", "surprise", "anger"), 25
# Left and right edge of the curves in the plot, as shares of its width: where the line of the present time runs.
EDGES = (0.0602, 0.8455)


def main() -> None:
    """Write docs/img/result.webp and docs/img/timeline.png."""
    family = photo_heads(ict_pack(), photo_folder())
    video = render_video(SUBJECT, LABELS, size=384, fps=FPS, family=family)
    with tempfile.TemporaryDirectory() as folder:
        path, annotated = Path(folder, "face.mp4"), Path(folder, "annotated.mp4")
        with write_video(path, FPS) as writer:
            for frame in video.frames:
                writer.add(frame)
        timeline = predict_video(fer_zoo.create_model("incres3d_tiny_lstm_lm_in", pretrained=True), path)
        timeline.plot().savefig(IMAGES / "timeline.png")
        annotate_video(timeline, annotated)
        frames = [image for image in open_video(annotated).frames()]
    plot = Image.open(IMAGES / "timeline.png").convert("RGB")
    plot = plot.resize((768, 384), Image.Resampling.LANCZOS)
    pictures = [_beside(frame.image, plot, number / len(frames)) for number, frame in enumerate(frames)][::2]
    pictures[0].save(
        IMAGES / "result.webp", save_all=True, append_images=pictures[1:], duration=2000 // FPS, loop=0, quality=60
    )


def _beside(frame: np.ndarray, plot: Image.Image, time: float) -> Image.Image:
    """Return a frame beside the plot with a line at the present time, 0 to 1."""
    whole = Image.new("RGB", (384 + plot.width, 384), "white")
    whole.paste(Image.fromarray(frame), (0, 0))
    whole.paste(plot, (384, 0))
    x = 384 + round((EDGES[0] + time * (EDGES[1] - EDGES[0])) * plot.width)
    ImageDraw.Draw(whole).line([(x, 116), (x, 352)], fill="#22262c", width=2)
    return whole


if __name__ == "__main__":
    main()
