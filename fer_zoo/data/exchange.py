"""A clip store as a folder that the library `datasets` opens (Parquet), and back to the same store."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from fer_zoo.data.clips import Frames
from fer_zoo.data.store import ClipFacts, Store, StoredClip, StoreFacts, StoreHeader, finish_store, open_store
from fer_zoo.data.store.reader import read_header
from fer_zoo.data.store.records import FAILURES, HEADER
from fer_zoo.data.store.writer import write_shard
from fer_zoo.data.terms import provenance
from fer_zoo.errors import FerZooError, InputError, MissingExtraError, writing
from fer_zoo.files import atomic_folder
from fer_zoo.paths import find_path, shown
from fer_zoo.registry import DATASETS
from fer_zoo.specs import TERMS

# Facts of a clip that have a column of their own; the others are in the column `facts`, as JSON.
_COLUMNS = ("key", "video", "label", "subject", "take")
_CARD = """---
pretty_name: {name}
configs:
- config_name: default
  data_files: data/*.parquet
tags: [facial-expression-recognition, video, fer-zoo]
---

# {name}

{clips} clips of {subjects} subjects: {frames} frames of {size} x {size} pixels at {fps:g} frames per second, with 68
landmarks in pixels of the frames (NaN: no face). `fer-zoo data export` wrote it; `fer-zoo data import` makes the clip
store of it again.

Licence of the data: {licence}. Who may use it: {may_use}. {terms} Source: {terms_source}.
"""


def export_store(store: str | Path | Store, out: str | Path) -> Path:
    """Write a store as a new folder that `datasets.load_dataset(FOLDER)` opens: a row for each clip.

    Columns: key, video, label (a class), subject, take, frames (a list of pictures), landmarks (T, 68, 2), scores (T,),
    and facts: the others, as JSON. Nothing is lost: PNG for raw frames, the same files for JPEG.

    Raises:
        InputError: no store, a damaged one, or `out` exists or cannot be written. MissingExtraError: no `datasets`.
    """
    _need()
    found, out = store if isinstance(store, Store) else open_store(store), Path(out)
    header = found.header
    ends = list(accumulate(entry.clips for entry in header.shards))
    with _new(out) as folder:
        for end, entry in zip(ends, header.shards, strict=True):
            if entry.clips:
                _write(found, range(end - entry.clips, end), _parquet(folder, entry.number))
        (folder / "store").mkdir()
        for name in (HEADER, FAILURES):
            if (found.folder / name).is_file():
                shutil.copyfile(found.folder / name, folder / "store" / name)
        name = header.reader.name
        terms = provenance([name]) if name in DATASETS else dict.fromkeys(TERMS, "unknown")
        card = {**header.model_dump(), "name": name, **terms}
        (folder / "README.md").write_text(_CARD.format(**card), encoding="utf-8")
    return out


def import_store(folder: str | Path, out: str | Path) -> StoreHeader:
    """Make the clip store of a folder that `export_store` wrote; unchanged rows give the same store.

    Changed labels, subjects, videos and keys, and rows that were left out, are taken over.

    Raises:
        InputError: no such folder, a damaged one, or `out` exists or cannot be written. MissingExtraError: no
            `datasets`.
    """
    _need()
    folder, out = find_path(folder), Path(out)
    if not os.path.isdir(folder / "store"):
        raise _not_exported(folder, "it has no folder `store`")
    header = read_header(folder / "store")
    kept: list[bytes] = []  # JPEG files of the clip that is written next
    with _new(out) as new:
        for entry in header.shards:
            clips = _read(_parquet(folder, entry.number), kept) if entry.clips else iter(())
            write_shard(new, entry.number, clips, encoding=header.encoding, to_jpegs=lambda _: kept)
        if (folder / "store" / FAILURES).is_file():
            shutil.copyfile(folder / "store" / FAILURES, new / FAILURES)
        return finish_store(new, StoreFacts(**{name: getattr(header, name) for name in StoreFacts.model_fields}))


def _write(store: Store, rows: range, path: Path) -> None:
    import datasets

    frames, size = store.header.frames, "float32"
    names = list(store.labels())
    columns: dict[str, list[Any]] = {name: [] for name in (*_COLUMNS, "frames", "landmarks", "scores", "facts")}
    for row in rows:
        clip = store.clip(row)
        facts = clip.facts.model_dump(mode="json")
        for name in _COLUMNS:
            columns[name].append(facts.pop(name))
        raw = store.header.encoding == "raw"
        pictures = map(_png, clip.frames) if raw else (bytes(jpeg) for jpeg in store.jpegs(row))
        columns["frames"].append([{"bytes": picture, "path": None} for picture in pictures])
        columns["landmarks"].append(clip.landmarks)
        columns["scores"].append(clip.scores)
        columns["facts"].append(json.dumps(facts))
    text, number = datasets.Value("string"), datasets.Value("int32")
    features = datasets.Features(
        key=text,
        video=text,
        label=datasets.ClassLabel(names=names),
        subject=text,
        take=number,
        frames=datasets.Sequence(datasets.Image()),
        landmarks=datasets.Array3D((frames, 68, 2), size),
        scores=datasets.Sequence(datasets.Value(size)),
        facts=text,
    )
    path.parent.mkdir(exist_ok=True)
    datasets.Dataset.from_dict(columns, features).to_parquet(path)


def _read(path: Path, files: list[bytes]) -> Iterator[StoredClip]:
    """Yield the clips of a Parquet file; `files` then holds the pictures of the newest one as they are in it."""
    import datasets
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path)
        label = datasets.Features.from_arrow_schema(table.schema_arrow)["label"]
        for batch in table.iter_batches(1):
            (row,) = batch.to_pylist()
            own = {name: row[name] for name in _COLUMNS} | {"label": label.int2str(row["label"])}
            facts = ClipFacts.model_validate_json(json.dumps({**json.loads(row["facts"]), **own}))
            files[:] = [picture["bytes"] for picture in row["frames"]]
            arrays = (np.array(row[name], np.float32) for name in ("landmarks", "scores"))
            yield StoredClip(facts, np.stack([_pixels(file) for file in files]), *arrays)
    except FerZooError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_exported(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _parquet(folder: Path, number: int) -> Path:
    return folder / "data" / f"clips-{number:06d}.parquet"


def _png(frame: Frames) -> bytes:
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(frame).save(stream, "PNG")
    return stream.getvalue()


def _pixels(file: bytes) -> Frames:
    from PIL import Image

    try:
        with Image.open(BytesIO(file), formats=("PNG", "JPEG")) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's parsers raise whatever broken bytes lead them to
        raise ValueError(f"no picture: {error}") from error


def _need() -> None:
    for package in ("datasets", "pyarrow"):
        if find_spec(package) is None:
            raise MissingExtraError.for_extra(package, "datasets")


@contextmanager
def _new(out: Path) -> Iterator[Path]:
    """Give a folder that becomes `out`, which must not exist, when all is written."""
    if os.path.exists(out):
        raise InputError(f"{shown(out)} exists.", "a folder that does not exist yet", "choose another --out")
    with writing(out), atomic_folder(out) as folder:
        yield folder


def _not_exported(path: Path, reason: str) -> InputError:
    return InputError(
        f"{shown(path)} cannot be read: {reason}.",
        "a folder that `fer-zoo data export` wrote: README.md, data/ and store/",
        "export the store again",
    )
