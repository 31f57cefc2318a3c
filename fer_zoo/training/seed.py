"""Random numbers that depend on their purpose, not on what was drawn before, so that a resumed run needs no state."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from fer_zoo.errors import TrainingError


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Generator for one purpose, e.g. `generator(seed, "augment", step)`; the same arguments give the same draws."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def seed_torch(seed: int, purpose: str, *numbers: int) -> None:
    """Seed torch's global generators (initial weights, dropout) for one purpose."""
    torch.manual_seed(int(generator(seed, purpose, *numbers).integers(2**63)))


@contextmanager
def kernels(*, deterministic: bool) -> Iterator[None]:
    """Let torch choose kernels that give the same bits every time, or else the fastest for shapes that stay alike.

    Raises:
        TrainingError: a part of the network has no deterministic kernel.
    """
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.deterministic
    deterministic = deterministic or before[0]
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses
        torch.use_deterministic_algorithms(True)
    cudnn.benchmark, cudnn.deterministic = not deterministic, deterministic
    try:
        yield
    except RuntimeError as error:
        if deterministic and "deterministic" in str(error) and not isinstance(error, TrainingError):
            raise TrainingError(
                f"train.deterministic: {str(error).splitlines()[0]}",
                "a network whose every part has a deterministic kernel on this device",
                "set train.deterministic=false, train on a CPU, or replace that part",
            ) from error
        raise
    finally:
        torch.use_deterministic_algorithms(before[0])
        cudnn.benchmark, cudnn.deterministic = before[1:]
