"""Look at the synthetic faces: seven labels x some subjects, or whole clips as strips.

    python tools/contact_sheet.py sheet.png --subjects 0-7            # rows: subjects, columns: labels
    python tools/contact_sheet.py clips.png --clips --subjects 0-2    # rows: clips, columns: frames
    python tools/contact_sheet.py points.png --plain --points           # exact 68 points drawn on clean renders
    python tools/contact_sheet.py ict.png --ict ICT-FaceKit             # heads of ICT-FaceKit: a checkout or an .npz
    python tools/contact_sheet.py photo.png --ict ICT-FaceKit --photos FOLDER --subjects 0,25   # with photographed skin
    python tools/contact_sheet.py natural.png --style natural           # expressions as people make them

The file name's ending chooses the format (.png, .jpg).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fer_zoo.data.synthetic import ict_pack, photo_folder, photo_heads
from fer_zoo.synth import LABELS, SynthClip, render_clip
from fer_zoo.synth.family import HeadFamily, makehuman, styled
from fer_zoo.synth.ict import ict_family

Picture = NDArray[np.uint8]


def subjects_from(text: str) -> list[int]:
    """``"0-3,7"`` as [0, 1, 2, 3, 7]."""
    chosen: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    return chosen


def drawn(clip: SynthClip, frame: int, points: bool) -> Picture:
    """One frame, with its points if wanted."""
    if not points:
        return np.asarray(clip.frames[frame])
    image = Image.fromarray(clip.frames[frame])
    pen = ImageDraw.Draw(image)
    for x, y in clip.landmarks[frame]:
        pen.ellipse([x - 1, y - 1, x + 1, y + 1], fill=(0, 255, 0))
    return np.asarray(image)


def label_sheet(family: HeadFamily, subjects: list[int], take: int, size: int, plain: bool, points: bool) -> Picture:
    """The strongest frame of each label (columns) for each subject (rows), names above."""
    rows = []
    for subject in subjects:
        clips = [
            render_clip(subject, x, take, frames=1 if plain else 5, size=size, fps=10.0, plain=plain, family=family)
            for x in LABELS
        ]
        rows.append(np.hstack([drawn(c, int(c.intensity.argmax()), points) for c in clips]))
    header = Image.new("RGB", (size * len(LABELS), 16), (255, 255, 255))
    pen = ImageDraw.Draw(header)
    for k, label in enumerate(LABELS):
        pen.text((k * size + 4, 2), label, fill=(0, 0, 0))
    return np.vstack([np.asarray(header), *rows])


def clip_sheet(family: HeadFamily, subjects: list[int], take: int, size: int, plain: bool, points: bool) -> Picture:
    """Whole clips as rows, the labels in turn."""
    rows = []
    for k, subject in enumerate(subjects):
        clip = render_clip(subject, LABELS[k % len(LABELS)], take, size=size, plain=plain, family=family)
        rows.append(np.hstack([drawn(clip, t, points) for t in range(len(clip.frames))]))
    return np.vstack(rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", default="0-7", help="such as 0-7 or 3,5,9")
    parser.add_argument("--take", type=int, default=0)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--clips", action="store_true", help="whole clips instead of one frame a label")
    parser.add_argument("--plain", action="store_true", help="frontal, clean, full strength")
    parser.add_argument("--points", action="store_true", help="draw the 68 points")
    parser.add_argument("--ict", help="draw heads of ICT-FaceKit: its checkout or an .npz packed from it")
    parser.add_argument("--photos", default="", help="folder of portraits whose skin the heads of --ict get")
    parser.add_argument("--style", default="posed", choices=("posed", "natural"))
    options = parser.parse_args()
    make = clip_sheet if options.clips else label_sheet
    family = ict_family(ict_pack(options.ict)) if options.ict else makehuman()
    if options.photos:
        family = photo_heads(ict_pack(options.ict or ""), photo_folder(options.photos))
    family = styled(family, options.style)
    people = subjects_from(options.subjects)
    sheet = make(family, people, options.take, options.size, options.plain, options.points)
    Image.fromarray(sheet).save(options.out, quality=82)
    print(f"{options.out}: {sheet.shape[1]} x {sheet.shape[0]}")


if __name__ == "__main__":
    main()
