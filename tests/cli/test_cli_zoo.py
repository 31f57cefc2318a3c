"""`fer-zoo models`, `components`, `info`: the library's lists, one name a line."""

from __future__ import annotations

import pytest

from fer_zoo import cli, list_components, list_models, model_info, plugins, registry
from fer_zoo.registry import REGISTRIES


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "incres3d_tiny_lstm*", "--exclude", "*_in", "--exclude", "*lm_a*"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert {"incres3d_tiny_lstm", "incres3d_tiny_lstm_lm"} <= set(output)
    assert output == list_models("incres3d_tiny_lstm*", exclude=["*_in", "*lm_a*"])
    assert cli.main(["models", "--pretrained"]) == 0
    assert capsys.readouterr().out.split() == list_models(pretrained=True)
    assert cli.main(["models", "*nonsense*"]) == cli.EXIT_ERROR
    assert "No model matches '*nonsense*'" in capsys.readouterr().err
    assert cli.main(["models", "*lstm*", "--exclude", "*"]) == cli.EXIT_ERROR
    assert "No model matches '*lstm*' excluding '*'." in capsys.readouterr().err
    assert cli.main(["models", "zzz", "--pretrained"]) == cli.EXIT_ERROR
    assert "No model with weights matches 'zzz'." in capsys.readouterr().err


def test_models_of_a_family(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("timm")
    assert cli.main(["models", "timm/resnet18_mean*", "--family", "timm"]) == 0
    assert "timm/resnet18_mean" in capsys.readouterr().out.splitlines()
    assert cli.main(["models", "timm/nonsense_*"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "or 'timm/NAME_*' for models of timm" in error
    assert "`fer-zoo components backbone 'timm/*'` the backbones of timm" in error
    assert cli.main(["models", "--family", "tim"]) == cli.EXIT_ERROR
    assert "did you mean 'timm'?" in capsys.readouterr().err


def test_components_have_a_line_each_with_their_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["components"]) == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows] == [[kind, name] for kind in REGISTRIES for name in list_components(kind)]
    assert dict(row[1:] for row in rows)["lm"] == REGISTRIES["fusion"].get("lm").summary
    assert all(len(row) == 3 for row in rows), "every component has a summary"
    assert cli.main(["components", "fusion", "lm_*"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == list_components("fusion", "lm_*")


def test_a_pattern_without_a_kind_searches_all_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    for pattern in ("*m*", "lm*", "lm"):
        assert cli.main(["components", pattern]) == 0
        output = [tuple(line.split()[:2]) for line in capsys.readouterr().out.splitlines()]
        assert output == [(kind, name) for kind in REGISTRIES for name in list_components(kind, pattern)]
    assert {kind for kind in REGISTRIES if list_components(kind, "*m*")} > {"backbone", "temporal", "fusion"}
    assert cli.main(["components", "zz*"]) == cli.EXIT_ERROR
    assert "No component matches 'zz*'." in capsys.readouterr().err


def test_common_facts_of_a_family_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("timm")
    for arguments in (["backbone", "timm/resnet18*"], ["timm/resnet18*"]):
        assert cli.main(["components", *arguments]) == 0
        first, *members = capsys.readouterr().out.splitlines()
        assert first.split(maxsplit=2) == [
            "backbone",
            "timm/NAME",
            REGISTRIES["backbone"].snapshot()["timm/"].summary,
        ]
        assert [line.split() for line in members] == [
            ["backbone", n] for n in list_components("backbone", "timm/resnet18*")
        ]


def test_components_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["components", "fuson"]) == cli.EXIT_ERROR
    assert "did you mean 'fusion'?" in capsys.readouterr().err
    assert cli.main(["components", "fusion", "x*"]) == cli.EXIT_ERROR
    assert "No fusion matches 'x*'." in capsys.readouterr().err


def test_a_broken_plugin_is_named_beside_the_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = plugins.BrokenPlugin("extra", "zoo-extra 1.0", "ImportError: no module named 'gone'")
    monkeypatch.setattr(registry, "_loading", registry._Loading(started=True, broken=(broken,)))
    assert cli.main(["components", "temporal"]) == 0
    captured = capsys.readouterr()
    assert "lstm" in captured.out
    assert captured.err == f"{broken}\n"


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "incres3d_tiny_mean"]) == 0
    assert capsys.readouterr().out == f"{model_info('incres3d_tiny_mean')}\n"
    assert cli.main(["info", "incres3d_tiny_lstm_lm.synth7"]) == 0
    output = capsys.readouterr().out
    assert "parameters  1.41 M" in output
    assert "neutral, anger, disgust" in output
    assert cli.main(["info", "incres3d_tiny_lstm_lm.synth8"]) == cli.EXIT_ERROR
    assert "synth7" in capsys.readouterr().err
    assert cli.main(["info", "incres3d_tiny_lsdm"]) == cli.EXIT_ERROR
    assert "incres3d_tiny_lstm" in capsys.readouterr().err
    assert cli.main(["info", "incres3d_tiny_lsdm.synth7"]) == cli.EXIT_ERROR
    assert "Unknown model 'incres3d_tiny_lsdm'." in capsys.readouterr().err
