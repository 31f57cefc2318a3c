"""Import arrows point one way, without circles; start-up imports little; nothing unpickles."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fer_zoo"
FILES = sorted(PACKAGE.rglob("*.py"))

# What a room may import of fer_zoo, besides itself.
BASE = {"_version", "documents", "registry", "specs", "errors"}
ARROWS = {
    "errors": set(),
    "files": set(),
    "paths": {"errors"},
    "devices": {"errors"},
    "documents": set(),
    "stopwatch": set(),
    "folding": set(),
    "ahead": set(),
    "specs": {"errors"},
    "_version": set(),
    "notebooks": set(),
    "entries": {"errors"},
    "registry": {"entries", "errors", "specs"},
    "plugins": {"registry"},
    "names": {*BASE, "entries"},
    "backbones": {*BASE, "hub"},
    "temporal": BASE,
    "fusion": {*BASE, "landmarks"},
    "landmarks": {*BASE, "documents", "files", "folding", "stopwatch"},
    "optim": BASE,
    "recipes": {*BASE, "names", "recipe_documents", "recipe_files"},
    "recipe_files": {*BASE, "paths"},
    "recipe_documents": {*BASE, "entries", "names"},
    "synth": {"errors"},
    "video": {*BASE, "files", "landmarks", "paths"},
    "data": {
        *BASE, "_version", "csv_cells", "stopwatch", "files", "landmarks", "notebooks", "paths", "synth", "video",
    },
    "model": {*BASE, "folding", "sharing", "stages"},
    "sharing": {"specs"},
    "stages": {*BASE, "model"},
    "card": {"documents", "specs"},
    "csv_cells": set(),
    # Evaluation may import training, but not the other way round.
    "training": {
        *BASE, "ahead", "backbones", "card", "csv_cells", "compose", "data", "devices", "factory", "files", "hub",
        "landmarks", "model", "notebooks", "recipes", "stages", "stopwatch", "video", "weights",
    },
    "evaluation": {
        *BASE, "compose", "data", "devices", "exporting", "factory", "files", "inference", "landmarks", "model",
        "paths", "recipe_documents", "recipes", "stopwatch", "training", "video", "weights",
    },
}  # fmt: skip
HEAVY = {
    "dlib", "face_alignment", "matplotlib", "av", "timm", "torchvision", "numba", "PIL", "huggingface_hub", "ray",
    "accelerate", "gradio", "peft", "transformers",
}  # fmt: skip


def imports(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) in ARROWS], ids=str)
def test_import_arrows(path: Path) -> None:
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports(ast.parse(path.read_text())) if name.startswith("fer_zoo.")}
    assert ours - {room} <= ARROWS[room], f"{room} must not import {ours - {room} - ARROWS[room]}"


def test_every_module_has_an_import_rule() -> None:
    on_top = {
        "__init__",
        "__main__",
        "app",
        "compose",
        "benchmark",
        "exporting",
        "factory",
        "hub",
        "info",
        "testing",
        "weights",
        "weights_table",
        "inference",
        "listing",
        "cli",
    }
    assert {room_of(path) for path in FILES} <= on_top | set(ARROWS)


def test_no_import_circles() -> None:
    """Over all imports of all modules: in functions and for type checkers too."""
    modules = {_dotted(path): path for path in FILES}
    arrows = {name: _imported(name, path, modules) for name, path in modules.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(reversed(error.args[1]))}")


def _dotted(path: Path) -> str:
    parts = ("fer_zoo", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path, modules: Mapping[str, Path]) -> set[str]:
    found = set()
    for text in imports(ast.parse(path.read_text())):
        module = text if text in modules else text.rpartition(".")[0]
        found |= {module} & modules.keys()
    # `import fer_zoo.x` runs the packages above it; they import nothing of theirs that imports it back.
    return found - {name}


@pytest.mark.parametrize(
    ("code", "without"),
    [
        ("import fer_zoo", {"torch", "numpy", "pydantic", *HEAVY}),
        ("import fer_zoo.cli; fer_zoo.cli.parser()", {"torch", "numpy", "pydantic", *HEAVY}),
        ("import fer_zoo.cli; fer_zoo.cli.main(['models'])", {"torch", "numpy", "pydantic", *HEAVY}),
        ("import fer_zoo.cli; fer_zoo.cli.main(['models', '--pretrained'])", {"torch", "numpy", *HEAVY}),
        ("import fer_zoo.cli; fer_zoo.cli.main(['recipes', 'ls'])", {"torch", "numpy", "pydantic", *HEAVY}),
        ("import fer_zoo.cli; fer_zoo.cli.main(['predict', '--hpo', '3'])", {"torch", "numpy", "pydantic", *HEAVY}),
        # One process for both, which import torch: nothing in HEAVY, but the second may use PIL.
        (
            "import sys, fer_zoo; fer_zoo.create_model; assert 'PIL' not in sys.modules; "
            "import fer_zoo.data, fer_zoo.landmarks, fer_zoo.video, fer_zoo.inference",
            HEAVY - {"PIL"},
        ),
    ],
)
def test_start_up_imports_little(code: str, without: set[str]) -> None:
    code += "; import sys; sys.stderr.write(' '.join({m.split('.')[0] for m in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stderr.split()) & without


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_pickle(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not {name.split(".")[0] for name in imports(tree)} & {"pickle", "dill", "joblib", "shelve"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
            text = ast.unparse(node)
            assert not text.startswith("torch.load") or "weights_only=True" in text
            assert "allow_pickle=True" not in text


@pytest.mark.parametrize("path", FILES, ids=str)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400, "a file past 400 lines is two rooms"


def test_the_walks_of_architecture_md_name_what_exists() -> None:
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`([\w/]+\.py):([\w.]+)`", text)
    assert len(named) > 12
    for file, name in named:
        source = (PACKAGE / file).read_text()
        for part in name.split("."):
            assert re.search(rf"^\s*(def|class) {part}\b", source, re.MULTILINE), f"{file}: {name}"
    assert all((PACKAGE / file).is_file() for file in re.findall(r"`((?:\w+/)*\w+\.py)`", text.split("## Four")[1]))
