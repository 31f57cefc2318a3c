"""tools/release_weights.py: all shipped weights by one command, pinned in the table, and loaded by it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import fer_zoo
from fer_zoo import weights, weights_table

from .loopback import Hub
from .weights_folder import CLEAN, here, home, made, make_folder

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import model_zoo
import release_weights

__all__ = ["here", "home", "made"]


@pytest.fixture
def shipped(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the package's own weights a small folder."""
    for module in (weights, weights_table):
        monkeypatch.setattr(module, "bundled", lambda: {"incres3d_tiny_lstm_lm.try": made})


@pytest.mark.usefixtures("shipped")
def test_all_are_published_pinned_and_loaded_by_the_table(
    hub: Hub, made: Path, here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "published.json"
    table.write_text("{}")
    large = make_folder(tmp_path / "large", seed=1, name="incres3d_tiny_lstm_lm.large")
    release_weights.main(["team", str(large), "--dry-run"], table)
    assert not hub.state.store.repos
    assert table.read_text() == "{}"
    assert capsys.readouterr().out.count("send ") == 12
    release_weights.main(["team", str(large)], table)
    capsys.readouterr()
    entries = weights_table.published(table)
    assert list(entries) == ["incres3d_tiny_lstm_lm.large", "incres3d_tiny_lstm_lm.try"]
    for name, entry in entries.items():
        assert entry.repo == f"team/{name}"
        assert entry.commit == hub.head(entry.repo) == hub.head(entry.repo, f"v{fer_zoo.__version__}")
        assert not hub.repo(entry.repo).private
    # A second run finds all there, and pins the same.
    before = table.read_text()
    release_weights.main(["team", str(large)], table)
    assert "send " not in capsys.readouterr().out
    assert table.read_text() == before
    monkeypatch.setattr(weights_table, "TABLE", table)
    shown = model_zoo.published_section(entries)
    assert all(f"https://huggingface.co/{entry.repo}/tree/{entry.commit}" in shown for entry in entries.values())
    assert model_zoo.published_section({}) == ""
    model = fer_zoo.create_model("incres3d_tiny_lstm_lm.large")
    assert model.card == weights.read_folder(large).card


@pytest.mark.usefixtures("shipped")
def test_what_is_not_fit_ends_it_with_words(hub: Hub, here: str, tmp_path: Path) -> None:
    table = tmp_path / "published.json"
    table.write_text("{}")
    dirty = make_folder(tmp_path / "dirty", commit=f"{CLEAN}-dirty", name="incres3d_tiny_lstm_lm.dirty")
    with pytest.raises(SystemExit, match="changed tree"):
        release_weights.main(["team", str(dirty)], table)
    assert list(weights_table.published(table)) == ["incres3d_tiny_lstm_lm.try"]


def test_the_table_in_the_package_is_one() -> None:
    table = weights_table.published()
    assert {entry.name.is_pinned for entry in table.values()} <= {True}
    for name, entry in table.items():
        if name in weights.bundled():
            assert weights.read_folder(weights.bundled()[name]).card.sha256 == entry.sha256
