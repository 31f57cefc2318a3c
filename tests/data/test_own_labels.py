"""Labels of the user's own work from the table to the prediction, with the commands that the documentation shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from video_files import dlib_or_skip, encode

from fer_zoo import cli
from fer_zoo.synth import render_video

RECIPE = """
extends: quickstart
model: {labels: [bored, interested]}
data: {dataset: csv, stores: {csv: mine}}
split: {folds: 3, fold: 1}
protocol: subject-independent
pretrain: null
train: {epochs: 1, batch_size: 2}
"""


@pytest.mark.slow
def test_labels_of_ones_own_from_table_to_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dlib_or_skip()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    rows = ["sep=;", "path;label;subject;start_s;end_s"]
    for number, subject in ((0, "anna"), (1, "ben"), (3, "cora")):
        for label, expression in (("bored", "neutral"), ("interested", "surprise")):
            video = render_video(number, [expression], seconds_each=0.84, size=192, plain=True)
            encode(tmp_path / "videos" / f"{subject}_{label}.mp4", video.frames)
            rows.append(f"{subject}_{label}.mp4;{label};{subject};0,0;0,8")
    (tmp_path / "videos" / "clips.csv").write_text("\r\n".join(rows))
    (tmp_path / "mine.yaml").write_text(RECIPE)
    for command in (
        "data check csv --root videos",
        "prepare csv --root videos --recipe mine.yaml --out mine",
        "train mine.yaml --stores . --out run --max-steps 2 --device cpu",
        "predict videos/anna_bored.mp4 --model run/weights --out out --device cpu",
    ):
        assert cli.main(command.split()) == 0, command
    header = next((tmp_path / "out").glob("*.csv")).read_text().partition("\n")[0]
    assert header.endswith("label,p_bored,p_interested")
