"""A small weights folder to push, made in half a second; and what a test of ours needs around it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from weights_folders import card_fields, small_recipe

from fer_zoo import weights
from fer_zoo.compose import build

from .fixtures import ALICE, client_environment
from .loopback import Hub

CLEAN = "0" * 40


def make_folder(folder: Path, *, seed: int = 0, hidden: int = 8, **card: Any) -> Path:
    """A weights folder of a random network; other seeds are other weights, `card` changes what the card says."""
    torch.manual_seed(seed)
    recipe = small_recipe(hidden=hidden)
    return weights.write_weights(folder, build(recipe.model), recipe, card_fields(**card))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder that tests do not change."""
    return make_folder(tmp_path_factory.mktemp("made") / "weights")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for the client of this process, no login, and a place of its own for what was first seen."""
    monkeypatch.setenv("FER_ZOO_CACHE", str(tmp_path / "home" / "fer_zoo"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    cache = tmp_path / "home" / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
    return cache


@pytest.fixture
def here(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The client of this process knows no other Hub than the test's, as with HF_ENDPOINT, and is Alice."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
    template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    for module in ("constants", "file_download"):  # the second is where the oldest client looks
        monkeypatch.setattr(f"huggingface_hub.{module}.HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setenv("HF_TOKEN", ALICE)
    return hub.endpoint


def run(code: str, endpoint: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process that knows no other Hub, cache or login than these."""
    return subprocess.run(
        [sys.executable, "-c", code], env=environment_of(endpoint, home, **environment), capture_output=True, text=True
    )


def environment_of(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """The environment of such a process."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "FER_ZOO_"))}
    ours = {"FER_ZOO_CACHE": str(home / "fer_zoo"), "OMP_NUM_THREADS": "1"}
    return {**inherited, **client_environment(endpoint, home), **ours, **more}


def publish(hub: Hub, folder: Path, repo: str = "alice/m", **how: Any) -> str:
    """Put a folder into a repository without any client; returns the commit."""
    return hub.create(repo, contents_of(folder), **how).id


def contents_of(folder: Path) -> dict[str, bytes | str | Path | None]:
    """Paths of the files of a folder by name."""
    return {path.name: path for path in folder.iterdir()}
