"""Import arrows point one way, heavy packages stay out of module level, and nothing unpickles."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fer_zoo"
FILES = sorted(PACKAGE.rglob("*.py"))

# What a room may import of fer_zoo, besides itself.
BASE = {"registry", "specs", "errors"}
ARROWS = {
    "errors": set(),
    "files": {"errors"},
    "stopwatch": set(),
    "specs": {"errors"},
    "registry": {"errors", "plugins", "specs"},
    "plugins": {"registry", "factory"},
    "compatibility": {"registry"},
    "backbones": BASE,
    "temporal": BASE,
    "fusion": {*BASE, "landmarks"},
    "landmarks": {*BASE, "stopwatch"},
    "optim": BASE,
    "recipes": {*BASE, "compatibility", "recipe_documents", "recipe_problems"},
    "recipe_problems": {*BASE, "compatibility", "recipe_documents"},
    "recipe_documents": {"specs", "errors"},
    "synth": {"errors"},
    "video": {*BASE, "files", "landmarks"},
    "data": {*BASE, "stopwatch", "files", "landmarks", "synth", "video"},
    "model": {*BASE, "stages"},
    "stages": {*BASE, "model"},
    "shapes": {"specs", "errors"},
    "card": {"specs"},
    # The arrow that matters: evaluation runs trainings, and training knows nothing of it.
    "training": {
        *BASE, "backbones", "card", "compose", "data", "factory", "files", "landmarks", "model", "pretrained",
        "recipes", "stages", "stopwatch", "video", "weights",
    },
    "evaluation": {
        *BASE, "compose", "data", "factory", "files", "inference", "landmarks", "model", "recipe_documents", "recipes",
        "stopwatch", "training", "video", "weights",
    },
}  # fmt: skip
HEAVY = {
    "dlib", "face_alignment", "matplotlib", "av", "timm", "torchvision", "numba", "PIL", "huggingface_hub", "ray",
    "accelerate",
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


def test_every_room_is_under_the_rule() -> None:
    on_top = {
        "__init__",
        "__main__",
        "compose",
        "factory",
        "hub",
        "info",
        "pretrained",
        "testing",
        "weights",
        "inference",
        "cli",
    }
    assert {room_of(path) for path in FILES} <= on_top | set(ARROWS)


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, fer_zoo, fer_zoo.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "torch" in loaded
    assert not loaded & HEAVY


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
