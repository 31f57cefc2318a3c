"""`fer-zoo prepare` and `fer-zoo data`: what is printed, exit codes, and errors in three parts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from fer_zoo.cli import main
from fer_zoo.registry import DATASETS


def pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (32, 32), (number, 0, len(folder.name))).save(folder / f"{number:03d}.png")


def test_data_check_of_own_clips_names_no_counts_to_compare_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(tmp_path / "fear" / "a", 3)
    pictures(tmp_path / "neutral" / "other", 3)
    assert main(["data", "check", "folder", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"2 labelled sources in {tmp_path}",
        "  subjects                 unknown",
        "  fear                     1",
        "  neutral                  1",
        "no problems found; the clips above can be prepared",
    ]


def test_data_check_of_a_database_whose_counts_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Actor_01").mkdir()
    (tmp_path / "Actor_01" / "02-01-03-01-01-01-01.mp4").touch()
    monkeypatch.setattr("fer_zoo.data.datasets.ravdess._expected", lambda channel: {"clips": 1})
    assert main(["data", "check", "ravdess", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all counts match the expected ones"


def test_data_check_where_nothing_is_known_of_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(tmp_path / "fear" / "a", 3)
    (tmp_path / "notes").mkdir()
    assert main(["data", "check", "folder", "--root", str(tmp_path)]) == 2
    output = capsys.readouterr().err
    assert "1 problem.\n  Accepted: what the reader folder can use\n" in output
    assert "differ" not in output


def test_data_check_walks_once_and_shows_splits_differences_and_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("02-01-03-01-01-01-01.mp4", "02-01-06-01-01-01-01.mp4", "02-01-09-01-01-01-01.mp4", "\udcff.mp4"):
        (tmp_path / "Actor_01").mkdir(exist_ok=True)
        (tmp_path / "Actor_01" / name).touch()
    walks: list[str] = []
    listed = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: walks.append(Path(path).name) or listed(path))
    assert main(["data", "check", "ravdess", "--root", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert walks.count("Actor_01") == 2, "once for the folders of actors, once for their files"
    assert output.out.splitlines()[:6] == [
        f"2 labelled sources in {tmp_path}",
        "  subjects                 1",
        "  fear                     1",
        "  happiness                1",
        "  published fold_1 test    2",
        "  published fold_2 train   2",
    ]
    assert "differs: clips: 2, expected 1440" in output.out
    assert "problem: the name is not of the form MM-VV-EE-II-SS-RR-AA: 1 left out, such as \\xff.mp4" in output.out
    assert "16 counts differ from the published ones of ravdess; 2 problems." in output.err


@pytest.mark.parametrize(
    ("dataset", "first", "file"),
    [("csv", "path,label,subject,start,end", "clips.csv"), ("fera", "clip,emotion,subject", "fera.csv")],
)
def test_a_template_is_a_table_that_its_reader_takes(
    dataset: str, first: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "template", dataset]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == first
    (tmp_path / file).write_text(text.replace("# train", "train"))
    for name in ("videos/anna_1.mp4", "videos/anna_2.mp4", "pictures/bo_1/1.png", "train_001.avi", "train_002.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    reader = DATASETS.get(dataset).build(options={}, root=tmp_path)
    assert len(list(reader.sources())) == {"csv": 3, "fera": 2}[dataset]
    assert reader.problems == []


def test_a_dataset_without_a_template(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "template", "ckplus"]) == 2
    assert capsys.readouterr().err == (
        "fer-zoo: Dataset 'ckplus' has no table to fill in.\n"
        "  Accepted: csv, fera\n"
        "  What to do: its files already contain the labels: skip this step\n"
    )
    assert main(["data", "template", "fear"]) == 2
    assert "did you mean 'fera'" in capsys.readouterr().err


def test_data_check_of_a_wrong_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "ckplus", "--root", str(tmp_path)]) == 2
    output = capsys.readouterr().err
    assert "cohn-kanade-images" in output
    assert "Accepted: " in output
    assert "What to do: " in output


def test_terms_of_every_dataset_say_all_that_there_is_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "terms"]) == 0
    output = capsys.readouterr().out
    for name in DATASETS.names():
        assert f"{name}\n  licence: " in output
    assert output.count("weights trained on it may be shared: ") == len(DATASETS.names())


def test_the_list_of_datasets_says_in_a_word_whether_weights_may_be_shared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components", "dataset"]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["ckplus"].endswith(" [sharing weights: unknown]")
    assert lines["synthmh"].endswith(" [sharing weights: yes]")
