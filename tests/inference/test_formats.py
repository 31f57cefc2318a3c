"""JSON, Parquet, pandas, subtitles and ELAN files of a timeline, and what they say of synthetic training faces."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from test_timeline import labelled, timeline

from fer_zoo.errors import MissingExtraError, VideoError
from fer_zoo.inference.formats import WRITERS, write_parquet
from fer_zoo.inference.rows import SYNTHETIC

HONEST = replace(timeline(), synthetic=True, notes=(SYNTHETIC,), track=2)


def test_json(tmp_path: Path) -> None:
    HONEST.to_json(tmp_path / "t.json", pose=True, landmarks=True)
    (facts,) = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["faces"]
    assert facts["trained_on_synthetic_faces"] is True
    assert facts["notes"] == [SYNTHETIC]
    assert [span["end_s"] for span in facts["spans"]] == [0.08, 0.16, 0.2]
    row = facts["rows"][4]
    assert (row["track"], row["frame"], row["label"], row["p_calm"]) == (2, 4, "angry, loud", 0.1)
    assert (facts["rows"][2]["x0"], facts["rows"][2]["yaw"], row["x_67"]) == (None, None, 0.0)
    labelled("--").to_json(tmp_path / "none.json")  # no NaN, which is not JSON
    assert json.loads((tmp_path / "none.json").read_text())["summary"]["mean_probability"]["a"] is None


def test_csv_columns(tmp_path: Path) -> None:
    HONEST.to_csv(tmp_path / "t.csv", pose=True)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0].startswith("track,frame,")
    assert lines[0].endswith(",yaw,pitch,roll,training_faces")
    assert all(line.startswith("2,") and line.endswith(",synthetic") for line in lines[1:])


def test_subtitles(tmp_path: Path) -> None:
    replace(HONEST, rows=labelled("aaa--b").rows, rate=labelled("a").rate).to_srt(tmp_path / "t.srt")
    assert (tmp_path / "t.srt").read_text() == (
        f"1\n00:00:00,000 --> 00:00:00,300\nface 2: a\n({SYNTHETIC})\n\n2\n00:00:00,500 --> 00:00:00,600\nface 2: b\n"
    )


# What EAFv3.0.xsd requires of the parts that are used, in this order.
PARTS = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE"]
REQUIRED = {
    "ANNOTATION_DOCUMENT": {"AUTHOR", "DATE", "FORMAT", "VERSION"}, "HEADER": set(),
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"}, "TIME_SLOT": {"TIME_SLOT_ID"},
    "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
    "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"}, "TIME_ORDER": set(), "ANNOTATION": set(), "ANNOTATION_VALUE": set(),
    "PROPERTY": set(),
}  # fmt: skip


def test_elan(tmp_path: Path) -> None:
    video = tmp_path / "a b.mp4"
    video.touch()
    replace(HONEST, video=video, notes=(SYNTHETIC, "a\x00 & <b>")).to_eaf(tmp_path / "t.eaf")
    root = ElementTree.parse(tmp_path / "t.eaf").getroot()
    assert [part.tag for part in root] == PARTS
    for element in root.iter():
        assert set(element.attrib) >= REQUIRED[element.tag]
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "")) for slot in root.iter("TIME_SLOT")}
    assert len(slots) == len(list(root.iter("TIME_SLOT"))) == 4
    spans = [
        (slots[a.get("TIME_SLOT_REF1")], slots[a.get("TIME_SLOT_REF2")], a.findtext("ANNOTATION_VALUE"))
        for a in root.iter("ALIGNABLE_ANNOTATION")
    ]
    assert spans == [(0, 80, "calm"), (160, 200, "angry, loud")]
    tier, kind = root.find("TIER"), root.find("LINGUISTIC_TYPE")
    assert tier is not None
    assert kind is not None
    assert tier.get("LINGUISTIC_TYPE_REF") == kind.get("LINGUISTIC_TYPE_ID")
    assert SYNTHETIC in [entry.text for entry in root.iter("PROPERTY")]
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.get("MEDIA_URL") == video.as_uri()


def test_without_the_packages_of_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_zoo.inference.formats.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'pandas'[\s\S]*\[tables\]"):
        timeline().to_pandas()
    with pytest.raises(MissingExtraError, match=r"'pyarrow'[\s\S]*\[tables\]"):
        timeline().to_parquet(tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not importlib.util.find_spec("pandas"), reason="needs the extra tables")
def test_pandas() -> None:
    frame = HONEST.to_pandas(landmarks=True)
    assert list(frame["frame"]) == [0, 1, 2, 3, 4]
    assert np.isnan(frame["p_calm"][2])
    assert frame.attrs["notes"] == [SYNTHETIC]
    assert frame.shape == (5, 8 + 2 + 136 + 2)


@pytest.mark.skipif(not importlib.util.find_spec("pyarrow"), reason="needs the extra tables")
def test_parquet(tmp_path: Path) -> None:
    from pyarrow import parquet

    HONEST.to_parquet(tmp_path / "t.parquet", pose=True)
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table["label"].to_pylist() == ["calm", "calm", None, None, "angry, loud"]
    assert str(table.schema.field("yaw").type) == "double"
    assert json.loads(table.schema.metadata[b"notes"]) == [SYNTHETIC]
    other = replace(HONEST, track=3, notes=(SYNTHETIC, "It rests."))
    write_parquet([HONEST, other], tmp_path / "two.parquet")
    notes = json.loads(parquet.read_table(tmp_path / "two.parquet").schema.metadata[b"notes"])
    assert notes == [SYNTHETIC, "Face 3: It rests."]
    labelled("--").to_parquet(tmp_path / "none.parquet")
    assert parquet.read_table(tmp_path / "none.parquet")["label"].to_pylist() == [None, None]


@pytest.mark.parametrize("suffix", sorted(set(WRITERS) - {"parquet"}))
def test_every_format_is_written_whole_or_not_at_all(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be written"):
        WRITERS[suffix]([timeline()], tmp_path / "nowhere" / f"t.{suffix}")
    WRITERS[suffix]([timeline()], tmp_path / f"t.{suffix}", landmarks=True, pose=True)
    assert [file.name for file in tmp_path.iterdir()] == [f"t.{suffix}"]
