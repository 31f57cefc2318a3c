"""Addresses of weights: what is taken, and that no trick with paths or URLs is."""

from __future__ import annotations

from pathlib import Path

import pytest

import fer_zoo
from fer_zoo.errors import OptionError
from fer_zoo.hub import HubName, parse
from fer_zoo.hub.names import is_address, parse_folder, parse_repo, parse_revision

from .weights_folder import made

__all__ = ["made"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("name", "repo", "revision"),
    [
        ("hf-hub:me/happy-faces", "me/happy-faces", None),
        ("hf-hub:me/happy-faces@v1.0", "me/happy-faces", "v1.0"),
        ("hf-hub:Me2/incres3d_tiny_lstm_lm.synth7@dev/exp-1", "Me2/incres3d_tiny_lstm_lm.synth7", "dev/exp-1"),
        ("hf-hub:me/m@refs/pr/1", "me/m", "refs/pr/1"),
        (f"hf-hub:me/m@{COMMIT}", "me/m", COMMIT),
    ],
)
def test_names_that_are_taken(name: str, repo: str, revision: str | None) -> None:
    found = parse(name)
    assert found == HubName(repo, revision)
    assert str(found) == name
    assert found.is_pinned == (revision == COMMIT)
    assert is_address(name)


WRONG = [
    "", "me", "/me/m", "me/", "/m", "me/m/x", "me//m", "../m", "me/..", "me/../../etc", "..", "me\\m", "..\\..\\m",
    "me--you/m", "me/m--n", "me/m.git", "me/.m", ".me/m", "me/m.", "-me/m", "me/m\n", "me/m\0", "me/\x1bm", "me/m ",
    "https://huggingface.co/me/m", "file:///etc/passwd", "C:/me", "me:x/m", "mé/m", "me/m%2e%2e", "~/m", "me/m?x=1",
    "me/m#x", "me/" + "m" * 200,
]  # fmt: skip


@pytest.mark.parametrize("repo", WRONG)
def test_names_that_are_refused(repo: str) -> None:
    with pytest.raises(OptionError, match="What to do"):
        parse(f"hf-hub:{repo}")
    with pytest.raises(OptionError, match="OWNER/NAME"):
        parse_repo(repo)


@pytest.mark.parametrize(
    "revision",
    ["", "../main", "a/../b", "/main", "main/", "a//b", "a/.b", "x.lock", "a b", "a\nb", "a\0b", "-x", "@{1}", "a:b",
     "a\\b", "x" * 200, "main@v1", "a~1", "a^", "*", "é"],
)  # fmt: skip
def test_revisions_that_are_refused(revision: str) -> None:
    with pytest.raises(OptionError, match="What to do"):
        parse(f"hf-hub:me/m@{revision}")
    with pytest.raises(OptionError, match="tag"):
        parse_revision(revision, "tag")


def test_other_names_are_no_addresses() -> None:
    assert not any(map(is_address, ("incres3d_lstm_lm", "timm/resnet18_lstm", "HF-HUB:me/m", "me/m")))
    with pytest.raises(OptionError, match="does not begin with hf-hub:"):
        parse("me/m")


def test_a_folder_by_its_address(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fer_zoo.create_model(f"local-dir:{made}", pretrained=True)
    assert model.card is not None
    assert (model.card.name, model.training) == ("incres3d_tiny_lstm_lm.try", False)
    monkeypatch.setenv("HOME", str(made.parent))
    assert parse_folder("local-dir:~/weights") == made
    for name in ("local-dir:", "local-dir:a\0b", "elsewhere"):
        with pytest.raises(OptionError, match="local-dir:PATH"):
            parse_folder(name)
    with pytest.raises(OptionError, match="no options"):
        fer_zoo.create_model(f"local-dir:{made}", pretrained=True, width=2)
    with pytest.raises(OptionError, match="put a revision behind an @"):
        fer_zoo.create_model("hf-hub:me/m", pretrained="v1")
