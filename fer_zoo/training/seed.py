"""Random numbers that depend on what they are for, not on what was drawn before: so a resumed run needs no state."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Generator for one purpose, e.g. `generator(seed, "augment", step)`; the same arguments give the same draws."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def seed_torch(seed: int, purpose: str, *numbers: int) -> None:
    """Seed torch's global generators (initial weights, dropout) for one purpose."""
    torch.manual_seed(int(generator(seed, purpose, *numbers).integers(2**63)))
