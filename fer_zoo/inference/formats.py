"""A timeline as text and in files: CSV, JSON, Parquet, subtitles and ELAN annotations."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from fer_zoo.csv_cells import to_cell
from fer_zoo.errors import MissingExtraError
from fer_zoo.inference.baseline import NEUTRAL
from fer_zoo.inference.pose import head_pose
from fer_zoo.inference.rows import SYNTHETIC, Row, Span, TimelineData
from fer_zoo.landmarks.base import Floats
from fer_zoo.paths import shown
from fer_zoo.video.writer import output_file

_FACELESS = np.full((68, 2), np.nan, np.float32)
_KINDS: dict[str, type] = {"frame": int, "track": int, "face": str, "label": str, "training_faces": str}


def describe(timeline: TimelineData, most: int = 24, more: str = "timeline.spans()") -> str:
    """Return name, length, model, the first `most` spans and the notes; `more` says where the other spans are."""
    seen = sum(row.face != "none" for row in timeline.rows)
    which = "" if timeline.track is None else f", face {timeline.track}"
    head = f"{shown(timeline.video.name)}{which}: {len(timeline)} frames, {timeline.duration_s:.2f} s"
    lines = [f"{head}, face in {seen}; model {timeline.model}"]
    spans = timeline.spans()
    for span in spans[:most]:
        count = span.last - span.first + 1
        label = shown(span.label or "-")
        frames = f"frames {span.first}-{span.last} ({count})"
        lines.append(f"  {span.start_s:7.2f} - {span.end_s:6.2f} s  {label:<10} {frames}")
    if len(spans) > most:
        lines.append(f"  ... {len(spans) - most} more in {more}")
    return "\n".join([*lines, *(f"note: {note}" for note in timeline.notes)])


def table(timeline: TimelineData, landmarks: bool = False, pose: bool = False) -> tuple[list[str], Iterator[list[Any]]]:
    """Return the column names and the rows of the table that every format shares; missing values are None."""
    names = ["frame", "time_s", "face", "x0", "y0", "x1", "y1", "label", *(f"p_{label}" for label in timeline.labels)]
    names += ["intensity"] if NEUTRAL in timeline.labels else []
    if timeline.track is not None:
        names.insert(0, "track")
    names += ["yaw", "pitch", "roll"] if pose else []
    names += [f"{axis}_{point}" for point in range(68) for axis in "xy"] if landmarks else []
    # Every row says it, since a table is cut up and joined and has no other place for it.
    names += ["training_faces"] if timeline.synthetic else []
    return names, (_values(row, timeline, landmarks, pose) for row in timeline.rows)


def tables(timelines: Sequence[TimelineData], **columns: bool) -> tuple[list[str], Iterator[list[Any]]]:
    """Return the table of several faces of one video, one after the other."""
    found = [table(timeline, **columns) for timeline in timelines]
    return found[0][0], itertools.chain.from_iterable(rows for _, rows in found)


def _values(row: Row, timeline: TimelineData, landmarks: bool, pose: bool) -> list[Any]:
    values: list[Any] = [] if timeline.track is None else [timeline.track]
    values += [row.frame, row.time_s, row.face, *(row.box or [None] * 4), row.label]
    values += row.probabilities or [None] * len(timeline.labels)
    values += [row.intensity] if NEUTRAL in timeline.labels else []
    points = _FACELESS if row.landmarks is None else row.landmarks
    values += _finite(head_pose(points[None])[0]) if pose else []
    values += _finite(points.ravel()) if landmarks else []
    return [*values, "synthetic"] if timeline.synthetic else values


def _finite(numbers: Floats | np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [float(number) if np.isfinite(number) else None for number in numbers]


def write_csv(timelines: Sequence[TimelineData], path: str | Path, **columns: bool) -> None:
    """Write the table as CSV; probabilities, intensity and times with four decimals, positions and angles with one."""
    names, rows = tables(timelines, **columns)
    digits = list(map(decimals, names))
    with output_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([cell(value, digit) for value, digit in zip(row, digits, strict=True)] for row in rows)


def decimals(name: str) -> int | None:
    """Return how many decimals the numbers of a column have in text; None where they have none."""
    return None if name in _KINDS else 4 if name == "intensity" or name.endswith("_s") or name.startswith("p_") else 1


def cell(value: Any, digits: int | None) -> str:
    """Return a value as the text of a CSV cell."""
    if value is None:
        return ""
    return to_cell(str(value)) if digits is None else f"{value:.{digits}f}"


def write_json(timelines: Sequence[TimelineData], path: str | Path, **columns: bool) -> None:
    """Write facts, notes, summary, spans and rows as one JSON object; of several faces as a list `faces` of those."""
    faces = [_facts(timeline, **columns) for timeline in timelines]
    made = faces[0] if timelines[0].track is None else {"faces": faces}
    _write(path, json.dumps(made, ensure_ascii=False, indent=1, allow_nan=False))


def _facts(timeline: TimelineData, **columns: bool) -> dict[str, Any]:
    names, rows = table(timeline, **columns)
    facts = {
        "video": shown(timeline.video),
        "track": timeline.track,
        "width": timeline.width,
        "height": timeline.height,
        "rate": float(timeline.rate),
        "labels": timeline.labels,
        "model": timeline.model,
        "landmarker": timeline.landmarker,
        "trained_on_synthetic_faces": timeline.synthetic,
        "notes": timeline.notes,
        "summary": timeline.summary().to_dict(),
        "spans": [vars(span) for span in timeline.spans()],
        "rows": [dict(zip(names, row, strict=True)) for row in rows],
    }
    return {name: _without_nan(value) for name, value in facts.items()}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


def write_srt(timelines: Sequence[TimelineData], path: str | Path) -> None:
    """Write one subtitle per labelled span; the first also says what the weights were trained on."""
    spans = [(span, timeline) for timeline in timelines for span in _named(timeline)]
    cues = []
    for number, (span, timeline) in enumerate(sorted(spans, key=lambda pair: pair[0].start_s), 1):
        face = "" if timeline.track is None else f"face {timeline.track}: "
        text = f"{face}{shown(str(span.label))}" + (f"\n({SYNTHETIC})" if timeline.synthetic and number == 1 else "")
        cues.append(f"{number}\n{_clock(span.start_s)} --> {_clock(span.end_s)}\n{text}\n")
    _write(path, "\n".join(cues))


def _named(timeline: TimelineData) -> list[Span]:
    return [span for span in timeline.spans() if span.label is not None]


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},{whole % 1000:03}"


def _all_notes(timelines: Sequence[TimelineData]) -> list[str]:
    """Return the notes of all faces; those that not all have begin with the number of the face."""
    shared = set(timelines[0].notes).intersection(*(timeline.notes for timeline in timelines))
    named = ((note if note in shared else f"Face {each.track}: {note}") for each in timelines for note in each.notes)
    return list(dict.fromkeys(named))


def write_eaf(timelines: Sequence[TimelineData], path: str | Path) -> None:
    """Write the labelled spans as an ELAN annotation file (EAF 3.0), with a tier for each face."""
    first, now = timelines[0], datetime.now(UTC).isoformat(timespec="seconds")
    document = Element("ANNOTATION_DOCUMENT", {"AUTHOR": "fer_zoo", "DATE": now, "FORMAT": "3.0", "VERSION": "3.0"})
    header = SubElement(document, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if first.video.is_file():
        media = {"MEDIA_URL": first.video.resolve().as_uri(), "MIME_TYPE": "video/mp4"}
        SubElement(header, "MEDIA_DESCRIPTOR", media)
    facts = {"model": first.model, "landmarker": first.landmarker}
    facts |= {f"note {i}": note for i, note in enumerate(_all_notes(timelines), 1)}
    for name, text in facts.items():
        SubElement(header, "PROPERTY", {"NAME": f"fer_zoo {name}"}).text = shown(text)
    order = SubElement(document, "TIME_ORDER")
    numbers = itertools.count(1)
    for timeline in timelines:
        name = "expression" if timeline.track is None else f"expression {timeline.track}"
        tier = SubElement(document, "TIER", {"LINGUISTIC_TYPE_REF": "expression", "TIER_ID": name})
        for span in _named(timeline):
            _annotate(tier, order, span, next(numbers))
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "expression", "TIME_ALIGNABLE": "true"}
    SubElement(document, "LINGUISTIC_TYPE", kind)
    indent(document)
    _write(path, tostring(document, "unicode", xml_declaration=True) + "\n")


def _annotate(tier: Element, order: Element, span: Span, number: int) -> None:
    start, end = f"ts{2 * number - 1}", f"ts{2 * number}"
    for slot, seconds in ((start, span.start_s), (end, span.end_s)):
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(round(seconds * 1000))})
    place = {"ANNOTATION_ID": f"a{number}", "TIME_SLOT_REF1": start, "TIME_SLOT_REF2": end}
    annotation = SubElement(SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", place)
    SubElement(annotation, "ANNOTATION_VALUE").text = shown(str(span.label))


def columns_of(timelines: Sequence[TimelineData], **columns: bool) -> dict[str, list[Any]]:
    """Return the table by column."""
    names, rows = tables(timelines, **columns)
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def to_pandas(timeline: TimelineData, **columns: bool) -> Any:
    """Return the table as a pandas.DataFrame; notes and model are in its `attrs`."""
    _need("pandas")
    import pandas

    frame = pandas.DataFrame(columns_of([timeline], **columns))
    frame.attrs = {"model": timeline.model, "notes": list(timeline.notes)}
    return frame


def write_parquet(timelines: Sequence[TimelineData], path: str | Path, **columns: bool) -> None:
    """Write the table as Parquet; model and notes are in the file's metadata."""
    _need("pyarrow")
    import pyarrow
    from pyarrow import parquet

    types = {int: pyarrow.int64(), str: pyarrow.string(), float: pyarrow.float64()}
    # Stated, since a column of missing values alone would have no type.
    columns_by_name = {
        name: pyarrow.array(values, types[_KINDS.get(name, float)])
        for name, values in columns_of(timelines, **columns).items()
    }
    facts = {"model": shown(timelines[0].model), "notes": json.dumps(_all_notes(timelines))}
    made = pyarrow.table(columns_by_name).replace_schema_metadata(facts)
    with output_file(path) as temporary:
        parquet.write_table(made, temporary)


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise MissingExtraError.for_extra(package, "tables")


def _write(path: str | Path, text: str) -> None:
    with output_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


# By the ending of the file. Spans have no columns, so the two formats of spans take none.
WRITERS: dict[str, Callable[..., None]] = {
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
    "srt": lambda timelines, path, **_: write_srt(timelines, path),
    "eaf": lambda timelines, path, **_: write_eaf(timelines, path),
}
