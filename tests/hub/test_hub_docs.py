"""The page "Publish your weights", block by block, each command in a fresh process; training is cut to some steps."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from video_files import dlib_or_skip, encode, rendered_face

from fer_zoo import cli

from .loopback import Hub
from .weights_folder import environment_of

PAGE = Path(__file__).parents[2] / "docs" / "publish.md"
TOKEN = "hf_me_who_reads_this_page_0000000000000"
BLOCK = re.compile(r"^<!-- not run: [^\n]*test_hub_docs.py[^\n]* -->\n```(\w+)\n(.*?)^```$", re.M | re.S)
# In place of eleven minutes; and the tree that this runs from may have changes.
SHORTER = {
    "train": ["--workers", "1", "--set", "split.train=[0, 2]", "split.validation=[10000, 10001]",
              "split.test=[20000, 20001]", "train.batch_size=4", "pretrain.batch_size=4",
              "train.epochs=1", "pretrain.epochs=1"],
    "push": ["--allow-dirty"],
}  # fmt: skip


def words(block: str) -> list[list[str]]:
    return [shlex.split(line, comments=True) for line in block.splitlines() if line]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_runs_and_the_timelines_are_the_same(hub: Hub, tmp_path: Path) -> None:
    dlib_or_skip()
    hub.add_user("me", TOKEN)
    encode(tmp_path / "me.mp4", rendered_face(192, 1.68))
    text = PAGE.read_text()
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("\n```") / 2
    said = ""
    for language, block in blocks:
        if language == "python":
            # Somebody else's machine: another home, without a cache.
            said = ran(
                [sys.executable, "-c", block.replace("dry_run=True", "dry_run=True, allow_dirty=True")],
                hub,
                tmp_path,
                "elsewhere",
            )
            continue
        for program, verb, *arguments in words(block):
            assert program == "fer-zoo"
            home = "elsewhere" if verb in ("predict", "download", "cache") else "mine"
            said = ran([sys.executable, "-m", "fer_zoo", verb, *arguments, *SHORTER.get(verb, [])], hub, tmp_path, home)
            if verb == "train":
                predict = ["predict", "me.mp4", "--model", "runs/quickstart/weights", "--out", "before"]
                ran([sys.executable, "-m", "fer_zoo", *predict], hub, tmp_path, "mine")
    assert "model.safetensors" in said
    before = (tmp_path / "before" / "timeline.csv").read_bytes()
    assert (tmp_path / "expressions" / "timeline.csv").read_bytes() == before
    assert len(before.splitlines()) > 10
    assert hub.repo("me/happy-faces").private
    assert {*hub.repo("me/happy-faces").branches} == {"main", "dev"}
    assert hub.head("me/happy-faces", "v1.0") == hub.head("me/happy-faces")
    assert (
        hub.read("me/happy-faces", "model.safetensors")
        == (tmp_path / "runs" / "quickstart" / "weights" / "model.safetensors").read_bytes()
    )


def ran(command: list[str], hub: Hub, folder: Path, home: str) -> str:
    environment = environment_of(hub.endpoint, folder / home, HF_TOKEN=TOKEN)
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def test_every_flag_on_the_page_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("push", "download", "cache verify", "train", "predict"):
        assert cli.main([*verb.split(), "--help"]) == 0
    told = capsys.readouterr().out
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE.read_text()))
    assert {"--dry-run", "--overwrite-card", "--remove"} <= flags
    assert {flag for flag in flags if flag not in told} == set()
