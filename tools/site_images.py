"""Make the pictures of README and site that show a result: a rendered face, read by the shipped weights.

FER_ZOO_ICT_FACEKIT=... FER_ZOO_PHOTOGRAPHS=... python tools/site_images.py
python tools/site_images.py --run RUN --videos VIDEOS   # docs/img/own-videos.webp, of a run of `fer-zoo finetune`
python tools/site_images.py --live VIDEO --rows ROWS    # docs/img/live.webp, of `fer-zoo live VIDEO --out ROWS.csv`

The skin is that of a photograph (DeBruine and Jones 2017, figshare 4220517, CC BY 4.0); the name of the credit's page
is in docs/synthetic-faces.md.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
from gallery import save
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

import fer_zoo
from fer_zoo.data.synthetic import ict_pack, photo_folder, photo_heads
from fer_zoo.inference import predict_video
from fer_zoo.inference.annotate import annotate_video
from fer_zoo.inference.palette import label_colours
from fer_zoo.inference.plot import CURVES
from fer_zoo.synth import render_video
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions
from fer_zoo.video.reader import open_video
from fer_zoo.video.writer import write_video
from fer_zoo.weights.picture import draw_confusion

IMAGES = Path(__file__).parent.parent / "docs" / "img"
SUBJECT, LABELS, FPS = 30, ("happiness", "surprise", "anger"), 25


def main() -> None:
    """Write the pictures of a run, of live rows, or of the rendered video."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--run", "--videos", "--live", "--rows"):
        parser.add_argument(option, type=Path)
    options = parser.parse_args()
    if options.run:
        save(own_videos(options.run, options.videos), IMAGES / "own-videos.webp", dpi=150)
    elif options.live:
        save(live(options.live, options.rows), IMAGES / "live.webp", dpi=150)
    else:
        result()


def result() -> None:
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
    plot = plot.resize((512, 384), Image.Resampling.LANCZOS)
    pictures = [_beside(frame.image, plot, number / len(frames)) for number, frame in enumerate(frames)][::2]
    pictures[0].save(
        IMAGES / "result.webp", save_all=True, append_images=pictures[1:], duration=2000 // FPS, loop=0, quality=60
    )


def own_videos(run: Path, videos: Path) -> Figure:
    """One held-out clip of each subject with its label and the predicted one, and the confusion matrix of all folds."""
    clips = Predictions.read(run / "predictions.csv")
    labels = clips.labels
    figure = Figure(figsize=(6, 3.6), layout="constrained", facecolor="white")
    left, right = figure.subfigures(1, 2, width_ratios=(3.6, 2.4))  # type: ignore[misc]
    left.suptitle("label, and prediction held out", fontsize=10)
    subjects = {subject: number for number, subject in enumerate(clips.subjects) if clips.keys[number].endswith("/000")}
    for axis, number in zip(left.subplots(2, 3).flat, subjects.values(), strict=False):
        frames = [frame.image for frame in open_video(videos / clips.videos[number]).frames()]
        axis.imshow(frames[len(frames) // 2])
        truth, found = labels[clips.truth[number]], labels[clips.predicted[number]]
        axis.set_title(truth, fontsize=9.5)
        axis.set_xlabel(found, fontsize=9.5, color="#00796b" if truth == found else "#c62828")
        axis.set(xticks=[], yticks=[])
    right.suptitle(f"all {len(clips)} clips, %", fontsize=10)
    panel = right.subplots()
    draw_confusion(panel, figures(clips).confusion, size=13)
    panel.set_xticks(range(len(labels)), labels, size=9.5)
    panel.set_yticks(range(len(labels)), labels, size=9.5, rotation=90, va="center")
    panel.set_xlabel("predicted", size=9.5)
    panel.set_ylabel("label", size=9.5)
    return figure


def live(video: Path, table: Path) -> Figure:
    """Frames of some rows of `fer-zoo live`, with box and label, above the probabilities of all rows."""
    with table.open() as file:
        rows = [row for row in csv.DictReader(file) if row["track"]]
    labels = [name[2:] for name in rows[0] if name.startswith("p_")]
    frames = [frame.image for frame in open_video(video).frames()]
    shown = [rows[round(share * (len(rows) - 1))] for share in (0.02, 0.2, 0.5, 0.8)]
    figure = Figure(figsize=(6, 3.9), layout="constrained", facecolor="white")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.7, 2.2))  # type: ignore[misc]
    for axis, row in zip(top.subplots(1, len(shown)), shown, strict=True):
        axis.imshow(frames[int(row["frame"])])
        x0, y0, x1, y1 = (float(row[key]) for key in ("x0", "y0", "x1", "y1"))
        axis.plot((x0, x1, x1, x0, x0), (y0, y0, y1, y1, y0), color="white", lw=1.2)
        axis.set_title(f"{row['label']}\n{float(row['time_s']):.1f} s", fontsize=9.5)
        axis.set_axis_off()
    panel, colours = bottom.subplots(), label_colours(labels)
    times = [float(row["time_s"]) for row in rows]
    for label in labels:
        values = [float(row[f"p_{label}"]) for row in rows]
        if max(values) > 0.35:
            panel.plot(times, values, ".-", ms=4, lw=1.5, color=[part / 255 for part in colours[label]], label=label)
    panel.set_xlabel("seconds; a dot is a row", fontsize=9.5)
    panel.set_ylabel("probability", fontsize=9.5)
    panel.tick_params(labelsize=9)
    panel.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return figure


def _beside(frame: np.ndarray, plot: Image.Image, time: float) -> Image.Image:
    """Return a frame beside the plot with a line at the present time, 0 to 1."""
    whole = Image.new("RGB", (384 + plot.width, 384), "white")
    whole.paste(Image.fromarray(frame), (0, 0))
    whole.paste(plot, (384, 0))
    left, bottom, right, top = CURVES
    x = 384 + round((left + time * (right - left)) * plot.width)
    ImageDraw.Draw(whole).line([(x, (1 - top) * 384), (x, (1 - bottom) * 384)], fill="#22262c", width=2)
    return whole


if __name__ == "__main__":
    main()
