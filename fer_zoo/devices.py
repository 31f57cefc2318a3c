"""The device that a user names, if it can compute here, and what it computes fast."""

from __future__ import annotations

import platform

import torch

from fer_zoo.errors import OptionError


def find_device(name: torch.device | str) -> torch.device:
    """Return a device after a first computation on it; "auto" is the first of cuda, mps and cpu that there is.

    Raises:
        OptionError: there is no such device, or this machine or this PyTorch cannot compute on it.
    """
    if name == "auto":
        kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        name = next(kind for kind, there in kinds.items() if there)
    try:
        device = torch.device(name)
        (torch.zeros(1, device=device) + 1).item()  # also fails on "meta", whose results cannot be read
    except Exception as error:  # PyTorch raises another type for almost every kind of device
        lines = str(error).splitlines()
        reason = lines[0] if lines else type(error).__name__
        kind, count = torch.accelerator.current_accelerator(), torch.accelerator.device_count()
        known = ["cpu", *(f"{kind.type}:{number}" for number in range(count) if kind is not None)]
        raise OptionError(
            f"Device {str(name)!r} cannot be used: {reason}",
            f"{', '.join(known)} or auto (the devices of this machine)",
            f"write {known[-1]}, or leave the device out",
        ) from error
    return device


def emulates_bf16(device: torch.device) -> bool:
    """Whether the device only emulates bfloat16: an x86 CPU without AVX-512 takes ten times as long as in float32."""
    x86 = device.type == "cpu" and platform.machine().lower() in ("x86_64", "amd64")
    return x86 and not torch.backends.cpu.get_cpu_capability().startswith("AVX512")
