"""Damage that knows a format: CSV tables, safetensors, and the boxes of video containers."""

from __future__ import annotations

import re
import struct
from random import Random

from .mutate import damaged_bytes, damaged_json

_CELLS = (
    "", " ", "nan", "NaN", "None", "=1+1", "+1", "-1", "@SUM(A1)", '"', "'", "a,b", "a;b", "x\ny", "20.0", "1e3", "-5",
    "99999999999999999999", "1_0", "½", "٣", "\u202ehappiness", "happine\u0301ss", "Happiness ", "../a.mp4",
    "/etc/passwd", "a.mp4/", ".", "\x00", "x" * 140_000, "\ufeffpath", "c\u0327.mp4",
)  # fmt: skip
# Names of boxes and chunks of MP4, AVI, PNG and WebP; of elements of Matroska; markers of JPEG.
_NAMES = (
    b"moov", b"mvhd", b"tkhd", b"mdhd", b"elst", b"stsd", b"stts", b"ctts", b"stsz", b"stco", b"stsc", b"avcC",
    b"RIFF", b"avih", b"strh", b"strf", b"idx1", b"movi", b"Exif", b"IHDR", b"acTL", b"fcTL", b"VP8X", b"ANMF",
    b"\x1a\x45\xdf\xa3", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75", b"\x2a\xd7\xb1", b"\x44\x89", b"\xff\xc0",
    b"\xff\xe1",
)  # fmt: skip
_NUMBERS = (0, 1, 2, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def damaged_table(rng: Random, data: bytes) -> bytes:
    """A table with another cell, column, row, quote, separator, line end or encoding."""
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(rng.choice((1, 1, 2, 3))):
        row = rng.randrange(len(rows))
        cell = rng.randrange(len(rows[row]) or 1)
        kind = rng.randrange(6)
        if kind < 3 and rows[row]:
            rows[row][cell] = rng.choice(_CELLS)
        elif kind == 3:
            rows[row:row] = [list(rows[rng.randrange(len(rows))])] * rng.choice((1, 1, 300))
        elif kind == 4 and rows[row]:
            del rows[row][cell]
        else:
            rows[row].insert(cell, rng.choice(_CELLS))
    separator = rng.choice((",", ",", ",", ";", "\t", "|"))
    text = rng.choice(("\n", "\n", "\r\n", "\r")).join(separator.join(cells) for cells in rows)
    text = rng.choice(("", "", "", "sep=;\n", "sep=,\n", "\ufeff", "\n\n", "# note\n")) + text
    out = text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "latin-1", "cp1252", "utf-32")), "replace")
    return damaged_bytes(rng, out) if rng.random() < 0.2 else out


def damaged_tensors(rng: Random, data: bytes) -> bytes:
    """A safetensors file with another header (its length made right, or not) or other bytes."""
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length], data[8 + length :]
    kind = rng.randrange(8)
    if kind < 3:
        header = damaged_json(rng, header.decode()).encode("utf-8", "surrogateescape")
    elif kind < 6:
        values = bytearray(body)
        for _ in range(rng.choice((1, 8))):
            place = rng.randrange(len(values) // 4) * 4
            values[place : place + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), 1.5, -0.0, 1e-45)))
        body = bytes(values)
    elif kind == 6:
        return rng.choice((0, 1, 2**31, 2**40, 2**63 - 1, 2**64 - 1, len(data))).to_bytes(8, "little") + data[8:]
    else:
        return damaged_bytes(rng, data, reach=length + 64)
    return len(header).to_bytes(8, "little") + header + body


def damaged_media(rng: Random, data: bytes) -> bytes:
    """A video or picture with other numbers in its boxes, or other bytes, mostly near its beginning."""
    kind = rng.randrange(4)
    if kind == 0:
        return damaged_bytes(rng, data, reach=rng.choice((64, 512, 4096)))
    if kind == 1:
        return damaged_bytes(rng, data)
    out = bytearray(data)
    places = [found.end() for name in _NAMES for found in re.finditer(re.escape(name), data)]
    for _ in range(rng.choice((1, 2, 4))):
        place = (rng.choice(places) if places else 0) + rng.randrange(-8, 40)
        size = rng.choice((2, 4, 4, 8))
        if 0 <= place < len(out) - size:
            out[place : place + size] = (rng.choice(_NUMBERS) & (256**size - 1)).to_bytes(size, "big")
    return bytes(out)
