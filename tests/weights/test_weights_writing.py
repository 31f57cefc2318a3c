"""Writing: identical runs give identical bytes, a card that somebody edited is never lost, and nothing half is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from weights_folders import card_fields, change_record, make_folder, record, small_model, small_recipe

from fer_zoo import weights
from fer_zoo.errors import WeightsError
from fer_zoo.weights import writing

ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.slow
def test_identical_runs_give_identical_bytes(tmp_path: Path) -> None:
    """In processes that order their sets and dictionaries otherwise."""
    code = "import sys; from test_weights_writing import write_both; write_both(sys.argv[1])"
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tests" / "weights")])
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True, env=environment, timeout=250)
    write_both(tmp_path / "here")
    for kind, count in (("whole", 6), ("sharded", 9)):
        here, there = contents(tmp_path / "here" / kind), contents(tmp_path / "there" / kind)
        assert len(here) >= count
        assert here == there


def write_both(folder: str | Path) -> None:
    make_folder(Path(folder, "whole"))
    make_folder(Path(folder, "sharded"), max_shard=60_000)


def test_a_copy_has_the_same_bytes_and_another_detector_version_if_given(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "w")
    assert contents(weights.rewrite(folder, tmp_path / "copy")) == contents(folder)
    other = weights.check_folder(weights.rewrite(folder, tmp_path / "other", detector_version="dlib 19"))
    assert other.detector_version == "dlib 19"
    with pytest.raises(WeightsError, match="exists"):
        weights.rewrite(folder, tmp_path / "copy")


def edit(folder: Path) -> str:
    text = (folder / "README.md").read_text().replace("## Terms", "## Thanks\n\nTo all.\n\n## Terms")
    (folder / "README.md").write_text(text)
    return text


def test_an_edited_card_stays_where_it_is_still_true(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "w")
    text = edit(folder)
    make_folder(folder, overwrite=True)
    assert (folder / "README.md").read_text() == text
    assert not (folder / "README.edited.md").exists()


def test_an_edited_card_is_kept_beside_a_new_one(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "w")
    text = edit(folder)
    for hours in (2.0, 3.0):
        make_folder(folder, overwrite=True, hours=hours)
        assert "Thanks" not in (folder / "README.md").read_text()
        assert record(folder)["hours"] == hours
        assert (folder / "README.edited.md").read_text() == text
    assert "README.edited.md" not in weights.known_files(weights.check_folder(folder))


def test_a_card_that_is_none_is_kept_too(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "w")
    (folder / "README.md").write_text("my notes")
    make_folder(folder, overwrite=True)
    assert (folder / "README.edited.md").read_text() == "my notes"


def test_an_unedited_card_is_replaced(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "w")
    make_folder(folder, overwrite=True, hours=2.0)
    assert len(list(folder.iterdir())) == 6


def test_other_files_beside_do_not_survive_as_weights(tmp_path: Path) -> None:
    """From shards to one file: no shard of the old weights stays."""
    folder = make_folder(tmp_path / "w", max_shard=60_000)
    make_folder(folder, overwrite=True)
    assert not list(folder.glob("model-*"))
    weights.check_folder(folder)


@pytest.mark.parametrize("stage", ["_write_tensors", "write_proof", "confusion_picture", "_write_card"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    folder = make_folder(tmp_path / "w")
    before = contents(folder)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, stage, full)
    with pytest.raises(WeightsError, match="No space left on device"):
        make_folder(folder, overwrite=True, hours=2.0)
    assert contents(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_leftovers_of_a_killed_process_of_the_same_number_are_no_hindrance(tmp_path: Path) -> None:
    for part in ("tmp", "0123456789abcdef.tmp"):
        (tmp_path / f".w.{os.getpid()}.{part}").mkdir()
    folder = make_folder(tmp_path / "w")
    before = contents(folder)
    # Killed after the old folder was moved away.
    kept = tmp_path / f".w.{os.getpid()}.0123456789abcdef.tmp" / "old"
    kept.mkdir(parents=True)
    folder.rename(kept / "w")
    edit(kept / "w")
    make_folder(folder, overwrite=True, hours=2.0)
    assert "Thanks" in (folder / "README.edited.md").read_text()
    assert set(contents(folder)) == {*before, "README.edited.md"}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("field", ["sha256", "labels", "metrics", "commit"])
def test_a_record_that_lost_a_field_is_replaced_and_kept(tmp_path: Path, field: str) -> None:
    folder = make_folder(tmp_path / "w")
    change_record(folder, **{field: None})
    make_folder(folder, overwrite=True)
    assert field in record(folder)
    assert (folder / "README.edited.md").exists()


def test_weights_without_metrics_load_but_cannot_be_pushed(tmp_path: Path) -> None:
    folder = weights.write_weights(tmp_path / "w", small_model(), small_recipe(), card_fields(metrics={}))
    assert weights.load_weights(folder).labels == small_recipe().model.labels
    assert not (folder / "confusion.png").exists()
    assert "confusion.png" not in (folder / "README.md").read_text()
    with pytest.raises(WeightsError, match="it has no figures"):
        weights.check_folder(folder)


def test_a_card_of_other_labels_than_the_network_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the same labels"):
        weights.write_weights(tmp_path / "w", small_model(), small_recipe(), card_fields(labels=("a", "b", "c")))
    assert list(tmp_path.iterdir()) == []
