"""Files of tensors: headers read and judged before data, data read straight to where they belong and hashed on the way.

safetensors' own reader maps files into memory. Here they are read: a map counts twice where the tensors are copied out
of it, and where they are not, a file that changes later changes the network.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fer_zoo.errors import WeightsError
from fer_zoo.weights.files import damaged, parse_json

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_LARGEST_HEADER = 2**25
_CHUNK = 2**24


@dataclass(frozen=True)
class Stored:
    """Type, shape and place of a tensor in its file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


@dataclass(frozen=True)
class TensorFile:
    """The header of a file: where its data begin, its texts, and its tensors in the order in which they lie there."""

    path: Path
    begin: int
    texts: Mapping[str, str]
    tensors: Mapping[str, Stored]


def read_header(path: Path) -> TensorFile:
    """Read what a file of tensors holds, and check that its data are exactly that; no data are read.

    Raises:
        WeightsError: it cannot be read, or is no such file.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            size = stream.seek(0, 2)
            if size < 8 or length > min(_LARGEST_HEADER, size - 8):
                raise ValueError("it is cut short or no safetensors file")
            stream.seek(8)
            fields = parse_json(stream.read(length).decode("utf-8"))
        texts = fields.pop("__metadata__", {})
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError("its header has other metadata than texts")
        tensors = {name: _stored(name, field) for name, field in fields.items()}
        ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)))
        _check_places(ordered, size - 8 - length)
    except (OSError, ValueError) as error:
        raise damaged(path, error) from error
    return TensorFile(path, 8 + length, texts, ordered)


def read_data(file: TensorFile, targets: Mapping[str, Tensor]) -> str:
    """Read the data of a file into tensors of the same names, types and shapes; returns the sha256 of the whole file.

    What has no tensor to be read into is only hashed.

    Raises:
        WeightsError: it cannot be read, or changed since its header was read.
    """
    digest = hashlib.sha256()
    try:
        with file.path.open("rb", buffering=0) as stream:
            digest.update(stream.read(file.begin))
            for name, stored in file.tensors.items():
                if name not in targets:
                    _pass(stream, stored.stop - stored.start, digest)
                    continue
                target = targets[name].detach()
                in_place = target.device.type == "cpu" and target.is_contiguous()
                room = target if in_place else torch.empty(stored.shape, dtype=stored.dtype, device="cpu")
                _fill(stream, room, digest)
                if not in_place:
                    target.copy_(room)
            if stream.read(1):
                raise ValueError("it grew while it was read")
    except (OSError, ValueError) as error:
        raise damaged(file.path, error) from error
    return digest.hexdigest()


def refuse_not_finite(tensors: Mapping[str, Tensor], what: str, do: str) -> None:
    """Refuse tensors with NaN or infinity, with which a network predicts nothing.

    Raises:
        WeightsError: there are some; the text names the first of them.
    """
    bad = sorted(name for name, tensor in tensors.items() if not _is_finite(tensor))
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise WeightsError(f"{what} has NaN or infinity in {', '.join(bad[:3])}{more}.", "finite numbers", do)


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.numel() or not tensor.is_floating_point():
        return True
    # Smallest and largest carry NaN on, and need no memory of the tensor's size.
    return all(math.isfinite(edge.item()) for edge in torch.aminmax(tensor.detach()))


def _pass(stream: RawIOBase, left: int, digest: Any) -> None:
    while left:
        chunk = stream.read(min(left, _CHUNK))
        if not chunk:
            raise ValueError("it ended while it was read")
        digest.update(chunk)
        left -= len(chunk)


def _fill(stream: RawIOBase, room: Tensor, digest: Any) -> None:
    if not room.numel():
        return
    view = memoryview(room.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
    done = 0
    while done < len(view):
        count = stream.readinto(view[done : done + _CHUNK])
        if not count:
            raise ValueError("it ended while it was read")
        digest.update(view[done : done + count])
        done += count


def _stored(name: str, field: Any) -> Stored:
    if not isinstance(field, dict) or field.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"its header describes {name!r} in another way")
    shape, place = field["shape"], field["data_offsets"]
    lists = isinstance(shape, list) and isinstance(place, list) and len(place) == 2
    if not lists or any(type(number) is not int or number < 0 for number in (*shape, *place)):
        raise ValueError(f"its header gives {name!r} an impossible shape or place")
    kind = DTYPES.get(str(field["dtype"]))
    if kind is None:
        raise ValueError(f"{name!r} is of the unknown type {field['dtype']!r}")
    return Stored(kind, tuple(shape), *place)


def _check_places(tensors: Mapping[str, Stored], size: int) -> None:
    """Tensors lie one after the other, without gaps, and fill the file."""
    at = 0
    for name, stored in tensors.items():
        if stored.start != at or stored.stop - stored.start != math.prod(stored.shape) * stored.dtype.itemsize:
            raise ValueError(f"{name!r} does not lie where its header says")
        at = stored.stop
    if at != size:
        raise ValueError(f"its header describes {at} bytes of data; it has {size}")


def header_text(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts as the one text that a header holds: the order of several would differ from run to run."""
    return {"fer_zoo": json.dumps(facts, sort_keys=True, ensure_ascii=False)}
