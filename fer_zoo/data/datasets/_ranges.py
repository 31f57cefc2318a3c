"""Stretches of videos in tables: columns under the usual names, in frames, seconds, milliseconds or time codes."""

from __future__ import annotations

import functools
import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

from fer_zoo.data.subjects import is_empty
from fer_zoo.errors import FerZooError

Unit = Literal["frames", "s", "ms"]

_MOST = 10**9  # no video has more frames
_SLACK = 1.0  # seconds past the last frame that an end may be: tables are rounded
# The last frame of a stretch may be in it or not, so first and last are recognised, but not used.
_WORDS = r"start|begin|onset|from|end|stop|offset|to|(?:first|last)(?=[\W_]*frame)"
_UNITS: Mapping[Unit, str] = {
    "frames": "frames?",
    "ms": "ms|msec|milliseconds?",
    "s": r"s|ss\W*msec|secs?|seconds?|hh\W*mm\W*ss(?:\W*(?:ms|f+))?|timecode|tc",
}
# Either order: start_frame, frame_start, "Begin Time - ss.msec".
_COLUMN = re.compile(
    rf"(?:(?:clip|segment|time|t)[\W_]+)?(?:(?P<before>{'|'.join(_UNITS.values())})[\W_]+)?(?P<word>{_WORDS})(?:[\W_]*time)?"
    rf"(?:[\W_]+(?P<after>{'|'.join(_UNITS.values())})|[\W_]*(?P<close>frames?|msec|secs?|seconds?))?[\W_]*"
)
_TIME_CODE = re.compile(r"(?:(?P<h>\d{1,3}):)?(?P<m>\d{1,3}):(?P<s>[0-5]?\d(?:[.,]\d+)?)")


class RangeColumns(NamedTuple):
    """The two columns of a table that say which stretch of a video a row is about, and in what."""

    start: str
    end: str
    unit: Unit


class RangeError(ValueError):
    """A cell or a row that is not a range; the text says why."""


def range_columns(
    columns: Sequence[str], rows: Iterable[Mapping[str, str]], problems: list[str]
) -> RangeColumns | None:
    """Find the columns of the stretch; None if there are none. Those that seem to be some and are not used are noted.

    `start,end` count frames. Where there are several pairs, frames go before seconds, seconds before milliseconds. A
    pair that names no unit is in seconds if one of its values is a time code or a fraction; else nothing says its unit.
    """
    found: dict[tuple[str, Unit | None], dict[str, str]] = {}
    for column in columns:
        if match := _COLUMN.fullmatch(column):
            side = "end" if match["word"] in ("end", "stop", "offset", "to", "last") else "start"
            found.setdefault((_family(match["word"]), _unit(match)), {}).setdefault(side, column)
    pairs = []
    for (family, unit), pair in found.items():
        if len(pair) == 2 and family != "first":
            start, end = pair["start"], pair["end"]
            if unit is None and (start, end) == ("start", "end"):
                unit = "frames"
            elif unit is None and any(_is_time(row.get(name, "")) for row in rows for name in (start, end)):
                unit = "s"
            if unit:
                pairs.append(RangeColumns(start, end, unit))
    if pairs:
        return min(pairs, key=lambda pair: ("frames", "s", "ms").index(pair.unit))
    if unused := [column for pair in found.values() for column in pair.values()]:
        problems.append(
            f"columns {', '.join(unused)} look like ranges and are not used, so each row stands for its whole video: "
            "name them start,end (frames), start_s,end_s (seconds) or start_ms,end_ms"
        )
    return None


def frame_range(
    row: Mapping[str, str], columns: RangeColumns | None, separator: str, file: Path, rate: float | None
) -> tuple[int, int] | None:
    """Half-open range of frame numbers that a row states; None for all frames.

    Args:
        separator: between the cells of the table; a comma there is not a decimal comma.
        file: the video, whose own time stamps say which frames lie between two times.
        rate: frames per second of a sequence of pictures; None for a video.

    Raises:
        RangeError: it is not a range, or no frame lies in it.
    """
    if columns is None:
        return None
    start, end = row[columns.start], row[columns.end]
    if is_empty(start) and is_empty(end):
        return None
    if is_empty(start) or is_empty(end):
        raise RangeError(f"{columns.start} and {columns.end} go together")
    given = f"{columns.start}={_short(start)}, {columns.end}={_short(end)}"
    try:
        first, last = parse_number(start, separator), parse_number(end, separator)
    except RangeError as error:
        raise RangeError(f"{given}: {error}") from error
    if first >= last:
        raise RangeError(f"{columns.start}={_short(start)} is not before {columns.end}={_short(end)}")
    is_time = columns.unit != "frames" or ":" in start + end
    if not is_time:
        if first.denominator > 1 or last.denominator > 1:
            raise RangeError(f"{given}: frame numbers must be integers >= 0; name columns in seconds start_s,end_s")
        return int(first), int(last)
    scale = 1000 if columns.unit == "ms" and ":" not in start + end else 1
    return _frames_between(float(first / scale), float(last / scale), given, file, rate)


def parse_number(text: str, separator: str = ",") -> Fraction:
    """A number >= 0 as people, spreadsheets and pandas write it: 20, 20.0, 2e1, 1 000, 0,5 (between semicolons), 1:30.

    Raises:
        RangeError: it is not a number, too large, or may be read in two ways.
    """
    text = text.strip().removeprefix("+")
    if code := _TIME_CODE.fullmatch(text):
        seconds = Fraction(code["s"].replace(",", "."))
        return seconds + 60 * int(code["m"]) + 3600 * int(code["h"] or 0)
    bare = re.sub(r"(?<=\d)[\s'’](?=\d{3}(?!\d))", "", text)
    for mark, other in (",.", ".,"):
        if re.fullmatch(rf"\d{{1,3}}(\{mark}\d{{3}}){{2,}}(\{other}\d+)?|\d{{1,3}}(\{mark}\d{{3}})+\{other}\d+", bare):
            bare = bare.replace(mark, "")
    if re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", bare) and not ("." in bare and separator == ","):
        raise RangeError(f"{text} may be {float(bare.replace(',', '.')):g} or {re.sub('[.,]', '', bare)}")
    match = re.fullmatch(r"(?a:(\d*(?:[.,]\d*)?)(?:e([+-]?\d+))?)", bare.lower())
    if match is None or not re.search(r"\d", match[1]):
        raise RangeError("must be integers >= 0 (frames), or seconds")
    if len(match[1]) > 20 or len(match[2] or "") > 3:
        raise RangeError("too large; expected 9 digits at most")
    value = Fraction(match[1].replace(",", ".").rstrip(".")) * Fraction(10) ** int(match[2] or 0)
    if value >= _MOST:
        raise RangeError("too large; expected 9 digits at most")
    return value


def _frames_between(start: float, end: float, given: str, file: Path, rate: float | None) -> tuple[int, int]:
    if rate is not None:
        first, last = (math.ceil(time * rate - 1e-6) for time in (start, end))
        if first >= last:
            raise RangeError(f"{given}: no frame lies in it at {rate:g} frames per second")
        return first, last
    try:
        times = _times(str(file), file.stat().st_mtime_ns)
    except (FerZooError, OSError) as error:
        raise RangeError(f"{given}: {getattr(error, 'given', error)}") from error
    if end > times[-1] + _SLACK:
        raise RangeError(f"{given}: the video ends at {times[-1]:.3f} seconds")
    first, last = (bisect_left(times, time - 1e-6) for time in (start, end))
    if first >= last:
        raise RangeError(f"{given}: no frame of the video lies in it")
    return first, last


@functools.lru_cache(maxsize=64)
def _times(file: str, _changed: int) -> Sequence[float]:
    """Seconds of each frame of a video since its first one, as it is decoded everywhere else; read once."""
    from fer_zoo.video.reader import open_video

    return [frame.time_s for frame in open_video(file, max_side=16).frames()]


def _family(word: str) -> str:
    """Which words belong together: onset and offset, from and to, first and last; all others."""
    families = {"onset": "onset", "offset": "onset", "from": "from", "to": "from", "first": "first", "last": "first"}
    return families.get(word, "start")


def _unit(match: re.Match[str]) -> Unit | None:
    named = match["before"] or match["after"] or match["close"]
    return next((unit for unit, names in _UNITS.items() if named and re.fullmatch(names, named)), None)


def _is_time(cell: str) -> bool:
    return bool(re.fullmatch(r"(?a:\d+(:\d+)+([.,]\d+)?|\d*[.,]\d*[1-9]\d*)", cell.strip()))


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"a number of {len(text)} digits" if text.isdigit() else f"{text[:20]}..."
