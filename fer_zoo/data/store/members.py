"""Arrays of a clip as files: `.npy` with a header of fixed length, or JPEG."""

from __future__ import annotations

import functools
import math
import struct
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

FRAMES, POINTS, SCORES, FACTS = "frames.npy", "points.npy", "scores.npy", "json"
LANDMARKS = 68
# 4:4:4 at 95: the loss is below a camera's own noise. Part of the format, so that two stores compare.
JPEG_QUALITY = 95

# numpy's padding of headers differs between versions. A fixed length keeps the bytes the same, and lets a reader check
# a header by comparing it.
_HEADER = 128
_UINT8, _FLOAT32 = np.dtype("|u1"), np.dtype("<f4")


class ArrayForm(NamedTuple):
    """Type, shape, `.npy` header and length in bytes of a member that is an array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    header: bytes
    size: int

    def to_npy(self, array: npt.NDArray[Any]) -> bytes:
        """Return the `.npy` file of an array of this shape."""
        return self.header + np.ascontiguousarray(array, self.dtype).tobytes()

    def view(self, block: memoryview, offset: int) -> npt.NDArray[Any]:
        """Return the array whose file begins at byte `offset` of `block`, not copied; ValueError if there is none."""
        if block[offset : offset + _HEADER].tobytes() != self.header:
            raise ValueError(f"expected an array {self.dtype.name} {self.shape}")
        return np.ndarray(self.shape, self.dtype, block, offset + _HEADER)


@functools.lru_cache(maxsize=16)
def array_forms(frames: int, size: int) -> dict[str, ArrayForm]:
    """Return the arrays of a clip of `frames` frames of `size` x `size` pixels, by suffix."""
    return {
        FRAMES: _form(_UINT8, (frames, size, size, 3)),
        POINTS: _form(_FLOAT32, (frames, LANDMARKS, 2)),
        SCORES: _form(_FLOAT32, (frames,)),
    }


def _form(dtype: np.dtype[Any], shape: tuple[int, ...]) -> ArrayForm:
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    length = _HEADER - 10
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", length) + text.ljust(length - 1).encode() + b"\n"
    return ArrayForm(dtype, shape, header, len(header) + dtype.itemsize * math.prod(shape))


def jpeg_suffixes(frames: int) -> list[str]:
    """Return the suffixes of a clip's pictures, in order."""
    return [f"{place:03d}.jpg" for place in range(frames)]


def member_sizes(encoding: str, frames: int, size: int) -> dict[str, int | None]:
    """Return the bytes of a clip's members by suffix, None where they vary."""
    sizes: dict[str, int | None] = {suffix: form.size for suffix, form in array_forms(frames, size).items()}
    if encoding == "jpeg":
        del sizes[FRAMES]
        sizes |= dict.fromkeys(jpeg_suffixes(frames))
    return {**sizes, FACTS: None}


def to_jpeg(picture: Bytes) -> bytes:
    """Return a picture (S, S, 3) as a JPEG file."""
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def from_jpeg(member: memoryview, out: Bytes) -> None:
    """Decode a JPEG file into `out` (S, S, 3); raises ValueError if it is not such a picture."""
    from PIL import Image

    try:
        with Image.open(BytesIO(member.tobytes()), formats=("JPEG",)) as image:
            if image.size != out.shape[1::-1] or image.mode != "RGB":
                raise ValueError(f"a picture {image.mode} {image.size}")
            out[:] = np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"no JPEG picture: {error}") from error
