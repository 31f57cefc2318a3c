"""What a lens, a small sensor and a codec do to pictures (..., 3, H, W) of values 0..255. Pure functions."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


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
