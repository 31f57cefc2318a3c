"""Every fenced block of the docs runs exactly as it is written, in the page's order, in one working folder per page.

The folder holds what pages tell their reader to have: a video `me.mp4`, labelled videos in `videos/`, the checkout's
`examples/`. On the line before a block may stand `<!-- not run: REASON -->`, or `<!-- output of the block above -->`,
which is then compared.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from video_files import dlib_or_skip, encode, rendered_face

from fer_zoo.recipes import load_recipe
from fer_zoo.registry import REGISTRIES
from fer_zoo.synth import render_video

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "plugin" / "README.md"]
FENCE = re.compile(r"(?:^<!-- (?P<marker>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
OUTPUT, NOT_RUN = "output of the block above", "not run: "
# It needs a Hub, which that test has.
OTHER_TESTS = {"publish.md": ROOT / "tests" / "hub" / "test_hub_docs.py"}
# The most blocks of a page that may be marked as not run.
MAY_BE_NOT_RUN = {
    "README.md": 2,  # pip install; fine-tuning, which its page runs
    "app.md": 2,  # pages that are served until they are stopped
    "backbones.md": 1,  # a download
    "evaluation.md": 2,  # hours
    "export.md": 1,  # pip install
    "gpu.md": 3,  # several GPUs
    "live.md": 2,  # a webcam
    "quickstart.md": 2,  # pip install; fine-tuning, which its page runs
    "recipes.md": 1,  # a database that must be signed for
    "real-faces.md": 1,  # pictures and clips of people
    "report.md": 2,  # the folder of an ablation
    "sets.md": 3,  # databases that must be requested
    "synthetic-faces.md": 4,  # a download
    "transformers.md": 1,  # a download
}
PROGRAMS = r"(fer-zoo|pip|python|torchrun|accelerate|git|make|pytest|import|from|export|\$) ?"
SLOW = re.compile(r"me\.mp4|render_clip|render_video|^fer-zoo |training import", re.M)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, text, first line in the file, and the comment before it."""

    language: str
    text: str
    line: int
    marker: str

    @property
    def runs(self) -> bool:
        return self.language != "text" and not self.marker.startswith(NOT_RUN)


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(m["language"], m["text"], text[: m.start("text")].count("\n"), m["marker"] or "")
        for m in FENCE.finditer(text)
    ]
    assert 2 * len(found) == len(re.findall(r"^\s*```", text, re.M)), "a block that is indented or not closed"
    return found


def examples() -> Iterator[Any]:
    """The pages with blocks that run; those that start programs, train, render or read a video are slow."""
    for page in PAGES:
        running = "".join(block.text for block in blocks(page) if block.runs)
        if running and page.name not in OTHER_TESTS:
            marks = [pytest.mark.slow, pytest.mark.timeout(900)] if SLOW.search(running) else []
            yield pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all pages: rendered clips and, if a page needs it, a video of a face."""
    return tmp_path_factory.mktemp("docs")


@pytest.fixture
def desk(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A page's working folder, with a cache, stores and installed plug-ins of its own; what is registered is undone."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    installed = tmp_path / "installed"
    environment = {
        "FER_ZOO_CACHE": str(shared / "cache"),
        "FER_ZOO_STORES": str(tmp_path / "stores"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT), os.environ.get("PYTHONPATH", "")]),
        # `pip install FOLDER` puts it there, with the build tools that are installed, without a network connection.
        "PIP_TARGET": str(installed),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's spelling of "no isolation"
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    yield folder
    for kind, registry in REGISTRIES.items():
        registry.restore(before[kind])


@pytest.mark.parametrize("page", list(examples()))
def test_the_examples_run(page: Path, shared: Path, desk: Path) -> None:
    text = page.read_text()
    if "me.mp4" in text:
        dlib_or_skip()
        video = shared / "me.mp4"
        shutil.copy(video if video.exists() else encode(video, rendered_face(192, 1.68)), desk)
    if "videos/" in text:
        dlib_or_skip()
        own_videos(desk / "videos")
    if "examples/" in text:
        shutil.copytree(ROOT / "examples", desk / "examples")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if block.marker == OUTPUT:
            assert printed == block.text, f"{page.name}:{block.line}"
        elif block.runs:
            printed = RUN[block.language](block, page, namespace)


def own_videos(folder: Path) -> None:
    """Videos of three rendered subjects, two expressions of each."""
    folder.mkdir()
    for number, subject in ((0, "anna"), (1, "ben"), (3, "cora")):  # dlib misses 2
        for word, label in (("happy", "happiness"), ("surprised", "surprise")):
            video = render_video(number, [label], seconds_each=0.84, size=192, plain=True)
            encode(folder / f"{subject}_{word}.mp4", video.frames)


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    # The line numbers of a failure are those of the page.
    code = compile("\n" * block.line + block.text, str(page), "exec", dont_inherit=True)
    with redirect_stdout(StringIO()) as out:
        exec(code, namespace)
    return out.getvalue()


def run_shell(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], capture_output=True, text=True)
    assert done.returncode == 0, f"{page.name}:{block.line}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def save_yaml(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    """Save a file under the name in its first line, as the reader does; a recipe must be valid."""
    name = re.match(r"# ([\w-]+\.yaml)\n", block.text)
    assert name, f"{page.name}:{block.line}: the first line of a YAML file must be its name: # NAME.yaml"
    Path(name[1]).write_text(block.text)
    if "recipes" not in yaml.safe_load(block.text):  # else it is the grid of an ablation
        load_recipe(name[1])
    return ""


def read_toml(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    assert tomllib.loads(block.text)
    return ""


RUN: dict[str, Callable[[Block, Path, dict[str, Any]], str]] = {
    "python": run_python,
    "bash": run_shell,
    "yaml": save_yaml,
    "toml": read_toml,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_are_marked_as_the_docs_agree(page: Path) -> None:
    """A block runs, is compared, or says why not; few do not run, and none hides a command as plain text."""
    found = blocks(page)
    not_run = [block for block in found if block.marker.startswith(NOT_RUN)]
    assert len(not_run) <= MAY_BE_NOT_RUN.get(page.name, 0), [block.marker for block in not_run]
    assert all(len(block.marker.removeprefix(NOT_RUN).split()) >= 3 for block in not_run), "too short a reason"
    for block in found:
        assert block.language in {*RUN, "text"}, f"{page.name}:{block.line}"
        assert (block.marker == OUTPUT) <= (block.language == "text"), f"{page.name}:{block.line}"
        if block.language == "text" and block.marker != OUTPUT:
            assert not re.search(rf"^{PROGRAMS}", block.text, re.M), f"{page.name}:{block.line}: commands as text"


@pytest.mark.parametrize("page", OTHER_TESTS)
def test_another_test_runs_the_pages_that_this_one_leaves_out(page: str) -> None:
    assert page in OTHER_TESTS[page].read_text()
