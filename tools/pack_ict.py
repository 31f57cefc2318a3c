"""Pack the light heads of ICT-FaceKit (MIT) into one file of some 15 MB, to use instead of the 0.5 GB checkout.

    git clone https://github.com/ICT-VGL/ICT-FaceKit
    python tools/pack_ict.py ICT-FaceKit ict_facekit_light.npz
    export FER_ZOO_ICT_FACEKIT=$PWD/ict_facekit_light.npz

The file holds their data: pass it on only together with their LICENSE.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fer_zoo.synth.ict_pack import pack_checkout


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    arrays = pack_checkout(options.checkout)
    np.savez_compressed(options.out, **arrays)  # type: ignore[arg-type]
    counts = f"{len(arrays['identity'])} identity and {len(arrays['shapes'])} expression shapes"
    print(f"{options.out}: {counts}, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
