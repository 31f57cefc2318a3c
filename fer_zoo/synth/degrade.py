"""What a camera, a file format and a resize do to a picture: for stills here, and for training loaders."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]

_RESAMPLING = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def degrade(image: Picture, rng: np.random.Generator) -> Picture:
    """Return a copy of an image (H, W, 3) with other colours, blur, low resolution, noise and compression.

    Each change is drawn independently, and none moves the content: landmarks stay valid. The same generator state gives
    the same bytes.
    """
    height, width = image.shape[:2]
    photo = Image.fromarray(_recolour(image, rng))
    if rng.random() < 0.35:  # recorded with fewer pixels
        share = float(np.exp(rng.uniform(np.log(0.22), 0)))
        small = (max(16, round(width * share)), max(16, round(height * share)))
        photo = photo.resize(small, Image.Resampling.BOX if rng.random() < 0.8 else Image.Resampling.NEAREST)
    kind = rng.random()
    if kind < 0.25:
        photo = photo.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.0)) * photo.width**0.5 / 8))
    elif kind < 0.4:
        photo = Image.fromarray(_motion_blur(np.asarray(photo), rng))
    if rng.random() < 0.55:
        photo = Image.fromarray(_sensor_noise(np.asarray(photo), rng))
    if rng.random() < 0.6:
        stream = BytesIO()
        photo.save(stream, "JPEG", quality=int(rng.integers(12, 95)))
        photo = Image.open(stream).convert("RGB")
    if photo.size != (width, height):
        photo = photo.resize((width, height), _RESAMPLING[rng.choice(4, p=[0.1, 0.4, 0.4, 0.1])])
    return np.asarray(photo).copy()


def _recolour(image: Picture, rng: np.random.Generator) -> Picture:
    """Change exposure, contrast, gamma, white balance and saturation; 15 % are grey."""
    curve = np.arange(256, dtype=np.float64) / 255
    balance = np.exp(rng.normal(0, 0.08, 3)) if rng.random() < 0.85 else np.exp(rng.normal(0, 0.25, 3))
    gain, gamma = float(np.exp(rng.normal(0, 0.2))), float(np.exp(rng.normal(0, 0.2)))
    contrast, lift = float(np.exp(rng.normal(0, 0.25))), float(rng.normal(0, 0.06))
    levels = (np.clip(curve[:, None] * gain * balance, 0, 1) ** gamma - 0.45) * contrast + 0.45 + lift
    table = (np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
    out = np.stack([table[image[..., c], c] for c in range(3)], -1)
    saturation = 0.0 if rng.random() < 0.15 else float(rng.uniform(0.4, 1.4))
    grey = out @ np.array([0.299, 0.587, 0.114], np.float32)
    mixed = grey[..., None] + np.float32(saturation) * (out - grey[..., None])
    return np.asarray(np.clip(mixed + np.float32(0.5), 0, 255).astype(np.uint8))


def _motion_blur(image: Picture, rng: np.random.Generator) -> Picture:
    """Average the picture along a straight stroke that is centred on the true position."""
    length, angle = float(rng.uniform(0.015, 0.06)) * image.shape[1], float(rng.uniform(0, np.pi))
    steps = max(2, round(length))
    padding = steps + 1
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)), "edge").astype(np.float32)
    total = np.zeros(image.shape, np.float32)
    offsets = np.linspace(-length / 2, length / 2, steps + 1)
    for along in offsets:
        row, column = padding + round(along * np.sin(angle)), padding + round(along * np.cos(angle))
        total += padded[row : row + image.shape[0], column : column + image.shape[1]]
    return np.asarray((total / len(offsets) + np.float32(0.5)).astype(np.uint8))


def _sensor_noise(image: Picture, rng: np.random.Generator) -> Picture:
    """Add noise that grows with the light, partly the same in all channels, sometimes in grains of two pixels."""
    height, width = image.shape[:2]
    coarse = 2 if rng.random() < 0.25 else 1
    grid = rng.standard_normal((-(-height // coarse), -(-width // coarse), 3), np.float32)
    grain = grid.repeat(coarse, 0).repeat(coarse, 1)[:height, :width]
    shared = np.float32(rng.uniform(0, 1))
    grain = (1 - shared) * grain + shared * grain[..., :1]
    light = image.astype(np.float32)
    strength = np.float32(16 * rng.beta(1.0, 2.2)) * np.sqrt(0.3 + light / 255)
    return np.asarray(np.clip(light + strength * grain + np.float32(0.5), 0, 255).astype(np.uint8))
