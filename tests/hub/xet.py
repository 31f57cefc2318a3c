"""Xet through the local store of hf-xet: the client chunks for real, and the server reads the shards it leaves."""

from __future__ import annotations

import shutil
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .answers import Answer, Exchange, answer_json
from .store import sha256_of

# Header and every entry of a shard are of one size.
ENTRY = 48
BOOKEND = b"\xff" * 32
WITH_VERIFICATION, WITH_METADATA = 1 << 31, 1 << 30


@dataclass(frozen=True)
class XetFile:
    hash: str
    size: int


def hex_hash(raw: bytes) -> str:
    """A hash as Xet writes it: four little-endian words, not 32 bytes in order."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))


def read_shard(content: bytes) -> dict[str, XetFile]:
    """The files that a shard describes, by their sha256."""
    found, at = {}, ENTRY
    while content[at : at + 32] != BOOKEND:
        file_hash = content[at : at + 32]
        flags, count = struct.unpack("<II", content[at + 32 : at + 40])
        at += ENTRY
        # A segment: hash of its xorb, flags, bytes, first and last chunk.
        size = sum(struct.unpack("<I", content[at + n * ENTRY + 36 : at + n * ENTRY + 40])[0] for n in range(count))
        at += ENTRY * count * (2 if flags & WITH_VERIFICATION else 1)
        if flags & WITH_METADATA:
            found[hex_hash(content[at : at + 32])] = XetFile(hex_hash(file_hash), size)
            at += ENTRY
    return found


class XetStore:
    """The folder behind the `local://` address that the client is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, XetFile] = {}
        self.seen: set[Path] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"local://{self.folder}"

    def find(self, sha256: str) -> XetFile | None:
        """What the store knows of the file with that sha256."""
        with self.lock:
            if sha256 not in self.files:
                for shard in {*self.folder.glob("xet/xorbs/shards/*.mdb")} - self.seen:
                    self.files |= read_shard(shard.read_bytes())
                    self.seen.add(shard)
            return self.files.get(sha256)

    def rebuild(self, sha256: str, target: Path, part: Path) -> None:
        """Assemble a file for a client that uses plain HTTP.

        Raises:
            RuntimeError: the store doesn't give back what was put into it.
        """
        import hf_xet  # type: ignore[import-untyped]

        file = self.files[sha256]
        session = hf_xet.XetSession()
        with session.new_file_download_group(
            endpoint=self.url, token="local", token_expiry_unix_secs=int(time.time()) + 3600
        ) as group:
            group.start_download_file(hf_xet.XetFileInfo(file.hash, file.size), str(part))
        if sha256_of(part) != sha256:
            part.unlink()
            raise RuntimeError(f"the Xet store gives other bytes for {sha256}")
        shutil.move(part, target)

    def xorbs(self) -> list[Path]:
        """The files with the chunks, the largest first."""
        found = [path for path in self.folder.glob("xet/xorbs/xorbs/default.*") if path.suffix != ".tagset"]
        return sorted(found, key=lambda path: path.stat().st_size, reverse=True)


def answer_token(exchange: Exchange, store: XetStore) -> Answer:
    """What the client needs to talk to the store, in headers and once more in JSON."""
    expires = int(time.time()) + 3600
    headers = {"X-Xet-Cas-Url": store.url, "X-Xet-Access-Token": "xet-local", "X-Xet-Token-Expiration": str(expires)}
    return answer_json({"casUrl": store.url, "accessToken": "xet-local", "exp": expires}, headers=headers)
