"""Wrong arguments: the three parts of every error, exit code 2, the parser of the verb that was meant."""

from __future__ import annotations

import pytest

from fer_zoo import cli

VERBS = (
    "predict, live, app, features, explain, export, benchmark, models, components, info, recipes, prepare, data, "
    "train, finetune, train-landmarks, evaluate, ablate, report, push, download, cache"
)
CASES = {
    "foo": ("`fer-zoo` has no command 'foo'.", VERBS, "fer-zoo"),
    "modls": ("`fer-zoo` has no command 'modls'.", "did you mean 'models'?", "fer-zoo"),
    "": ("`fer-zoo` needs a command.", VERBS, "fer-zoo"),
    "--debgu models": ("`fer-zoo` has no option '--debgu'.", "did you mean '--debug'?", "fer-zoo"),
    "recipes": ("`fer-zoo recipes` needs a command.", "ls, show, copy, validate, diff", "fer-zoo recipes"),
    "recipes vaidate": ("`fer-zoo recipes` has no command 'vaidate'.", "did you mean 'validate'?", "fer-zoo recipes"),
    "train quickstart --wrkers 3": (
        "`fer-zoo train` has no option '--wrkers'.",
        "did you mean '--workers'?",
        "fer-zoo train",
    ),
    "train quickstart --wrkers=3": (
        "`fer-zoo train` has no option '--wrkers'.",
        "did you mean '--workers'?",
        "fer-zoo train",
    ),
    "info --zzz x": ("`fer-zoo info` has no option '--zzz'.", "--help, --debug", "fer-zoo info"),
    "models --pattern lstm": (
        "`fer-zoo models` has no option '--pattern'.",
        "PATTERN without a name before it: fer-zoo models [OPTIONS] [PATTERN]",
        "fer-zoo models",
    ),
    "info a b": ("`fer-zoo info` got an unexpected argument 'b'.", "fer-zoo info [OPTIONS] MODEL", "fer-zoo info"),
    "info": ("`fer-zoo info` needs MODEL.", "fer-zoo info [OPTIONS] MODEL", "fer-zoo info"),
    "evaluate": (
        "`fer-zoo evaluate` needs WEIGHTS, --store.",
        "fer-zoo evaluate [OPTIONS] --store DIR WEIGHTS",
        "fer-zoo evaluate",
    ),
    "predict": ("`fer-zoo predict` needs SOURCE.", "fer-zoo predict [OPTIONS] SOURCE [SOURCE ...]", "fer-zoo predict"),
    "predict x.mp4 --hop a": (
        "--hop: 'a' is not an integer >= 1.",
        "--hop N: frames between the starts of two windows; default: 2, or 1 for networks of single frames",
        "fer-zoo predict",
    ),
    "predict x.mp4 --hop -1": (
        "--hop: '-1' is not an integer >= 1.",
        "--hop N: frames between the starts of two windows; default: 2, or 1 for networks of single frames",
        "fer-zoo predict",
    ),
    "predict x.mp4 --model": (
        "--model: expected one argument.",
        "--model NAME: MODEL or MODEL.TAG, hf-hub:OWNER/NAME, a weights folder, or an exported file; default: "
        "incres2d_tiny_mean_lm_in",
        "fer-zoo predict",
    ),
}


@pytest.mark.parametrize("line", CASES)
def test_the_whole_text(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    given, accepted, prog = CASES[line]
    assert cli.main(line.split()) == cli.EXIT_ERROR
    captured = capsys.readouterr()
    do = f"see `{prog} --help`"
    assert captured.err == f"fer-zoo: {given}\n  Accepted: {accepted}\n  What to do: {do}\n"
    assert captured.out == ""


def test_an_ambiguous_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "--", "a", "b"]) == cli.EXIT_ERROR
    assert "got an unexpected argument 'b'" in capsys.readouterr().err
    assert cli.main(["predict", "x.mp4", "--d", "cpu"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "ambiguous option: --d could match --debug, --device." in error
    assert "Accepted: fer-zoo predict [OPTIONS] SOURCE" in error


def test_a_wrong_choice_of_an_option_is_no_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", "x.mp4", "--per", "hour"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "--per: invalid choice: 'hour'" in error
    assert "Accepted: --per: rows per frame or per second" in error


def test_a_recipe_that_an_option_swallowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes", "show", "--set", "seed=2", "quickstart"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "`fer-zoo recipes show` needs RECIPE." in error
    assert "What to do: write RECIPE before --set, which takes everything after it" in error
    assert cli.main(["ablate", "quickstart"]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "`fer-zoo ablate` needs --out." in error
    assert "before" not in error.rpartition("What to do")[2]
