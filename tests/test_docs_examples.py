"""Every fenced example of the docs runs, page by page, as a reader would run it; training is cut to one step.

On the line before a block may stand `<!-- not run: REASON -->`, or `<!-- output of the block above -->`, which is then
compared.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from video_files import dlib_or_skip, encode, rendered_face

import fer_zoo.training
from fer_zoo import cli
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import REGISTRIES
from fer_zoo.specs import Recipe, SplitSpec, TrainSpec
from fer_zoo.synth import render_video

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "plugin" / "README.md"]
FENCE = re.compile(r"(?:^<!-- (?P<marker>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
OUTPUT, NOT_RUN = "output of the block above", "not run: "
# One entry a block; its reason stands there.
NOT_RUN_ON = [
    "backbones.md",
    *["evaluation.md"] * 2,
    *["multi-gpu.md"] * 3,
    *["publish.md"] * 7,
    *["report.md"] * 2,
]
SPLIT = SplitSpec(train=(0, 2), validation=(10000, 10001), test=(20000, 20001))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, text, first line in the file, and the comment before it."""

    language: str
    text: str
    line: int
    marker: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(m["language"], m["text"], text[: m.start("text")].count("\n"), m["marker"] or "")
        for m in FENCE.finditer(text)
    ]
    assert 2 * len(found) == len(re.findall(r"^\s*```", text, re.M)), "a block that is indented or not closed"
    return found


def examples() -> list[Any]:
    """The pages that have any, with those marked as slow that train, render or watch a video."""
    pages = [page for page in PAGES if any(block.language != "text" for block in blocks(page))]
    heavy = re.compile(r"videos/|me\.mp4|render_clip|^fer-zoo train |training import", re.M)
    return [
        pytest.param(
            page, id=str(page.relative_to(ROOT)), marks=[pytest.mark.slow] if heavy.search(page.read_text()) else []
        )
        for page in pages
    ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all pages: rendered clips and, once a page asks for it, a video of a face."""
    return tmp_path_factory.mktemp("docs")


@pytest.fixture
def desk(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a reader sits: a folder with a video, beside the repository's examples; what is registered is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_ZOO_CACHE", str(shared / "cache"))
    monkeypatch.setenv("FER_ZOO_STORES", str(tmp_path / "stores"))  # not those of whoever runs the tests
    monkeypatch.setattr(fer_zoo.training, "train", one_step)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    modules = set(sys.modules)
    yield tmp_path
    for kind, registry in REGISTRIES.items():
        registry.restore(before[kind])
    for module in [name for name in sys.modules if name.startswith("fer_zoo_") and name not in modules]:
        del sys.modules[module]


train = fer_zoo.training.train


def one_step(recipe: Recipe, out: str | Path, **options: Any) -> object:
    """Train as asked, but on four identities and for one step."""

    def few(spec: TrainSpec | None) -> TrainSpec | None:
        return spec and spec.model_copy(update={"batch_size": 4})

    # Clips of a store are there already, and few.
    split = recipe.split if recipe.data.stores else SPLIT
    update = {"split": split, "train": few(recipe.train), "pretrain": few(recipe.pretrain)}
    return train(recipe.model_copy(update=update), out, **{**options, "max_steps": 1, "workers": 1})


@pytest.mark.parametrize("page", examples())
def test_the_examples_run(page: Path, shared: Path, desk: Path) -> None:
    if "me.mp4" in page.read_text():
        dlib_or_skip()
        video = shared / "me.mp4"
        shutil.copy(video if video.exists() else encode(video, rendered_face(192, 1.68)), desk)
    if "videos/" in page.read_text():
        own_videos(Path("videos"))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    said = ""
    for block in blocks(page):
        if block.marker == OUTPUT:
            assert said == block.text, f"{page.name}:{block.line}"
        elif not block.marker.startswith(NOT_RUN):
            with redirect_stdout(StringIO()) as out:
                RUN[block.language](block, page, namespace)
            said = out.getvalue()


def own_videos(folder: Path) -> None:
    """Videos of three rendered people, two expressions of each."""
    folder.mkdir()
    for number, person in ((0, "anna"), (1, "ben"), (3, "cora")):  # dlib misses 2
        for word, label in (("happy", "happiness"), ("surprised", "surprise")):
            video = render_video(number, [label], seconds_each=0.84, size=192, plain=True)
            encode(folder / f"{person}_{word}.mp4", video.frames)


def test_blocks_that_do_not_run_are_few_and_say_why() -> None:
    marked = [(page.name, block) for page in PAGES for block in blocks(page) if block.marker]
    reasons = {name: block.marker.removeprefix(NOT_RUN) for name, block in marked if block.marker != OUTPUT}
    assert sorted(name for name, block in marked if block.marker.startswith(NOT_RUN)) == NOT_RUN_ON
    assert all(reasons.values())
    assert all(block.language == "text" for _, block in marked if block.marker == OUTPUT)


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    # The line numbers of a failure are those of the page.
    code = compile("\n" * block.line + block.text, str(page), "exec", dont_inherit=True)
    exec(code, namespace)


def run_shell(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    for line in block.text.splitlines():
        program, *arguments = shlex.split(line, comments=True) or [""]
        if program:
            assert program in PROGRAMS, f"{page.name}: {line}"
            PROGRAMS[program](arguments)


def read_yaml(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    """A recipe, or some keys of one; one that begins with its name is kept under it."""
    name = re.match(r"# (\w+\.yaml)\n", block.text)
    keys = yaml.safe_load(block.text)
    base = (
        "" if {"extends", "model"} & keys.keys() and ("extends" in keys or "seed" in keys) else "extends: quickstart\n"
    )
    path = Path(name[1] if name else "example.yaml")
    path.write_text(base + block.text)
    load_recipe(path)


def read_toml(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    assert tomllib.loads(block.text)


def fer_zoo_command(arguments: list[str]) -> None:
    assert cli.main(arguments) == 0, arguments


def make(arguments: list[str]) -> None:
    (target,) = arguments
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target


def pytest_path(arguments: list[str]) -> None:
    assert all(Path(argument).exists() for argument in arguments), arguments


def pip(arguments: list[str]) -> None:
    """Look for the package or extra; a plug-in of this repository is put where an import finds it."""
    verb, what = arguments
    name, _, extras = what.rstrip("]").partition("[")
    assert verb == "install"
    assert {extra for extra in extras.split(",") if extra} <= PYPROJECT["optional-dependencies"].keys(), what
    if name not in (".", PYPROJECT["name"]):
        project = tomllib.loads(Path(name, "pyproject.toml").read_text())["project"]
        sys.path.insert(0, str(Path(name).resolve()))
        for module in project["entry-points"]["fer_zoo.plugins"].values():
            import_module(module)


RUN: dict[str, Callable[[Block, Path, dict[str, Any]], None]] = {
    "python": run_python,
    "bash": run_shell,
    "yaml": read_yaml,
    "toml": read_toml,
    "text": lambda block, page, namespace: None,
}
PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "fer-zoo": fer_zoo_command,
    "make": make,
    "pip": pip,
    "pytest": pytest_path,
}
