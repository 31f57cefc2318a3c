"""Every component of the package and every folder of recipes has a picture in the gallery, which is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import gallery  # noqa: E402

from fer_zoo.registry import REGISTRIES, Registry  # noqa: E402
from fer_zoo.specs import AugmentSpec  # noqa: E402

SECTIONS = gallery.sections()
PICTURES = [picture for _, pictures in SECTIONS.values() for picture in pictures]
OF_KIND = {
    "backbone": "Backbones",
    "temporal": "Temporal heads",
    "fusion": "Landmark fusions",
    "landmarker": "Landmarkers",
    "dataset": "Datasets",
    "loss": "Losses, schedules, optimizers",
    "schedule": "Losses, schedules, optimizers",
    "optimizer": "Losses, schedules, optimizers",
}


def shown(section: str) -> set[str]:
    return {name for picture in SECTIONS[section][1] for name in picture.covers}


@pytest.mark.parametrize("registry", REGISTRIES.values(), ids=lambda registry: registry.kind)
def test_every_component_has_a_picture(registry: Registry) -> None:
    entries = registry.snapshot()
    ours = {key.removesuffix("/") for key, entry in entries.items() if entry.module.startswith("fer_zoo.")}
    assert ours
    assert ours - shown(OF_KIND[registry.kind]) == set(), "draw it in tools/gallery.py"


def test_every_augmentation_has_a_picture() -> None:
    assert set(AugmentSpec.model_fields) == shown("Crop and augmentation")


def test_every_folder_of_recipes_has_a_picture() -> None:
    folders = {path.name for path in (ROOT / "recipes").iterdir() if path.is_dir()}
    assert folders
    assert shown("Recipes") == folders | {"recipes"}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_picture_exists_and_is_small_and_shows_these_recipes(picture: gallery.Picture) -> None:
    path = gallery.IMAGES / f"{picture.name}.webp"
    assert path.stat().st_size < 120_000
    with Image.open(path) as image:
        assert image.width == 780
        assert image.getexif().get(gallery.DESCRIPTION, "") == picture.facts, f"python tools/gallery.py {picture.name}"


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in gallery.IMAGES.iterdir()} == {picture.name for picture in PICTURES}


def test_the_page_is_up_to_date() -> None:
    assert gallery.PAGE.read_text() == gallery.page(), "run `python tools/gallery.py page`"
