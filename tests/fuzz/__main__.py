"""The fuzz harness by hand: longer runs, other seeds, some targets, or a saved case again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .engine import fuzz, replay
from .targets import TARGETS


def main() -> int:
    """Run; the exit status is 1 if something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--minutes", type=float, help="shared by the targets; without it the cases of the bounded run")
    parser.add_argument("--cases", type=int, help="of each target")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-out"), help="where cases that went wrong are saved")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="a saved case, read once more")
    options = parser.parse_args()
    if options.replay:
        wrong = replay(options.replay)
        print(wrong or "right")
        return bool(wrong)
    bad = False
    for target in options.targets:
        minutes = options.minutes and options.minutes / len(options.targets)
        report = fuzz(target, options.out, seed=options.seed, cases=options.cases, minutes=minutes, first=options.first)
        print(f"{target}: {report}", flush=True)
        bad = bad or bool(report.failures)
    return bad


if __name__ == "__main__":
    sys.exit(main())
