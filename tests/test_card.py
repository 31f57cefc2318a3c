"""The card of a weights folder: metadata for the Hub, text for readers, and an example that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from weights_folders import LABELS, METRICS, card_fields, make_folder, small_recipe

import fer_zoo
from fer_zoo import weights
from fer_zoo.card import PLACEHOLDER, card_text, confusion_table, fill_card
from fer_zoo.specs import Metrics, WeightsCard


def card(**changes: Any) -> WeightsCard:
    return WeightsCard.model_validate({**card_fields(sha256="0" * 64), **changes})


def text_of(**changes: Any) -> str:
    return card_text(card(**changes), small_recipe().model)


def front(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_the_hub_finds_what_it_looks_for() -> None:
    matter = front(text_of(datasets=("synthmh",), tested_on=("synthmh",)))
    assert matter["library_name"] == "fer-zoo"
    assert matter["pipeline_tag"] == "video-classification"
    assert matter["license"] == "apache-2.0"
    assert "license_name" not in matter
    assert matter["datasets"] == ["synthmh"]
    assert {"facial-expression-recognition", "video", "synthetic-data"} <= set(matter["tags"])


def test_the_hubs_own_client_reads_the_figures() -> None:
    from huggingface_hub import ModelCard

    noisy = {**METRICS, "war": 0.25}
    text = text_of(
        metrics={"validation": METRICS, "test": METRICS, "test_noisy": noisy},
        datasets=("mmi", "fera"),
        tested_on=("ckplus",),
        protocol="cross-database",
    )
    data = ModelCard(text).data
    assert data.model_name == "incres3d_tiny_lstm_lm.try"
    found = {(result.dataset_split, result.metric_type): result for result in data.eval_results}
    assert {key: result.metric_value for key, result in found.items()} == {
        ("validation", "war"): 0.5, ("validation", "uar"): 0.5, ("test", "war"): 0.5, ("test", "uar"): 0.5,
        ("test_noisy", "war"): 0.25, ("test_noisy", "uar"): 0.5,
    }  # fmt: skip
    assert {result.task_type for result in found.values()} == {"video-classification"}
    assert found["test", "uar"].dataset_name == "ckplus, test (cross-database)"
    assert found["validation", "uar"].dataset_name == "mmi + fera, validation (cross-database)"
    assert found["test", "uar"].dataset_args == {"protocol": "cross-database", "clips": 6, "subjects": 2}


@pytest.mark.parametrize(
    ("licence", "source", "word", "name", "link"),
    [
        ("CC0-1.0", "x, 2026-11-22", "cc0-1.0", None, None),
        ("CC BY-NC 4.0", "x, 2026-11-22", "cc-by-nc-4.0", None, None),
        ("gated: signed agreement", "https://a.org/eula, read 2026-11-22", "other", "gated-signed-agreement",
         "https://a.org/eula"),
        ("none", "unknown", "other", "none", "https://huggingface.co/OWNER/NAME#terms"),
        ("[a] MIT [b] research only", "unknown", "other", "a-mit-b-research-only",
         "https://huggingface.co/OWNER/NAME#terms"),
        ("名", "unknown", "other", "other", "https://huggingface.co/OWNER/NAME#terms"),
        ("long " * 100, "unknown", "other", "-".join(["long"] * 12), "https://huggingface.co/OWNER/NAME#terms"),
    ],
)  # fmt: skip
def test_a_licence_is_one_of_the_hubs_or_other(
    licence: str, source: str, word: str, name: str | None, link: str | None
) -> None:
    text = text_of(licence=licence, terms_source=source)
    matter = front(text)
    assert (matter["license"], matter.get("license_name"), matter.get("license_link")) == (word, name, link)
    assert f"Licence: {licence}." in text
    assert matter["fer_zoo"]["licence"] == licence


def test_what_a_reader_must_know() -> None:
    body = text_of().split("---\n", 2)[2]
    for sentence in (
        "not comparable",
        "None beyond the licence.",
        "shared: yes.",
        "Source: a note of 2026-11-22.",
        "do not judge people",
        "| test | 6 | 2 | 50.0% | 50.0% |",
        "| glad | 0 | 2 | 0 |",
        "![Confusion matrix](confusion.png)",
    ):
        assert sentence in body


@pytest.mark.parametrize(
    ("clips", "subjects", "amount", "few"),
    [
        (1, 1, "1 clip of 1 subject", True),
        (199, 50, "199 clips of 50 subjects", True),
        (5000, 3, "5000 clips of 3 subjects", True),
        (200, 10, "200 clips of 10 subjects", False),
        (200, 0, "200 clips", False),
    ],
)
def test_a_card_says_on_how_much_the_probabilities_were_calibrated(
    clips: int, subjects: int, amount: str, few: bool
) -> None:
    errors = {"validation": 0.2, "test": 0.1}
    calibrated = {
        "calibration": {"temperature": 1.234, "before": errors, "after": errors},
        "metrics": {"validation": {**METRICS, "clips": clips, "subjects": subjects}, "test": METRICS},
    }
    text = " ".join(text_of(**calibrated).split("\n---\n", 1)[1].split())
    assert f"divided by 1.23, a temperature that was fitted on the validation set ({amount}), so that" in text
    warning = f"The probabilities were calibrated on {amount} only: they may be too high or too low for others."
    assert card(**calibrated).calibration_warning == warning * few
    assert (f"**{warning}**" in text) == few
    assert "Expected calibration error: validation 20.0% before, 20.0% after; test 10.0% before" in text


def test_weights_that_were_not_calibrated_have_no_warning_about_it() -> None:
    assert card(metrics={"validation": METRICS}).calibration_warning == ""
    assert "temperature" not in text_of(metrics={"validation": METRICS})


def test_the_card_of_real_faces_does_not_say_synthetic() -> None:
    text = text_of(synthetic=False)
    assert "synthetic-data" not in text
    assert "are synthetic" not in text


def test_the_whole_record_comes_back(tmp_path: Path) -> None:
    long = {
        "terms": "Zeile: eins\n\n- zwei # drei 'vier' \"fünf\" " + "x" * 300,
        "training_data": "---\nno: front matter",
        "metrics": {"test": {**METRICS, "war": 1 / 3, "uar": 1e-17}},
        "files": {},
        "datasets": ("a", "b"),
        "beside": {"config.json": "1" * 64},
    }
    (tmp_path / "README.md").write_text(text_of(**long))
    assert weights.read_card(tmp_path / "README.md") == card(**long)
    (tmp_path / "README.md").write_text(text_of().replace("\n", "\r\n"))
    assert weights.read_card(tmp_path / "README.md") == card()


def test_older_versions_can_read_the_record_of_a_plain_card() -> None:
    news = {"files", "beside", "datasets", "tested_on", "calibration", "started_from"}
    assert front(text_of())["fer_zoo"].keys() == WeightsCard.model_fields.keys() - news


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ("<img src=x onerror=alert(1)>", "<img"),
        ("[x](javascript:alert(1))", "](javascript:"),
        ("![x](https://a.org/x.png)", "](https:"),
        ("a\n\n## Terms", "\n## Terms"),
        ("# heading", "\n# heading"),
        ("`code`", " `code`"),
        ("x\u202egnp.exe", "\u202e"),
        ("&lt;b&gt;", " &lt;b"),
    ],
)
def test_text_of_others_is_shown_as_text(text: str, wrong: str) -> None:
    fields = ("name", "licence", "terms", "may_use", "training_data", "protocol", "hardware", "commit")
    for changes in ({"labels": (text, *LABELS[1:]), "metrics": {text: METRICS}}, *({field: text} for field in fields)):
        spec = small_recipe().model
        shown = card(**changes)
        body = card_text(shown, spec.model_copy(update={"labels": shown.labels})).split("\n---\n", 1)[1]
        assert body.count(wrong) == card_text(card(), spec).split("\n---\n", 1)[1].count(wrong), changes


@pytest.mark.parametrize("label", ["a|b", "a\\|b", "a\nb", "a\tb", "|"])
def test_a_label_is_one_cell_of_a_table(label: str) -> None:
    lines = confusion_table(Metrics.model_validate(METRICS), (label, *LABELS[1:]))
    assert len(lines) == len(LABELS) + 2
    for line in lines:
        assert "\t" not in line
        # A pipe after an odd number of backslashes is text.
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == len(LABELS) + 2, line


def test_filling_in_the_repository() -> None:
    spec = small_recipe().model
    plain = card_text(card(licence="mine"), spec)
    assert plain.count(PLACEHOLDER) == 2
    filled = fill_card(plain, "jane/faces")
    assert filled == card_text(card(licence="mine"), spec, repo="jane/faces")
    assert PLACEHOLDER not in filled
    assert 'create_model("hf-hub:jane/faces", pretrained=True)' in filled


def test_the_usage_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(tmp_path / "w")
    requested = []

    def create(name: str, *, pretrained: bool) -> fer_zoo.FERModel:
        requested.append((name, pretrained))
        return weights.load_weights(folder)

    monkeypatch.setattr(fer_zoo, "create_model", create)
    (code,) = re.findall(r"```python\n(.*?)```", fill_card((folder / "README.md").read_text(), "jane/faces"), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert requested == [("hf-hub:jane/faces", True)]
    printed = eval(capsys.readouterr().out)
    assert tuple(printed) == LABELS
    assert sum(printed.values()) == pytest.approx(1)
