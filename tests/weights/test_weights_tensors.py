"""Files of tensors: whatever is not a whole safetensors file is one clear error."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fer_zoo.errors import WeightsError
from fer_zoo.weights.loading import read_safetensors


def file_of(header: bytes, data: bytes = b"\0" * 8) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def described(**changes: Any) -> bytes:
    return json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}).encode()


TWO = b'"dtype": "F32", "shape": [2], "data_offsets"'
BAD = {
    "empty": b"",
    "no header": b"\x10\0\0\0\0\0\0\0",
    "a header of exabytes": struct.pack("<Q", 2**62) + b"{}",
    "a pickle": b"\x80\x04\x95" + b"a" * 40,
    "header is a list": file_of(b"[]"),
    "header is not text": file_of(b"\xff\xff"),
    "header is cut": file_of(described()[:-3]),
    "data cut short": file_of(described(), b"\0" * 7),
    "data too long": file_of(described(), b"\0" * 9),
    "overlap": file_of(b'{"a": {%s: [0, 8]}, "b": {%s: [4, 12]}}' % (TWO, TWO), b"\0" * 12),
    "same place": file_of(b'{"a": {%s: [0, 8]}, "b": {%s: [0, 8]}}' % (TWO, TWO)),
    "gap": file_of(described(data_offsets=[4, 12])),
    "other size": file_of(described(shape=[3])),
    "huge shape": file_of(described(shape=[2**62, 2**62])),
    "negative shape": file_of(described(shape=[-2])),
    "shape of texts": file_of(described(shape=["2"])),
    "no shape": file_of(described(shape=None)),
    "place of three": file_of(described(data_offsets=[0, 8, 8])),
    "no place": file_of(described(data_offsets=None)),
    "unknown type": file_of(described(dtype="OBJECT")),
    "type of a list": file_of(described(dtype=["F32"])),
    "metadata of numbers": file_of(b'{"__metadata__": {"a": 1}}', b""),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_not_such_a_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged"):
        read_safetensors(path)


def test_texts_and_tensors_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    written = {"a": torch.randn(2, 3), "b": torch.arange(4), "c": torch.zeros(0, 2, dtype=torch.bfloat16)}
    save_file(written, path, {"fer_zoo": "{}"})
    texts, tensors = read_safetensors(path)
    assert texts == {"fer_zoo": "{}"}
    assert tensors.keys() == written.keys()
    assert all(torch.equal(tensors[name], written[name]) for name in written)
