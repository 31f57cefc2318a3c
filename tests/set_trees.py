"""Small trees in the layouts of the sets of recipes, with videos of a red square that a landmarker takes for a face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from video_files import draw, encode

FRAMES = 12
# Of each label two training videos and one test video, as the official lists or the numbers of actors say.
PARTS = ("train", "train", "test")


def make_tree(name: str, root: Path, labels: Sequence[str]) -> None:
    """Make the tree of a set below `root`."""
    rows = {"train": list[str](), "test": list[str]()}
    for number, (label, part) in enumerate((label, part) for label in labels for part in enumerate(PARTS)):
        place, row = _clip(name, label, labels.index(label), part, number + 1)
        rows[part[1]].append(row)
        _write(root / place, 40 + number % 20)
    for part, found in rows.items():
        for path, head in _LISTS.get(name, {}).items():
            file = root / path.format(part=part)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join([*head, *found]) + "\n")


_LISTS = {
    "dfew": {"EmoLabel_DataSplit/{part}(single-labeled)/set_1.csv": ["video_name,label"]},
    "ferv39k": {"4_setups/All_scenes/{part}_All.csv": []},
    "mafw": {"split/single/no_caption/set_1/{part}.txt": []},
}
_CREMAD = {"anger": "ANG", "disgust": "DIS", "fear": "FEA", "happiness": "HAP", "neutral": "NEU", "sadness": "SAD"}
_RAVDESS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")


def _clip(name: str, label: str, code: int, part: tuple[int, str], number: int) -> tuple[str, str]:
    """Where a clip is, a file or a folder of pictures, and its row in the list of its part."""
    word = label.capitalize()
    match name:
        case "dfew":
            return f"Clip/jpg_256/{number:05}", f"{number},{code + 1}"
        case "ferv39k":
            return f"2_ClipsforFaceCrop/War/{word}/{number:04}", f"War/{word}/{number:04} {word}"
        case "mafw":
            return f"data/clips/{number:05}.mp4", f"{number:05}.mp4 {label}"
        case "afew":
            return f"{'Val' if part[1] == 'test' else 'Train'}_AFEW/{word}/{number:09}.avi", ""
        case "cremad":
            actor = 1001 if part[1] == "test" else 1019 + 18 * part[0]
            return f"VideoFlash/{actor}_DFA_{_CREMAD[label]}_XX.mp4", ""
        case "ravdess":
            actor = 1 if part[1] == "test" else 5 + 4 * part[0]
            emotion = _RAVDESS.index(label) + 1
            return f"Actor_{actor:02}/02-01-{emotion:02}-01-01-01-{actor:02}.mp4", ""
    raise AssertionError(name)


def _write(place: Path, x: int) -> None:
    images = [draw([("red", x + frame, 60, 40)]) for frame in range(FRAMES)]
    if place.suffix:
        place.parent.mkdir(parents=True, exist_ok=True)
        encode(place, images)
        return
    place.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(place / f"{number:05}.jpg", quality=95)
