"""Standard output and error that never stop a command: closed, full or unable to encode a character."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from fer_zoo.errors import printable

# What programs may do to a terminal: bars of rich move the cursor.
_CONTROLS = "".join(map(chr, range(32)))


class SafeStream:
    """A text stream that drops what cannot be written; `error` says why, None while all went well."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write `text`, or drop it."""
        # The stream itself escapes characters that its encoding lacks.
        self._attempt(lambda: self._stream.write(printable(text, keep=_CONTROLS)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write all of `lines`, or drop them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush what was written."""
        self._attempt(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, action: Callable[[], object]) -> None:
        if self.error is not None:
            return
        try:
            action()
        except OSError as error:
            self.error = error
            # The rest in the buffer would fail again when Python flushes it at its end.
            with suppress(OSError, io.UnsupportedOperation):
                _to_null(self._stream.fileno())


@contextmanager
def safe_streams() -> Iterator[tuple[SafeStream, SafeStream]]:
    """Replace sys.stdout and sys.stderr while the block runs; gives both.

    A closed stream is connected to the null device: else the next file to be opened would get its number, and what
    other libraries print would be written into that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            _to_null(number)
    before = sys.stdout, sys.stderr
    null = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (closed below)
    safe = SafeStream(sys.stdout or null), SafeStream(sys.stderr or null)
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = safe
    try:
        yield safe
    finally:
        for stream in safe:
            stream.flush()
        sys.stdout, sys.stderr = before
        null.close()


def _to_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
