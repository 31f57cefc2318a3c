"""The process that reads cases: limits of memory and time, one line of JSON before and after each case."""

from __future__ import annotations

import faulthandler
import json
import resource
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path
from random import Random

from .targets import PROBE, TARGETS, Target

CPU_SECONDS = 20
EXTRA_MEMORY = 2 * 2**30


def limited(target: str) -> None:
    """Import what the target needs, then allow little more memory than now."""
    import torch

    import fer_zoo.cli
    import fer_zoo.training.predictions
    import fer_zoo.video.reader
    import fer_zoo.weights  # noqa: F401

    torch.set_num_threads(1)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        most = pages * resource.getpagesize() + EXTRA_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    # Too much time of the processor: say where, then die of the signal.
    faulthandler.register(signal.SIGPROF, chain=True)


def _named(target: str) -> Target:
    return {**TARGETS, "probe": PROBE}[target]


def make_case(target: str, seed: int, number: int, seeds: Path, case: Path) -> None:
    """Copy a seed and damage it; the same for the same target, seed and number."""
    rng = Random(f"{target}:{seed}:{number}")
    shutil.rmtree(case, ignore_errors=True)
    chosen = rng.choice(sorted(seeds.iterdir()))
    shutil.copytree(chosen, case)
    _named(target).damage(rng, case)


def outcome(target: str, case: Path) -> dict[str, str]:
    """Read one case; says what went wrong, or nothing."""
    from fer_zoo.errors import FerZooError

    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _named(target).read(case)
    except FerZooError as error:
        parts = (error.given, error.accepted, error.do)
        if not all(parts):
            return {"wrong": "an error without three parts", "text": str(error)[:2000]}
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "fer_zoo" in frame.filename]
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].name}" if frames else ""
        message = f": {error}" if isinstance(error, AssertionError) else ""
        return {"wrong": f"{type(error).__name__}{place}{message}"[:200], "text": traceback.format_exc()[-4000:]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return {}


def main(arguments: list[str]) -> None:
    """TARGET SEEDS CASE SEED FIRST END, or TARGET CASE for one case that is there."""
    target, *rest = arguments
    limited(target)
    # What is read may print; the protocol has the real stdout.
    wire, sys.stdout = sys.stdout, sys.stderr
    if len(rest) == 1:
        print(json.dumps({"number": 0, **outcome(target, Path(rest[0]))}), file=wire, flush=True)
        return
    seeds, case, seed, first, end = Path(rest[0]), Path(rest[1]), *map(int, rest[2:])
    for number in range(first, end):
        make_case(target, seed, number, seeds, case)
        print(json.dumps({"begin": number}), file=wire, flush=True)
        print(json.dumps({"number": number, **outcome(target, case)}), file=wire, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
