"""Every block of the page "Publish your weights" exactly as it is written, each in a fresh process, with a test Hub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from video_files import dlib_or_skip, encode, rendered_face

from fer_zoo import cli

from .loopback import Hub
from .weights_folder import environment_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "publish.md"
TOKEN = "hf_me_who_reads_this_page_0000000000000"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a reader has who pushes: a checkout without uncommitted changes (the one under test may have some)."""
    folder = tmp_path / "checkout"
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("fer_zoo", "recipes"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    shutil.copy(ROOT / ".gitignore", folder)
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        git = ["git", "-c", "user.name=Me", "-c", "user.email=me@localhost", *command]
        subprocess.run(git, cwd=folder, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_runs_and_the_timelines_are_the_same(hub: Hub, tmp_path: Path, checkout: Path) -> None:
    dlib_or_skip()
    hub.add_user("me", TOKEN)
    encode(tmp_path / "me.mp4", rendered_face(192, 1.68))
    text = PAGE.read_text()
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("\n```") / 2
    printed = ""
    for language, block in blocks:
        # What is pushed is pushed from one machine, and used on another: another home, without a cache.
        home = "mine" if block.startswith(("fer-zoo train", "fer-zoo push")) else "elsewhere"
        printed = ran(language, block, hub, tmp_path, home, checkout)
    ran("bash", "fer-zoo predict me.mp4 --model runs/first_look/weights --out before", hub, tmp_path, "mine", checkout)
    assert "model.safetensors" in printed
    before = (tmp_path / "before" / "timeline.csv").read_bytes()
    assert (tmp_path / "expressions" / "timeline.csv").read_bytes() == before
    assert len(before.splitlines()) > 10
    assert hub.repo("me/happy-faces").private
    assert {*hub.repo("me/happy-faces").branches} == {"main", "dev"}
    assert hub.head("me/happy-faces", "v1.0") == hub.head("me/happy-faces")
    assert (
        hub.read("me/happy-faces", "model.safetensors")
        == (tmp_path / "runs" / "first_look" / "weights" / "model.safetensors").read_bytes()
    )


def ran(language: str, block: str, hub: Hub, folder: Path, home: str, checkout: Path) -> str:
    """Run a block in `folder`, as the user of a home folder; returns what it prints."""
    program = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[language]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    more = {"HF_TOKEN": TOKEN, "PATH": path, "PYTHONPATH": str(checkout)}
    environment = environment_of(hub.endpoint, folder / home, **more)
    done = subprocess.run([*program, block], env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (block, done.stdout, done.stderr)
    return done.stdout


def test_every_flag_on_the_page_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("push", "download", "cache verify", "train", "predict"):
        assert cli.main([*verb.split(), "--help"]) == 0
    output = capsys.readouterr().out
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE.read_text()))
    assert {"--dry-run", "--overwrite-card", "--remove"} <= flags
    assert {flag for flag in flags if flag not in output} == set()
