"""Files of tensors: read as safetensors itself reads them; a header that says something else is refused before data."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from fer_zoo.errors import WeightsError
from fer_zoo.weights.files import sha256
from fer_zoo.weights.tensors import DTYPES, read_data, read_header

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
KINDS = st.tuples(st.sampled_from(list(DTYPES.values())), SHAPES)


# Any but those with control characters, which no module has and the reader refuses.
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter("__metadata__".__ne__)


def filled(dtype: torch.dtype, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    numbers = torch.randint(0, 100, shape, generator=torch.Generator().manual_seed(seed))
    return numbers.to(dtype)


@settings(max_examples=60, deadline=None)
@given(kinds=st.dictionaries(NAMES, KINDS, max_size=6))
def test_reads_what_safetensors_writes(kinds: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "any.safetensors"
    written = {name: filled(*kind, seed) for seed, (name, kind) in enumerate(kinds.items())}
    save_file(written, path, {"fer_zoo": "{}"})
    header = read_header(path)
    assert {name: (stored.dtype, stored.shape) for name, stored in header.tensors.items()} == kinds
    assert header.texts == {"fer_zoo": "{}"}
    targets = {name: torch.full(shape, 1, dtype=dtype) for name, (dtype, shape) in kinds.items()}
    assert read_data(header, targets) == sha256(path)
    wanted = load_file(path)
    assert all(torch.equal(targets[name], wanted[name]) for name in kinds)


def test_reads_into_tensors_of_any_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    wanted = torch.randn(2, 3, 4, 5)
    save_file({"a": wanted}, path)
    target = torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    read_data(read_header(path), {"a": target})
    assert torch.equal(target, wanted)
    assert target.is_contiguous(memory_format=torch.channels_last)


def file_of(header: bytes, data: bytes = b"\0" * 8) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def described(**changes: Any) -> bytes:
    return json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}).encode()


TWO = '"dtype": "F32", "shape": [2], "data_offsets"'
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cut short"),
    "no header": (b"\x10\0\0\0\0\0\0\0", "cut short"),
    "a header of exabytes": (struct.pack("<Q", 2**62) + b"{}", "cut short or no safetensors file"),
    "a pickle": (b"\x80\x04\x95" + b"a" * 40, "cut short or no safetensors file"),
    "header is a list": (file_of(b"[]"), "not a JSON object"),
    "header is no text": (file_of(b"\xff\xff"), "damaged"),
    "header is cut": (file_of(described()[:-3]), "damaged"),
    "a tensor twice": (
        file_of(b'{"a": {%s: [0, 8]}, "a": {%s: [0, 8]}}' % ((TWO.encode(),) * 2)),
        "'a' is given twice",
    ),
    "data cut short": (file_of(described(), b"\0" * 7), "describes 8 bytes of data; it has 7"),
    "data too long": (file_of(described(), b"\0" * 9), "describes 8 bytes of data; it has 9"),
    "overlap": (
        file_of(b'{"a": {%s: [0, 8]}, "b": {%s: [4, 12]}}' % ((TWO.encode(),) * 2), b"\0" * 12),
        "does not lie",
    ),
    "same place": (file_of(b'{"a": {%s: [0, 8]}, "b": {%s: [0, 8]}}' % ((TWO.encode(),) * 2)), "does not lie"),
    "gap": (file_of(described(data_offsets=[4, 12]), b"\0" * 12), "does not lie"),
    "other size": (file_of(described(shape=[3])), "does not lie"),
    "huge shape": (file_of(described(shape=[2**62, 2**62])), "does not lie"),
    "negative shape": (file_of(described(shape=[-2])), "impossible shape"),
    "shape of texts": (file_of(described(shape=["2"])), "impossible shape"),
    "no shape": (file_of(described(shape=None)), "impossible shape"),
    "place of three": (file_of(described(data_offsets=[0, 8, 8])), "impossible shape or place"),
    "no place": (file_of(described(data_offsets=None)), "impossible shape or place"),
    "unknown type": (file_of(described(dtype="OBJECT")), "unknown type 'OBJECT'"),
    "type of a list": (file_of(described(dtype=["F32"])), "unknown type"),
    "an extra key": (file_of(described(code="x")), "in another way"),
    "metadata of numbers": (file_of(b'{"__metadata__": {"a": 1}}', b""), "other metadata than texts"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_what_is_no_such_file_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_header(path)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0"], ids=["shorter", "longer"])
def test_a_file_that_changes_after_its_header_was_read_is_refused(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(9)}, path)
    header = read_header(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(WeightsError, match="while it was read"):
        read_data(header, {"a": torch.zeros(9)})
