"""Whether a file was cut off: the sizes that its outermost parts state, against its size on disk."""

from __future__ import annotations

from pathlib import Path

_MP4 = frozenset(b"ftyp moov mdat free skip wide moof mfra sidx styp uuid meta pnot udta emsg prft".split())
_ASF = (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c"))
_EBML_HEADER, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"


def missing_bytes(path: Path) -> int:
    """Bytes missing at the end of an MP4, MOV, Matroska, WebM, AVI or ASF file; 0 where a format does not tell.

    Counts of frames and durations in headers are no evidence: edit lists, trimming and joining make them wrong.
    """
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            length = _length(file.read(24))
            if not length:
                return 0
            at += length
    return at - size


def _length(head: bytes) -> int | None:
    """Bytes of the part that begins with `head`; None where it states none."""
    if head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        return length + 8 + length % 2 if 0 < length < 0xFFFFFFFF else None
    if head[:4] in (_EBML_HEADER, _SEGMENT) and len(head) > 4 and head[4]:
        width = 9 - head[4].bit_length()  # the leading zeros of the first byte tell how many bytes follow
        length = int.from_bytes(head[4 : 4 + width], "big") & ((1 << 7 * width) - 1)
        return 4 + width + length if length != (1 << 7 * width) - 1 else None
    if head[:16] in _ASF:
        return int.from_bytes(head[16:24], "little")
    if head[4:8] in _MP4:
        length = int.from_bytes(head[:4], "big")
        return int.from_bytes(head[8:16], "big") if length == 1 else length
    return None
