"""Put the weights of a finished run into the package: `python tools/bundle_weights.py runs/incres3d_tiny_lstm_lm`.

The run must have been trained with the tag it is to ship under (`fer-zoo train release/NAME --tag synth7`). The folder
is written anew in the newest format if it is of an older one, checked as before a push, and must stay under 6 MB, so
that the wheel stays small. `python tools/bundle_weights.py --renew` writes what is in the package anew instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from fer_zoo import weights
from fer_zoo.weights.lookup import ZOO

LARGEST = 6_000_000


def bundle(folder: Path, zoo: Path = ZOO) -> Path:
    """Check a weights folder and put it into the zoo, in the newest format; returns where it is now."""
    card = weights.read_folder(folder).card
    if card.name.endswith(".local"):
        raise SystemExit(f"{folder} is tagged local; train it with --tag")
    if card.commit.endswith("-dirty"):
        raise SystemExit(f"{folder} was trained from a changed tree ({card.commit}); commit first")
    with tempfile.TemporaryDirectory(dir=zoo) as temporary:
        new = _newest(folder, Path(temporary, card.name))
        found = weights.check_folder(new)
        size = sum((new / name).stat().st_size for name in found.tensor_files)
        if size >= LARGEST:
            raise SystemExit(f"{folder}: the tensors have {size} bytes; under {LARGEST} are accepted")
        target = zoo / card.name
        shutil.rmtree(target, ignore_errors=True)
        os.replace(new, target)
    print(f"{target}: {size} bytes of tensors")
    return target


def _newest(folder: Path, out: Path) -> Path:
    found = weights.read_folder(folder)
    if found.format != weights.FORMAT:
        return weights.rewrite(folder, out)
    out.mkdir()
    for name in weights.known_files(found):
        shutil.copyfile(folder / name, out / name)
    return out


def main() -> None:
    """Check and copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("run", type=Path, nargs="?")
    chosen.add_argument("--renew", action="store_true")
    arguments = parser.parse_args()
    for folder in weights.bundled().values() if arguments.renew else [arguments.run / "weights"]:
        bundle(folder)


if __name__ == "__main__":
    main()
