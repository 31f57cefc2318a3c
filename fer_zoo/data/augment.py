"""Random changes of training clips: one affine crop per clip, then light, lens, sensor and codec, all in batches.

Each clip's changes are drawn from the given generator alone, so a step's batch can be made again exactly. An option
that came later than the shipped recipes draws only where it is on, so that these train as they did.

Not torchvision's v2 transforms: they draw from torch's global generator, resample once for each transform, and mirror
keypoints without exchanging left and right. Here one matrix and one resampling crop, turn, scale, shift and mirror.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fer_zoo.data.clips import ClipSet, Frames, Points
from fer_zoo.data.warp import Warp, draw_warp
from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import MIRROR_68
from fer_zoo.specs import AugmentSpec, InputSpec
from fer_zoo.video.crop import faces_in, place_crop

Floats = npt.NDArray[np.float64]

_LUMA = (0.299, 0.587, 0.114)


def augment_batch(
    frames: Frames | Tensor,
    landmarks: Points,
    spec: InputSpec,
    augment: AugmentSpec,
    rng: np.random.Generator | Sequence[np.random.Generator],
) -> tuple[Tensor, Tensor]:
    """Crop, change and normalise clips for one training step, on the device of the frames.

    Args:
        frames: (B, T, S, S, 3) uint8 RGB.
        landmarks: (B, T, 68, 2) in frame pixels, NaN where there is no face.
        rng: one that all clips draw from in turn, or one for each clip: it is then changed the same beside any others.

    Returns:
        Clip (B, 3, T, size, size) float32, normalised, and landmarks (B, T, 68, 2) float32 in its pixels.

    Raises:
        InputError: a clip without a face in any frame.
    """
    images = frames if isinstance(frames, Tensor) else torch.from_numpy(frames)
    rngs = [rng] * len(images) if isinstance(rng, np.random.Generator) else rng
    measured = _detected(landmarks, augment, rngs)
    matrices = np.stack([_draw_crop(points, spec, augment, own) for points, own in zip(measured, rngs, strict=True)])
    flips = np.linalg.det(matrices[:, 0, :, :2]) < 0
    seen = _seen_from(measured, matrices)
    warp = draw_warp(seen, augment.warp, rngs) if augment.warp else None
    if warp is not None:
        seen = warp.landed(seen.reshape(len(seen), -1, 2)).reshape(seen.shape)
    moved = np.asarray((seen + 0.5) * spec.size - 0.5, np.float32)
    moved[flips] = moved[flips][:, :, MIRROR_68]
    pixels = _sample(images, matrices, spec.size, warp)
    for clip, own in zip(pixels, rngs, strict=True):
        _change_pixels(clip, augment, own)
    mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) * 255 for values in (spec.mean, spec.std))
    # Values outside 0..255 cannot come from a camera; the network must not learn from them.
    clips = pixels.clamp_(0, 255).sub_(mean).div_(std)
    return clips.transpose(1, 2), torch.from_numpy(moved).to(pixels.device)


def with_detector_noise(clips: ClipSet, seed: int) -> ClipSet:
    """Return the clips with landmarks as inexact as a detector's, always the same for a seed; frames are shared."""
    from fer_zoo.synth.detector_noise import perturb_landmarks

    rng = np.random.default_rng(seed)
    noisy = np.stack([perturb_landmarks(points, rng) for points in clips.landmarks])
    return replace(clips, landmarks=noisy)


def _detected(landmarks: Points, augment: AugmentSpec, rngs: Sequence[np.random.Generator]) -> Points:
    """Landmarks as a detector would give them: inexact, and missing in some frames, never in all that have a face."""
    measured = landmarks
    if augment.detector_noise:
        from fer_zoo.synth.detector_noise import perturb_landmarks

        noisy = [perturb_landmarks(points, rng) for points, rng in zip(landmarks, rngs, strict=True)]
        measured = np.stack(noisy).astype(np.float32)
    lost = np.stack([rng.random(landmarks.shape[1]) for rng in rngs]) < augment.lose_landmarks
    lost[(lost | ~faces_in(landmarks)).all(axis=1)] = False
    return np.where(lost[:, :, None, None], np.float32(np.nan), measured)


def _draw_crop(points: Points, spec: InputSpec, augment: AugmentSpec, rng: np.random.Generator) -> Floats:
    """Matrices from crop coordinates, (-0.5, -0.5) to (0.5, 0.5), to frame pixels: the clip's crop, moved about.

    (1, 2, 3) where all frames are cropped alike, else (T, 2, 3); how the crop is moved about is the same for all.
    """
    place = place_crop(points, spec.crop)
    if place is None:
        raise InputError(
            "A training clip has no face in any frame.", "clips with landmarks", "leave such clips out of the dataset"
        )
    flip = rng.random() < augment.flip
    angle = np.deg2rad(augment.rotate_deg) * rng.uniform(-1, 1)
    scale = np.exp(np.log1p(augment.scale) * rng.uniform(-1, 1))
    shift = augment.shift * rng.uniform(-1, 1, 2)
    sides = place.sides[:, None, None]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = place.turns @ (sides * scale * rotation @ np.diag([-1.0 if flip else 1.0, 1.0]))
    moved = place.centres[:, :, None] + sides * (place.turns @ shift)[:, :, None]
    return np.concatenate([linear, moved], axis=2)


def _seen_from(landmarks: Points, matrices: Floats) -> Floats:
    """Points (B, T, 68, 2) of the frames, in coordinates of crops by `matrices` (B, 1 or T, 2, 3)."""
    inverse = np.broadcast_to(np.linalg.inv(matrices[..., :2]), (*landmarks.shape[:2], 2, 2))
    centred = landmarks - matrices[:, :, None, :, 2]
    return np.asarray(np.einsum("btij,btpj->btpi", inverse, centred))


def _sample(frames: Tensor, matrices: Floats, size: int, warp: Warp | None) -> Tensor:
    """Resample frames (B, T, S, S, 3) by `matrices` (B, 1 or T, 2, 3) to float (B, T, 3, size, size), in 0..255."""
    # Sampling thinner than the source's pixels would alias: sample `fine` times as many and average.
    shrink = np.sqrt(abs(np.linalg.det(matrices[..., :2]))).max(axis=1) / size
    fine = np.maximum(1, np.rint(shrink)).astype(int)
    sampled = torch.empty(*frames.shape[:2], 3, size, size, device=frames.device)
    for times in np.unique(fine):
        clips = np.flatnonzero(fine == times)
        own = None if warp is None else Warp(warp.centres[clips], warp.moves[clips])
        sampled[clips] = _sample_finely(frames[clips], torch.from_numpy(matrices[clips]), size, int(times), own)
    return sampled


def _sample_finely(frames: Tensor, matrices: Tensor, size: int, fine: int, warp: Warp | None) -> Tensor:
    """As `_sample`, each pixel the mean of `fine` x `fine` samples."""
    count, length, side = frames.shape[:3]
    # One grid serves all frames that are cropped alike, so these and their colours are channels.
    alike = length // matrices.shape[1]
    image = frames.permute(0, 1, 4, 2, 3).reshape(-1, alike * 3, side, side).to(torch.float32)
    exact = torch.float32 if frames.device.type == "mps" else torch.float64  # which that has not
    axis = (torch.arange(size * fine, dtype=exact) + 0.5) / (size * fine) - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    unit = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    placed = matrices.flatten(0, 1).to(frames.device, exact)
    if warp is None:
        grid = torch.einsum("hwj,bij->bhwi", unit.to(frames.device), placed)
    else:
        bent = torch.from_numpy(warp.grid(axis.double().numpy())).to(frames.device, exact)
        bent = bent.repeat_interleave(len(placed) // count, dim=0)
        grid = torch.einsum("bhwj,bij->bhwi", bent, placed[:, :, :2]) + placed[:, None, None, :, 2]
    # grid_sample counts from the frame's edges, -1 to 1; pixel centres are at integers here.
    grid = ((grid + 0.5) * (2 / side) - 1).to(torch.float32)
    sampled = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if fine > 1:
        sampled = F.avg_pool2d(sampled, fine)
    return sampled.view(count, length, 3, size, size)


def _change_pixels(clip: Tensor, augment: AugmentSpec, rng: np.random.Generator) -> None:
    """Change one clip (T, 3, size, size), values 0..255, in place: scene, light, lens, sensor, codec, in that order."""
    size = clip.shape[-1]
    if rng.random() < augment.erase:
        _erase(clip, rng)
    _change_light(clip, augment, rng)
    if rng.random() < augment.blur:
        clip.copy_(gaussian_blur(clip, size * rng.uniform(1 / 300, 1 / 90)))
    if rng.random() < augment.lowres:
        clip.copy_(low_resolution(clip, rng.uniform(0.4, 0.8)))
    if rng.random() < augment.noise_share:
        generator = torch.Generator(clip.device).manual_seed(int(rng.integers(2**63)))
        noise = torch.randn(clip.shape, generator=generator, device=clip.device)
        clip.add_(noise, alpha=255 * augment.noise * rng.random())
    if rng.random() < augment.compress:
        clip.copy_(compress(clip, rng.uniform(10, 40)))
    if augment.jpeg and rng.random() < augment.jpeg:
        clip.copy_(jpeg(clip, int(rng.integers(20, 91))))
    if rng.random() < augment.grey:
        clip.copy_((clip * torch.tensor(_LUMA, device=clip.device).view(3, 1, 1)).sum(1, keepdim=True).expand_as(clip))


def _change_light(clip: Tensor, augment: AugmentSpec, rng: np.random.Generator) -> None:
    """Gamma, contrast about the clip's mean, and light: its strength and colour, which multiply, in place."""
    gamma = float(np.exp(np.log1p(augment.gamma) * rng.uniform(-1, 1)))
    contrast = 1 + augment.contrast * rng.uniform(-1, 1)
    light = (1 + augment.brightness * rng.uniform(-1, 1)) * (1 + augment.colour * rng.uniform(-1, 1, 3))
    if augment.gamma:
        clip.clamp_(0, 255).div_(255).pow_(gamma).mul_(255)
    gain = torch.tensor(contrast * light, dtype=torch.float32, device=clip.device).view(3, 1, 1)
    away = torch.tensor((1 - contrast) * light, dtype=torch.float32, device=clip.device).view(3, 1, 1)
    offset = clip.mean() * away
    clip.mul_(gain).add_(offset)


def _erase(clip: Tensor, rng: np.random.Generator) -> None:
    """Cover one or two rectangles, the same in all frames, with one colour each, as a hand or a caption would."""
    size = clip.shape[-1]
    for _ in range(int(rng.integers(1, 3))):
        height, width = rng.uniform(0.1, 0.35, 2) * size
        top, left = rng.uniform(0, size - height), rng.uniform(0, size - width)
        colour = torch.tensor(rng.uniform(0, 255, 3), dtype=torch.float32, device=clip.device).view(3, 1, 1)
        clip[:, :, int(top) : int(top + height), int(left) : int(left + width)] = colour


def gaussian_blur(clip: Tensor, sigma: float) -> Tensor:
    """Blur frames (T, 3, H, W) by a Gaussian of `sigma` pixels; edges repeat."""
    reach = max(1, math.ceil(2.5 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=clip.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    # A band matrix times the picture: on a CPU several times faster than a depthwise convolution.
    rows, columns = (_band(length, kernel, reach) for length in clip.shape[-2:])
    return rows @ clip @ columns.T


def _band(length: int, kernel: Tensor, reach: int) -> Tensor:
    matrix = torch.zeros(length, length, device=kernel.device)
    rows = torch.arange(length, device=kernel.device)
    for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        matrix.index_put_((rows, (rows + offset).clamp(0, length - 1)), weight, accumulate=True)
    return matrix


def low_resolution(clip: Tensor, factor: float) -> Tensor:
    """Shrink frames (T, 3, H, W) to `factor` of their sides and enlarge them again."""
    small = [max(1, round(side * factor)) for side in clip.shape[-2:]]
    shrunk = F.interpolate(clip, size=small, mode="area")
    return F.interpolate(shrunk, size=clip.shape[-2:], mode="bilinear", align_corners=False)


def compress(clip: Tensor, step: float) -> Tensor:
    """Quantise frames (T, 3, H, W) in 8 x 8 cosine blocks, `step` grey levels coarse at the highest frequency.

    Not a codec, but its most visible traces: blocks, ringing, lost detail.
    """
    height, width = clip.shape[-2:]
    padded = F.pad(clip, (0, -width % 8, 0, -height % 8), mode="replicate")
    index = torch.arange(8, dtype=torch.float32, device=clip.device)
    basis = torch.cos(math.pi / 8 * (index + 0.5) * index[:, None]) / 2
    basis[0] /= math.sqrt(2)
    # Coarser towards high frequencies, as the usual tables are.
    quantum = step * (1 + index[:, None] + index) / 8
    rows, columns = padded.shape[-2] // 8, padded.shape[-1] // 8
    blocks = padded.reshape(*clip.shape[:-2], rows, 8, columns, 8).transpose(-3, -2)
    coefficients = torch.round(basis @ blocks @ basis.T / quantum) * quantum
    restored = (basis.T @ coefficients @ basis).transpose(-3, -2)
    return restored.flatten(-4, -3).flatten(-2)[..., :height, :width]


def jpeg(clip: Tensor, quality: int) -> Tensor:
    """Write frames (T, 3, H, W) as JPEG pictures of `quality` 1 to 95, colours at half the sides, and read them again.

    Values outside 0..255 are cut off and fractions rounded, as they are in a file.
    """
    pictures = clip.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    restored = np.empty_like(pictures)
    for number, picture in enumerate(pictures):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        restored[number] = np.asarray(Image.open(file))
    return torch.from_numpy(restored).permute(0, 3, 1, 2).to(clip)
