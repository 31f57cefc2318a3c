"""What a training ran on: versions, commit and hardware, at its start and at every resume."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fer_zoo._version import __version__

if TYPE_CHECKING:
    from accelerate import PartialState


def surroundings(state: PartialState) -> dict[str, Any]:
    """Versions, commit and hardware of this process, and how many train together."""
    import accelerate

    many = f"{state.num_processes} x " * (state.num_processes > 1)
    return {
        "fer_zoo": __version__,
        "torch": str(torch.__version__),
        "accelerate": accelerate.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "commit": checkout_commit(),
        "hardware": f"{many}{device_name(state.device)}, {torch.get_num_threads()} threads",
        "device": state.device.type,
        "processes": state.num_processes,
    }


def hardware_of(run: Mapping[str, Any]) -> str:
    """All hardware that a run.json names, in order."""
    return ", then ".join(_each(run, "hardware"))


def commits_of(run: Mapping[str, Any]) -> str:
    """All commits that a run.json names; `-dirty` at the end if one of them was."""
    commits = _each(run, "commit")
    clean = dict.fromkeys(commit.removesuffix("-dirty") for commit in commits)
    return ", then ".join(clean) + "-dirty" * any(commit.endswith("-dirty") for commit in commits)


def _each(run: Mapping[str, Any], fact: str) -> list[str]:
    """A fact at the start and at every resume, each value once, in order."""
    # Earlier versions wrote only the time of a resume.
    resumes = [known for known in run.get("resumed", []) if isinstance(known, dict)]
    return list(dict.fromkeys([run[fact], *(known.get(fact, run[fact]) for known in resumes)]))


def device_name(device: torch.device) -> str:
    """The name of a GPU, or else of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def checkout_commit() -> str:
    """Commit of the checkout that fer_zoo runs from, `-dirty` if changed since; without a checkout the version."""
    git = ["git", "-C", str(Path(__file__).parent)]
    describe = [*git, "describe", "--always", "--abbrev=40", "--match=", "--dirty"]
    try:
        # Installed in an environment inside another repository, that repository's commit would say nothing.
        subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, check=True, timeout=20)
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"release {__version__}"
