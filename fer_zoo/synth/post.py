"""From linear light to a recorded frame: background, exposure, blur, noise, low resolution, compression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fer_zoo.synth.texture import cloud, resize

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Recorder:
    """Camera and file format of a clip."""

    source: int  # side in pixels at which the scene was recorded
    oversampling: float
    exposure: float
    gamma: float
    contrast: float
    saturation: float
    balance: Floats  # (3,)
    blur: float  # pixels at source size
    noise: float  # 8-bit levels
    quality: int  # JPEG quality, 0: no compression


def draw_recorder(rng: np.random.Generator, size: int, plain: bool = False) -> Recorder:
    """Draw a recorder; with ``plain`` the frames are clean (for figures and comparisons)."""
    if plain:
        return Recorder(size, 2.0, 1.0, 2.2, 1.0, 1.0, np.ones(3), 0.0, 0.0, 0)
    low = rng.random() < 0.4
    share = float(rng.uniform(0.45, 0.95)) if low else 1.0
    grey = rng.random() < 0.08
    return Recorder(
        source=max(24, round(size * share)),
        oversampling=1.5,
        exposure=float(np.exp(rng.normal(0.0, 0.25))),
        gamma=float(rng.uniform(1.9, 2.6)),
        contrast=float(rng.uniform(0.85, 1.4)),
        saturation=0.0 if grey else float(rng.uniform(0.5, 1.12)),
        balance=np.exp(rng.normal(0, 0.05, 3)),
        blur=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.3 else 0.0,
        noise=float(6.0 * rng.beta(1.0, 2.5)) if rng.random() < 0.6 else 0.0,
        quality=int(rng.integers(30, 95)) if rng.random() < 0.7 else 0,
    )


def render_side(recorder: Recorder) -> int:
    """Return the side in pixels at which to render."""
    return round(recorder.source * recorder.oversampling)


def metered(linear: NDArray[np.float32], recorder: Recorder) -> Recorder:
    """Return the recorder with its exposure adjusted towards a well-lit face, like a camera's autoexposure."""
    n = len(linear)
    middle = linear[int(0.3 * n) : int(0.75 * n), int(0.3 * n) : int(0.7 * n)]
    level = float(np.maximum(middle, 0).mean())
    gain = min((0.30 / max(level, 1e-3)) ** 0.65, 2.4)
    return replace(recorder, exposure=recorder.exposure * gain)


def develop(linear: NDArray[np.float32], recorder: Recorder) -> Picture:
    """Convert linear light to 8 bits: white balance, exposure with a soft shoulder, gamma, contrast, saturation."""
    light = np.maximum(linear, 0) * (recorder.balance * recorder.exposure).astype(np.float32)
    # Above 0.7 the curve is compressed so that highlights do not clip.
    over = np.maximum(light - np.float32(0.7), 0)
    light = np.minimum(light, np.float32(0.7)) + over / (1 + over / np.float32(0.3))
    shown = np.power(light, np.float32(1 / recorder.gamma))
    shown = (shown - np.float32(0.45)) * np.float32(recorder.contrast) + np.float32(0.45)
    if recorder.saturation != 1.0:
        grey = shown @ np.array([0.299, 0.587, 0.114], np.float32)
        shown = grey[..., None] + np.float32(recorder.saturation) * (shown - grey[..., None])
    levels: Picture = (np.clip(shown, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return levels


def record(picture: Picture, recorder: Recorder, size: int, rng: np.random.Generator) -> Picture:
    """Downsample to the source size, blur, add noise, compress, and resize to ``size``."""
    image = Image.fromarray(picture).resize((recorder.source, recorder.source), Image.Resampling.BOX)
    if recorder.blur:
        image = image.filter(ImageFilter.GaussianBlur(recorder.blur))
    if recorder.noise:
        grain = rng.standard_normal((recorder.source, recorder.source, 3), np.float32)
        grain = (0.6 * grain + 0.6 * grain[..., :1]) * np.float32(recorder.noise)
        image = Image.fromarray(np.clip(np.asarray(image, np.float32) + grain + 0.5, 0, 255).astype(np.uint8))
    if recorder.quality:
        stream = BytesIO()
        image.save(stream, "JPEG", quality=recorder.quality)
        image = Image.open(stream).convert("RGB")
    if recorder.source != size:
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image).copy()


def draw_background(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Draw a linear-light background (side, side, 3): plain, gradient, soft blobs, or blurred blocks."""
    level = rng.beta(0.9, 1.2)
    vivid = rng.beta(1, 5)

    def colour() -> Floats:
        grey = np.clip(level + rng.normal(0, 0.22), 0.01, 0.98)
        return np.asarray(np.clip(grey * (1 - vivid) + vivid * rng.random(3) + rng.normal(0, 0.03, 3), 0, 1) ** 2.2)

    kind = rng.choice(4, p=[0.2, 0.25, 0.3, 0.25])
    small = 48
    canvas = np.ones((small, small, 3)) * colour()
    if kind == 1:
        angle, grid = rng.uniform(0, 2 * np.pi), np.linspace(-0.5, 0.5, small)
        slope = np.clip(0.5 + 0.8 * (np.cos(angle) * grid[None] + np.sin(angle) * grid[:, None]), 0, 1)[..., None]
        canvas = canvas * (1 - slope) + colour() * slope
    elif kind == 2:
        for _ in range(3):
            share = np.clip(0.5 + 0.6 * cloud(rng, rng.uniform(8, 30), 2, small, small), 0, 1)[..., None]
            canvas = canvas * (1 - share) + colour() * share
    elif kind == 3:
        for _ in range(rng.integers(2, 9)):
            x, y = rng.integers(-10, small, 2)
            wide, tall = rng.integers(3, 40, 2)
            canvas[max(0, y) : y + tall, max(0, x) : x + wide] = colour()
    large = np.stack([resize(canvas[..., c], side, side) for c in range(3)], -1)
    if rng.random() < 0.5:
        large *= np.exp(rng.uniform(0.02, 0.25) * cloud(rng, rng.uniform(3, 20), 2, side, side))[..., None]
    return np.clip(large, 0, 1).astype(np.float32)
