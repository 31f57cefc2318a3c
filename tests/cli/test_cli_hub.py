"""`fer-zoo push`, `download`, `cache`: against a Hub on this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hub import Hub
from hub.fixtures import hub
from hub.weights_folder import contents_of, here, home, made, publish

from fer_zoo import cli, weights, weights_table

__all__ = ["here", "home", "hub", "made"]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of published weights for a test to write."""
    path = tmp_path / "published.json"
    path.write_text("{}")
    monkeypatch.setattr(weights_table, "TABLE", path)
    return path


def test_push(hub: Hub, made: Path, here: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["push", str(made), "alice/m", "--tag", "v1.0", "--message", "The first"]
    assert cli.main([*arguments, "--dry-run"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0] == f"{here}/alice/m (private, will be created)"
    digest = weights.sha256(made / "model.safetensors")
    size = (made / "model.safetensors").stat().st_size
    assert f"upload     {size:>11}  lfs  {digest}  model.safetensors" in output
    assert [line.split()[-1] for line in output if line.startswith("upload")] == sorted(contents_of(made))
    assert output[-1] == "Nothing was uploaded."
    assert not hub.state.store.repos
    assert cli.main(arguments) == 0
    url, use = capsys.readouterr().out.splitlines()
    commit = hub.head("alice/m", "v1.0")
    assert url == f"{here}/alice/m/tree/{commit}"
    assert use == f"fer_zoo.create_model('hf-hub:alice/m@{commit}', pretrained=True)"
    assert cli.main(arguments) == 0
    assert "Nothing has changed: no commit was created." in capsys.readouterr().out
    assert cli.main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("unchanged ") == len(contents_of(made))


def test_push_in_public_and_as_a_pull_request(
    hub: Hub, made: Path, here: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["push", str(made), "alice/m", "--public", "--revision", "dev"]) == 0
    assert not hub.repo("alice/m").private
    assert hub.head("alice/m", "dev") != hub.head("alice/m")
    assert cli.main(["push", str(made), "alice/m", "--pull-request"]) == 0
    output = capsys.readouterr().out
    assert f"{here}/alice/m/discussions/1\nOthers can use it after the owner has merged it.\n" in output


def test_push_of_what_is_not_fit_or_not_allowed(
    hub: Hub, made: Path, here: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        ([str(tmp_path / "nothing"), "alice/m"], "There is no folder"),
        ([str(made), "../m"], "OWNER/NAME"),
        ([str(made), "alice/m", "--tag", "a..b"], "The tag 'a..b'"),
        ([str(made), "bob/m"], "You may not do this with bob/m"),
    ):
        assert cli.main(["push", *arguments]) == cli.EXIT_ERROR
        error = capsys.readouterr().err
        assert message in error
        assert "What to do: " in error
    assert not hub.state.store.repos


def test_download(hub: Hub, made: Path, here: str, home: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit = publish(hub, made)
    name = "incres2d_tiny_gru.far1"
    assert cli.main(["download", "--all"]) == 0
    assert "table of published weights is empty" in capsys.readouterr().out
    digest = weights.sha256(made / "model.safetensors")
    weights_table.write_table({name: weights_table.Published(repo="alice/m", commit=commit, sha256=digest)}, table)
    assert cli.main(["download", "--all", "--list"]) == 0
    assert capsys.readouterr().out == f"{name}  hf-hub:alice/m@{commit}\n"
    assert not hub.requests.lines()
    assert cli.main(["download", "--all", "incres3d_tiny_lstm_lm.synth7"]) == 0
    folder = home / "models--alice--m" / "snapshots" / commit
    assert f"{name}  {folder}\n" in capsys.readouterr().out
    assert (folder / "model.safetensors").exists()
    # One that is not to be had does not keep the others from coming.
    assert cli.main(["download", "hf-hub:alice/none", "hf-hub:alice/m"]) == cli.EXIT_ERROR
    captured = capsys.readouterr()
    assert captured.out == f"hf-hub:alice/m  {folder}\n"
    assert "no repository alice/none" in captured.err
    for arguments, message in (
        ([], "needs a name"),
        (["incres3d_tiny_lsdm"], "did you mean"),
        (["incres3d_tiny_lstm_lm.synth8"], "synth7"),
        (["--list", "incres3d_tiny_lstm_lm.synth8"], "synth7"),
        (["hf-hub:../x"], "cannot exist on a Hub"),
    ):
        assert cli.main(["download", *arguments]) == cli.EXIT_ERROR
        assert message in capsys.readouterr().err


def test_cache(hub: Hub, made: Path, here: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "list"]) == 0
    assert capsys.readouterr() == ("", "no downloaded weights\n")
    commit = publish(hub, made)
    assert cli.main(["download", "hf-hub:alice/m"]) == 0
    capsys.readouterr()
    name = f"hf-hub:alice/m@{commit}"
    folder = home / "models--alice--m" / "snapshots" / commit
    assert cli.main(["cache", "list"]) == 0
    size = sum(path.stat().st_size for path in made.iterdir())
    assert capsys.readouterr().out == f"{name}  main  {size}  {folder}\n"
    assert cli.main(["cache", "verify"]) == 0
    assert capsys.readouterr().out == f"{name}  ok\n"
    (folder / "model.safetensors").resolve().write_bytes(b"x" * 100)
    assert cli.main(["cache", "verify"]) == cli.EXIT_ERROR
    captured = capsys.readouterr()
    assert re.match(rf"{name}  .*model\.safetensors", captured.out)
    assert "1 of the weights in the cache is damaged.\n" in captured.err
    assert (folder / "model.safetensors").exists()
    assert cli.main(["cache", "verify", "--remove"]) == cli.EXIT_ERROR
    assert "and were removed" in capsys.readouterr().err
    assert not (folder / "model.safetensors").exists()
    assert cli.main(["cache", "verify"]) == 0
    assert cli.main(["cache", "lst"]) == cli.EXIT_ERROR
    assert "did you mean 'list'?" in capsys.readouterr().err
