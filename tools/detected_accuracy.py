"""How much accuracy weights lose when landmarks are detected instead of exact, on held-out rendered subjects.

    python tools/detected_accuracy.py incres3d_tiny_lstm_lm_in fz68 dlib --ict ict_facekit.npz

Every clip is rendered as for training. With a landmarker, its landmarks place the crop and enter the network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fer_zoo import create_model
from fer_zoo.landmarks import Landmarker, create_landmarker
from fer_zoo.model import FERModel
from fer_zoo.synth import LABELS, SynthClip, render_clip
from fer_zoo.synth.family import makehuman, styled
from fer_zoo.synth.ict import ict_family
from fer_zoo.video.crop import crop_clip, normalise, place_crop

FIRST = 70_000  # subjects that no training uses


def detected(landmarker: Landmarker, clip: SynthClip) -> NDArray[np.float32]:
    """Landmarks (T, 68, 2) of a clip, NaN where the face is not found."""
    last, found = None, np.full_like(clip.landmarks, np.nan)
    for landmarks, frame in zip(found, clip.frames, strict=True):
        last = landmarker.follow(frame, last) if last else None
        last = last or next(iter(landmarker.detect(frame)), None)
        if last:
            landmarks[:] = last.landmarks
    return found


def predicted(model: FERModel, clip: SynthClip, landmarks: NDArray[np.float32]) -> str | None:
    """The label of a clip; None where too few frames have a face."""
    if np.isfinite(landmarks[:, 0, 0]).mean() < 0.5:
        return None
    spec = model.input_spec
    place = place_crop(landmarks, spec.crop)
    assert place is not None
    crops, points = crop_clip(list(clip.frames), landmarks, place, spec.size)
    with torch.inference_mode():
        logits = model(normalise(torch.from_numpy(crops)[None], spec), torch.from_numpy(points)[None])
    return model.labels[int(logits.argmax())]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("landmarkers", nargs="+")
    parser.add_argument("--ict", type=Path, help="packed ICT-FaceKit")
    parser.add_argument("--style", default="posed", help="of expressions: posed or natural")
    parser.add_argument("--subjects", type=int, default=40)
    options = parser.parse_args()
    model = create_model(options.weights, pretrained=True).eval()
    detectors = {name: create_landmarker(name) for name in options.landmarkers}
    families = {"synthmh": makehuman(), **({"synthict": ict_family(options.ict)} if options.ict else {})}
    for database, family in families.items():
        labels: dict[str, list[str | None]] = {name: [] for name in ("exact", *detectors)}
        wanted = []
        for subject in range(FIRST, FIRST + options.subjects):
            for label in LABELS:
                clip = render_clip(subject, label, family=styled(family, options.style))
                wanted.append(label)
                labels["exact"].append(predicted(model, clip, clip.landmarks))
                for name, landmarker in detectors.items():
                    labels[name].append(predicted(model, clip, detected(landmarker, clip)))
        print(f"{database}, {len(wanted)} clips:")
        for name, found in labels.items():
            pairs = list(zip(found, wanted, strict=True))
            right, seen = sum(a == b for a, b in pairs), sum(a is not None for a, _ in pairs)
            print(f"  {name}: {right / len(pairs):.1%}; {right / seen:.1%} of the {seen} with a face")


if __name__ == "__main__":
    main()
