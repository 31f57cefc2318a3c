"""Weights on a store: figures of the right clips, and what a reader must know of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import toy_databases
from toy_databases import weights_folder

from fer_zoo import weights
from fer_zoo.data import load
from fer_zoo.data.split_files import write_splits
from fer_zoo.data.splits import Split
from fer_zoo.data.store import open_store
from fer_zoo.errors import InputError, OptionError, WeightsError
from fer_zoo.evaluation.on_store import check_out, evaluate_on_store
from fer_zoo.training import evaluate_clips
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.run_folder import write_split


def noted(
    run: Path, train: Sequence[str], validation: Sequence[str] = (), test: Sequence[str] = (), store: str = ""
) -> Path:
    write_splits(run / "split.json", [Split("fold", *map(tuple, (train, validation, test)))], store=store, seed=1)
    return run / "split.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return weights_folder(tmp_path / "run")


def test_the_figures_are_those_of_the_training(tmp_path: Path, folder: Path) -> None:
    """Of every clip, in several batches; keys, subjects and videos are those of the store."""
    store = toy_databases.database(tmp_path, "mmi", clips=2)
    result = evaluate_on_store(folder, tmp_path / "mmi")
    assert result.predictions.keys.tolist() == [clip.key for clip in store.facts]
    assert result.predictions.subjects.tolist() == [clip.subject for clip in store.facts]
    assert result.predictions.videos.tolist() == [clip.video for clip in store.facts]
    by_video = result.by_video()
    assert by_video is not None
    assert len(by_video) == 18
    assert (result.left_out, result.absent, result.known, result.noisy) == ({}, (), "", None)


def test_probabilities_are_the_same_however_many_clips_are_at_once(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_databases.database(tmp_path, "mmi")
    at_once = evaluate_on_store(folder, tmp_path / "mmi").predictions
    monkeypatch.setattr("fer_zoo.training.evaluate._AT_ONCE", 5)
    np.testing.assert_allclose(
        evaluate_on_store(folder, tmp_path / "mmi").predictions.probabilities, at_once.probabilities, atol=1e-6
    )


def test_evaluate_gives_the_test_metrics_of_the_training_run(tmp_path: Path, folder: Path) -> None:
    toy_databases.database(tmp_path, "ckplus")
    recipe = toy_databases.recipe(
        split={"folds": 3, "fold": 1}, model={**toy_databases.fields()["model"], "input": {"frames": 8, "size": 32}}
    )
    folder = weights_folder(tmp_path / "long", recipe)
    clips = load(recipe, stores=tmp_path)
    split = noted(
        tmp_path / "long", *(sorted(clips[part].keys) for part in ("train", "validation", "test")),
        store=clips["train"].fingerprint,
    )  # fmt: skip
    result = evaluate_on_store(folder, tmp_path / "ckplus", split=split)
    expected = evaluate_clips(weights.load_weights(folder), clips["test"])
    assert figures(result.predictions).card() == expected
    assert set(result.predictions.keys.tolist()) == set(clips["test"].keys)
    assert result.known == "The network was trained on ckplus, but on other subjects than these."


def test_the_test_set_of_two_databases_is_evaluated_per_database(tmp_path: Path) -> None:
    """Its split.json has the databases' names before the keys; the shipped weights are of such a training."""
    for name in ("ckplus", "mmi"):
        toy_databases.database(tmp_path, name)
    recipe = toy_databases.recipe(split={"folds": 3, "fold": 1, "pooled_with": ["mmi"]})
    folder, clips = weights_folder(tmp_path / "run", recipe), load(recipe, stores=tmp_path)
    write_split(tmp_path / "run", recipe, clips)
    evaluated = {}
    for name in ("ckplus", "mmi"):
        result = evaluate_on_store(folder, tmp_path / name, split=tmp_path / "run" / "split.json")
        assert result.known == f"The network was trained on {name}, but on other subjects than these."
        evaluated |= {f"{name}:{key}": row for key, row in zip(
            result.predictions.keys.tolist(), result.predictions.probabilities.tolist(), strict=True
        )}  # fmt: skip
    assert set(evaluated) == set(clips["test"].keys)
    everybody = evaluate_on_store(folder, tmp_path / "mmi").known
    assert "trained on mmi, also on the subjects of" in everybody
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    (parts,) = split["splits"]
    moved = next(key for key in parts["train"] if key.startswith("mmi:"))
    parts["train"].remove(moved)
    parts["test"].append(moved)
    (tmp_path / "run" / "split.json").write_text(json.dumps(split))
    with pytest.raises(InputError, match="is in train and in test"):
        evaluate_on_store(folder, tmp_path / "mmi", split=tmp_path / "run" / "split.json")


def test_training_subjects_in_the_store_are_reported(tmp_path: Path, folder: Path) -> None:
    store = toy_databases.database(tmp_path, "ckplus", clips=2)
    message = "The network was trained on ckplus; whether on these subjects is unknown."
    assert evaluate_on_store(folder, tmp_path / "ckplus").known.startswith(message)
    # One clip of one subject in training, one of another in validation: the network knows both subjects.
    noted(folder.parent, [store.facts[0].key], [f"ckplus:{store.facts[-1].key}"])
    message = "The network was trained on ckplus, also on the subjects of 12 of these 36 clips (2 subjects): "
    assert evaluate_on_store(folder, tmp_path / "ckplus").known.startswith(message)


def test_synthetic_training_subjects_are_recognised_by_number(tmp_path: Path) -> None:
    split = {"train": (0, 2), "validation": (10, 11), "test": (20, 22)}
    recipe = toy_databases.recipe(split=split, data={"dataset": "synthmh"})
    folder = weights_folder(tmp_path / "run", recipe)
    subjects = ["000001", "000010", "000020", "000400"]
    toy_databases.database(tmp_path, "synthmh", subjects, detector="exact")
    result = evaluate_on_store(folder, tmp_path / "synthmh")
    assert "also on the subjects of 6 of these 12 clips (2 subjects)" in result.known
    assert result.noisy is not None
    assert not np.array_equal(result.noisy.probabilities, result.predictions.probabilities)
    assert result.noisy.keys.tolist() == result.predictions.keys.tolist()


def test_labels_that_the_network_or_the_store_lacks_are_counted(tmp_path: Path, folder: Path) -> None:
    toy_databases.database(tmp_path, "mmi", labels=["anger", "contempt", "happiness"])
    result = evaluate_on_store(folder, tmp_path / "mmi")
    assert (len(result.predictions), result.left_out, result.absent) == (12, {"contempt": 6}, ("fear",))
    store = open_store(tmp_path / "mmi")
    keys = {who: [clip.key for clip in store.facts if clip.subject == who] for who in ("S1", "S2")}
    split = noted(tmp_path / "few", keys["S1"], (), keys["S2"], store=store.header.fingerprint)
    assert evaluate_on_store(folder, tmp_path / "mmi", split=split).left_out == {"contempt": 1}
    toy_databases.database(tmp_path, "fera", labels=["contempt"])
    with pytest.raises(InputError, match=r"No clip of .* has a label of the network; the store has contempt"):
        evaluate_on_store(folder, tmp_path / "fera")


def test_what_does_not_fit_is_refused(tmp_path: Path, folder: Path) -> None:
    toy_databases.database(tmp_path, "mmi", fps=30.0, detector="face_alignment")
    with pytest.raises(
        InputError, match=r"fps: the store has 30.*detector: the store's landmarks are from face_alignment"
    ):
        evaluate_on_store(folder, tmp_path / "mmi")
    any_rate = weights_folder(tmp_path / "any", toy_databases.recipe(data={"dataset": "ckplus", "any_fps": True}))
    toy_databases.database(tmp_path, "fera", fps=30.0)
    assert len(evaluate_on_store(any_rate, tmp_path / "fera").predictions) == 18
    with pytest.raises(InputError, match="none"):
        evaluate_on_store(folder, tmp_path / "none")
    with pytest.raises(WeightsError, match="lacks"):
        evaluate_on_store(tmp_path, tmp_path / "fera")
    with pytest.raises(WeightsError, match="no weights"):
        evaluate_on_store("incres3d_lstm.big", tmp_path / "fera")
    with pytest.raises(OptionError, match="Device 'nonsense'"):
        evaluate_on_store(any_rate, tmp_path / "fera", device="nonsense")


def test_a_split_of_other_clips_is_refused(tmp_path: Path, folder: Path) -> None:
    store = toy_databases.database(tmp_path, "ckplus")
    keys = [clip.key for clip in store.facts]
    other = noted(tmp_path, keys[:9], (), keys[9:], store="other")
    with pytest.raises(InputError, match=r"was made for the store other"):
        evaluate_on_store(folder, tmp_path / "ckplus", split=other)
    overlapping = noted(tmp_path, keys[:10], (), keys[10:], store=store.header.fingerprint)
    with pytest.raises(InputError, match="subject 'S4' is in train and in test"):
        evaluate_on_store(folder, tmp_path / "ckplus", split=overlapping)
    two = [Split(name, tuple(keys[:9]), (), tuple(keys[9:])) for name in ("one", "two")]
    write_splits(tmp_path / "split.json", two, store=store.header.fingerprint, seed=1)
    with pytest.raises(OptionError, match="contains 2 splits"):
        evaluate_on_store(folder, tmp_path / "ckplus", split=tmp_path / "split.json")


def test_what_is_written(tmp_path: Path, folder: Path) -> None:
    toy_databases.database(tmp_path, "mmi", clips=2)
    result = evaluate_on_store(folder, tmp_path / "mmi")
    result.write(tmp_path / "out")
    back = Predictions.read(tmp_path / "out" / "predictions.csv")
    assert np.array_equal(back.probabilities, result.predictions.probabilities)
    written = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert written["clips"]["war"] == figures(result.predictions).war
    assert (written["videos"]["clips"], written["clips"]["clips"]) == (18, 36)
    assert written["clips"]["estimates"]["war"]["interval"][0] <= written["clips"]["war"]
    assert written["weights"]["sha256"] == weights.read_folder(folder).card.sha256
    for refused in (result.write, check_out):
        with pytest.raises(InputError, match=r"already contains figures\.json"):
            refused(tmp_path / "out")
    with pytest.raises(InputError, match="cannot be written to"):
        check_out(tmp_path / "out" / "figures.json")


def test_figures_of_each_group_that_the_database_names(tmp_path: Path, folder: Path) -> None:
    """The sex of some subjects is unknown; the metrics of each group are those of its own clips."""
    toy_databases.database(tmp_path, "mmi", groups=({"sex": "female"}, {"sex": "male"}, {}))
    result = evaluate_on_store(folder, tmp_path / "mmi")
    result.write(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "figures.json").read_text())["clips"]["groups"]["sex"]
    assert {group: (of["clips"], of["subjects"]) for group, of in written.items()} == {
        "": (6, 2), "female": (6, 2), "male": (6, 2)
    }  # fmt: skip
    women = np.isin(result.predictions.subjects, ["S1", "S4"])
    assert written["female"]["confusion"] == [list(row) for row in figures(result.predictions.take(women)).confusion]
    back = Predictions.read(tmp_path / "out" / "predictions.csv")
    assert back.groups["sex"].tolist() == result.predictions.groups["sex"].tolist()
