"""Put the weights of a finished run into the package: `python tools/bundle_weights.py runs/incres3d_tiny_lstm_lm`.

The run must have been trained with the tag it is to ship under (`fer-zoo train release/NAME --tag synth7`). The folder
is checked as before a push, and must stay under 8 MB, so that the wheel stays small.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from fer_zoo import weights
from fer_zoo.weights_table import ZOO

LARGEST = 8_000_000


def bundle(folder: Path, zoo: Path = ZOO) -> Path:
    """Check a weights folder and put it into the zoo; returns where it is now."""
    card = weights.read_folder(folder).card
    if card.name.endswith(".local"):
        raise SystemExit(f"{folder} is tagged local; train it with --tag")
    if card.commit.endswith("-dirty"):
        raise SystemExit(f"{folder} was trained from a changed tree ({card.commit}); commit first")
    with tempfile.TemporaryDirectory(dir=zoo) as temporary:
        new = Path(temporary, card.name)
        new.mkdir()
        for name in weights.known_files(weights.read_folder(folder)):
            shutil.copyfile(folder / name, new / name)
        found = weights.check_folder(new)
        size = sum((new / name).stat().st_size for name in found.tensor_files)
        if size >= LARGEST:
            raise SystemExit(f"{folder}: the tensors have {size} bytes; under {LARGEST} are accepted")
        target = zoo / card.name
        shutil.rmtree(target, ignore_errors=True)
        os.replace(new, target)
    print(f"{target}: {size} bytes of tensors")
    return target


def main() -> None:
    """Check and copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    bundle(parser.parse_args().run / "weights")


if __name__ == "__main__":
    main()
