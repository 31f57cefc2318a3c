"""Put the weights of a finished run into the package: `python tools/bundle_weights.py runs/incres3d_tiny_lstm_lm`.

The run must have been trained with the tag it is to ship under (`fer-zoo train release/NAME --tag synth7`). The folder
is checked by loading it and must stay under 6 MB, so that the wheel stays small.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from fer_zoo import weights

ZOO = Path(weights.__file__).parent / "zoo"
LARGEST = 6_000_000


def main() -> None:
    """Check and copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    folder = parser.parse_args().run / "weights"
    model = weights.load_weights(folder)
    size = (folder / "model.safetensors").stat().st_size
    if model.card is None or model.card.name.endswith(".local"):
        raise SystemExit(f"{folder} is tagged local; train it with --tag")
    if model.card.commit.endswith("-dirty"):
        raise SystemExit(f"{folder} was trained from a changed tree ({model.card.commit}); commit first")
    if size >= LARGEST:
        raise SystemExit(f"{folder}: model.safetensors has {size} bytes; under {LARGEST} are accepted")
    target = ZOO / model.card.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    print(f"{target}: {size} bytes")


if __name__ == "__main__":
    main()
