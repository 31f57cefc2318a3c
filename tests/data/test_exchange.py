"""A store as a dataset of the library `datasets`: opened by it, and read back to the same store."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import store_clips
from store_clips import content, small_store

from fer_zoo.cli import main
from fer_zoo.data.exchange import _pixels, _png, export_store, import_store
from fer_zoo.data.store import Failure, finish_store, open_store, write_failures, write_shard
from fer_zoo.errors import InputError, MissingExtraError

pytestmark = pytest.mark.skipif(find_spec("datasets") is None, reason="needs the extra datasets")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_there_and_back_is_the_same_store(encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Byte for byte: also clips without subject, shards without clips, failures, groups and odd names."""
    for number, clips in enumerate(
        (
            [store_clips.clip(0), store_clips.clip(1, subject=None, files=("Ümit\n/1.avi",), video="v 1", box=None)],
            [],
            [store_clips.clip(2, groups={"sex": "female"}, fps=29.97), store_clips.clip(3, split={})],
        )
    ):
        write_shard(tmp_path / "store", number, clips, encoding=encoding)  # type: ignore[arg-type]
    write_failures(tmp_path / "store", [Failure("a", "no, face")])
    finish_store(tmp_path / "store", store_clips.facts(encoding=encoding, preparation={"face": "largest"}))
    assert main(["data", "export", str(tmp_path / "store"), "--out", str(tmp_path / "deep" / "set")]) == 0
    assert "4 clips; datasets.load_dataset" in capsys.readouterr().out
    assert main(["data", "import", str(tmp_path / "deep" / "set"), "--out", str(tmp_path / "again")]) == 0
    assert content(tmp_path / "again") == content(tmp_path / "store")
    open_store(tmp_path / "again").verify()


def test_the_library_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    store = small_store(tmp_path / "store", shards=2)
    export_store(store, tmp_path / "set")
    found = datasets.load_dataset(str(tmp_path / "set"), split="train", cache_dir=str(tmp_path / "cache"))
    assert found["key"][:] == [clip.key for clip in store.facts]
    assert found.features["label"].names == list(store.labels())
    for number, row in enumerate(found):
        clip = store.clip(number)
        assert found.features["label"].int2str(row["label"]) == clip.facts.label
        assert (row["subject"], row["video"], row["take"]) == (clip.facts.subject, None, clip.facts.take)
        np.testing.assert_array_equal(np.stack([np.asarray(picture) for picture in row["frames"]]), clip.frames)
        np.testing.assert_array_equal(np.array(row["landmarks"], np.float32), clip.landmarks)
        assert json.loads(row["facts"])["split"] == clip.facts.split
    assert "Licence of the data: unknown" in (tmp_path / "set" / "README.md").read_text()


def test_what_was_changed_or_left_out_is_taken_over(tmp_path: Path) -> None:
    import datasets

    export_store(small_store(tmp_path / "store", shards=1), tmp_path / "set")
    path = tmp_path / "set" / "data" / "clips-000000.parquet"
    rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    changed = rows.select([1, 3]).map(lambda row: {"subject": "other", "label": 0})
    changed.to_parquet(path)
    import_store(tmp_path / "set", tmp_path / "again")
    again = open_store(tmp_path / "again")
    assert [(clip.key, clip.subject, clip.label) for clip in again.facts] == [
        ("S1/001", "other", "anger"), ("S3/003", "other", "anger"),
    ]  # fmt: skip


def test_a_picture_broken_in_its_middle_is_a_value_error() -> None:
    """Pillow raises SyntaxError for a part of a PNG whose name is wrong."""
    png = bytearray(_png(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)))
    last = png.rindex(b"IDAT")
    png[last : last + 4] = b"\0\1\2\3"
    with pytest.raises(ValueError, match="no picture: broken PNG file"):
        _pixels(bytes(png))


def test_bad_input_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = small_store(tmp_path / "store", shards=1)
    folder = export_store(store, tmp_path / "set")
    with pytest.raises(InputError, match="exists"):
        export_store(store, tmp_path / "set")
    with pytest.raises(InputError, match="no folder `store`"):
        import_store(tmp_path / "store", tmp_path / "again")
    path = folder / "data" / "clips-000000.parquet"
    whole = path.read_bytes()
    table = parquet.read_table(path)
    for damage in ("truncated", "column", "picture", "missing"):
        if damage == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        elif damage == "column":
            parquet.write_table(table.drop(["facts"]), path)
        elif damage == "picture":
            path.write_bytes(whole.replace(b"IHDR", b"IHDX"))
        else:
            path.unlink()
        with pytest.raises(InputError, match=r"clips-000000.parquet cannot be read"):
            import_store(folder, tmp_path / "again")
    monkeypatch.setattr("fer_zoo.data.exchange.find_spec", lambda name: None)
    for call in (lambda: export_store(store, tmp_path / "x"), lambda: import_store(folder, tmp_path / "x")):
        with pytest.raises(MissingExtraError, match="datasets"):
            call()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "store"]
