"""Draw the pictures of components, recipes and diagrams in the docs, and write docs/gallery.md.

    python tools/gallery.py                    # all pictures (about 15 minutes), and the page
    python tools/gallery.py lm_gate finetune   # these pictures, and the page
    python tools/gallery.py page               # only the page

Faces are rendered; synthict and synthphoto need FER_ZOO_ICT_FACEKIT and FER_ZOO_PHOTOGRAPHS.
"""

from __future__ import annotations

import argparse
import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gallery_clips as clips
import gallery_diagrams as diagrams
import gallery_networks as networks
import gallery_recipes as recipes
from matplotlib.figure import Figure
from PIL import Image

from fer_zoo.registry import BACKBONES, FUSIONS, LANDMARKERS, TEMPORALS, Registry

DOCS = Path(__file__).parent.parent / "docs"
PAGE, IMAGES = DOCS / "gallery.md", DOCS / "img" / "gallery"
# ImageDescription: a picture of recipes holds the facts that it was drawn from, so that a test sees when they change.
DESCRIPTION = 0x010E


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery: file name, registered names that it covers, caption, page to read, and drawing."""

    name: str
    covers: tuple[str, ...]
    caption: str
    link: str
    draw: Callable[[], Figure]
    facts: str = ""


def components(registry: Registry, page: str, draw: Callable[[str], Figure]) -> list[Picture]:
    """One picture for each component of the package, with that of its `_tiny` variant, and for each family."""
    entries = registry.snapshot()
    pictures = []
    for key, entry in sorted(entries.items()):
        if not entry.module.startswith("fer_zoo.") or key.removesuffix("_tiny") in entries.keys() - {key}:
            continue
        name = key.removesuffix("/")
        covers = tuple(other for other in (name, f"{name}_tiny") if other in entries or f"{other}/" in entries)
        link = "transformers.md" if name == "transformers" else page
        drawing = functools.partial(draw, name)
        pictures.append(Picture(f"{registry.kind}-{name}", covers, entry.summary, link, drawing))
    return pictures


def sections() -> dict[str, tuple[str, list[Picture]]]:
    """Every section of the page: its introduction and its pictures. The names in `covers` are checked by a test."""
    return {
        "Backbones": (
            "Five frames of a clip; below them the pixels on which one feature of the middle step depends; then"
            " features of some stages, with their size in time, height and width. The weights are random: this is what"
            " the architecture alone does.",
            components(BACKBONES, "backbones.md", networks.backbone),
        ),
        "Temporal heads": (
            "Left: four real steps and two padded ones. Right: a clip of surprise; the output of a head with random"
            " weights after each step (red: positive, blue: negative); how much each step changes the last output.",
            components(TEMPORALS, "temporal.md", networks.temporal),
        ),
        "Landmark fusions": (
            "Where the 68 landmarks enter, and what becomes of the features there.",
            components(FUSIONS, "fusions.md", clips.fusion),
        ),
        "Landmarkers": (
            "Three frames of a rendered video. White: exact landmarks; green: found ones.",
            components(LANDMARKERS, "landmarkers.md", clips.landmarker),
        ),
        "Crop and augmentation": (
            "One clip in which the head turns. Landmarks of the right half of the face are orange, of the left blue.",
            [
                Picture(
                    "crop",
                    (),
                    "Stored frames, and the two crops of `model.input.crop.align`.",
                    "transforms.md",
                    clips.crops,
                ),
                *(
                    Picture(f"augment-{group}", names, text, "transforms.md", functools.partial(clips.changes, group))
                    for group, names, text in CHANGES
                ),
                Picture(
                    "augment-time",
                    ("stride", "frame_jitter", "reverse", "still"),
                    "Which of twenty stored frames are played.",
                    "transforms.md",
                    clips.playback,
                ),
            ],
        ),
        "Datasets": (
            "Rendered faces may be shown; real databases may not, so that there is only a table of their labels.",
            [
                *(
                    Picture(
                        f"dataset-{name}", (name,), text, "synthetic-faces.md", functools.partial(clips.faces, name)
                    )
                    for name, text in FACES
                ),
                Picture("dataset-labels", DATASET_NAMES, "Labels of each dataset.", "prepare.md", networks.labels),
            ],
        ),
        "Losses, schedules, optimizers": (
            "Computed with the components and their default options.",
            [
                Picture(
                    "losses",
                    LOSS_NAMES,
                    "Loss of a clip of a frequent and of a rare class.",
                    "training.md",
                    networks.losses,
                ),
                Picture(
                    "schedules", SCHEDULE_NAMES, "Learning rate over 1,000 steps.", "training.md", networks.schedules
                ),
                Picture(
                    "optimizers",
                    OPTIMIZER_NAMES,
                    "Sixty steps in a long valley; the star is its lowest point.",
                    "training.md",
                    networks.optimizers,
                ),
            ],
        ),
        "Recipes": (
            "Drawn from the recipes of each folder; `recipes` are those in no folder.",
            [
                Picture(
                    f"recipes-{family}",
                    (family,),
                    f"`fer-zoo recipes show {names[0]}`"
                    if len(names) == 1
                    else f"{len(names)} recipes, e.g. `{names[0]}`.",
                    {"finetune": "own-videos.md", "transformers": "transformers.md", "gpu": "gpu.md"}.get(
                        family, "sets.md" if family in SETS else "recipes.md"
                    ),
                    functools.partial(recipes.family, family),
                    str(recipes.facts(family)),
                )
                for family, names in recipes.families().items()
            ],
        ),
    }


CHANGES = [
    ("place", ("flip", "rotate_deg", "scale", "shift", "warp"), "Changes of place and shape; landmarks move along."),
    ("colour", ("brightness", "contrast", "colour", "gamma", "grey"), "Changes of light and colour."),
    ("quality", ("noise", "noise_share", "blur", "lowres", "compress", "jpeg", "erase"), "Changes of picture quality."),
    ("landmarks", ("detector_noise", "lose_landmarks"), "Errors of a detector; frames that lose all landmarks."),
]  # fmt: skip
FACES = [
    ("synthmh", "Three subjects of `synthmh`, in the package: heads of MakeHuman."),
    ("synthict", "Three subjects of `synthict`: heads of ICT-FaceKit, which is a download."),
    ("synthphoto", "Three subjects of `synthphoto`: the same heads with photographed skin."),
]
DATASET_NAMES = (
    "afew", "ckplus", "cremad", "csv", "dfew", "disfa", "fera", "ferv39k", "folder", "mafw", "mmi", "oulu_casia",
    "ravdess", "synthict", "synthmh", "synthphoto",
)  # fmt: skip
LOSS_NAMES = ("class_balanced", "cross_entropy", "focal", "logit_adjusted")
SCHEDULE_NAMES = ("constant", "cosine", "onecycle", "step")
OPTIMIZER_NAMES = ("adam", "adamw", "sgd")
SETS = ("afew", "cremad", "dfew", "ferv39k", "mafw", "ravdess")
# Pictures of other pages.
OTHERS: dict[str, Callable[[], Figure]] = {
    "concepts": diagrams.concepts,
    "backbone-stages": diagrams.stages,
    "kernels": diagrams.kernels,
    "points": clips.numbered,
    "landmark-map": clips.maps,
}


def page() -> str:
    """Return docs/gallery.md."""
    lines = ["# Gallery", "", "<!-- Written by `python tools/gallery.py page`. -->", ""]
    lines += ["One picture for each component and each folder of recipes. A click leads to its page.", ""]
    for title, (text, pictures) in sections().items():
        lines += [f"## {title}", "", text, "", '<div class="gallery" markdown>', ""]
        for picture in pictures:
            name = picture.name.partition("-")[2] or picture.name
            image = f"![{name}](img/gallery/{picture.name}.webp)"
            lines += [f"[{image}]({picture.link}) **{name}** {picture.caption}", ""]
        lines += ["</div>", ""]
    return "\n".join(lines).rstrip() + "\n"


def save(figure: Figure, path: Path, dpi: int = 156, facts: str = "") -> None:
    """Write a figure as the format of the file's name, with the facts it was drawn from."""
    stream = io.BytesIO()
    figure.savefig(stream, dpi=dpi, facecolor="white")
    image = Image.open(stream).convert("RGB")
    exif = Image.Exif()
    exif[DESCRIPTION] = facts
    image.save(path, quality=80, method=6, exif=exif)


def main() -> None:
    """Draw all pictures, or those that are named, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of file names, e.g. fusion- or dfew; `page` for the page alone")
    names: list[str] = parser.parse_args().names
    IMAGES.mkdir(parents=True, exist_ok=True)
    for _, pictures in sections().values():
        for picture in pictures:
            if not names or any(name in picture.name for name in names):
                save(picture.draw(), IMAGES / f"{picture.name}.webp", facts=picture.facts)
    for name, draw in OTHERS.items():
        if not names or name in names:
            draw().savefig(DOCS / "img" / f"{name}.png", dpi=90)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
