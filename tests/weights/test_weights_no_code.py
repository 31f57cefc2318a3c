"""No path of the package unpickles or runs what lies in a weights folder."""

from __future__ import annotations

import ast
import pickle
import sys
from pathlib import Path

import pytest
import torch
from weights_folders import make_folder

from fer_zoo import weights
from fer_zoo.errors import WeightsError

PACKAGE = Path(weights.__file__).parents[1]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {"torch.load", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "yaml.unsafe_load"}
CALLS |= {"yaml.full_load", "eval", "exec", "compile", "__import__"}


def _calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def _imports(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_no_file_of_the_package_unpickles_or_evaluates(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert not {name.split(".")[0] for name in _imports(tree)} & MODULES
    assert not _calls(tree) & CALLS
    assert "weights_only=False" not in text
    assert "allow_pickle=True" not in text
    assert "trust_remote_code" not in text.replace("trust_remote_code=False", "")


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("the bomb went off",)


def test_what_else_lies_in_a_folder_is_not_even_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(tmp_path / "w")
    for name in ("pytorch_model.bin", "model.pt", "model.pkl", "optimizer.bin"):
        (folder / name).write_bytes(pickle.dumps(_Bomb()))
    (folder / "modeling_fer.py").write_text("raise SystemExit('the code of the folder was run')")
    (folder / "fer_zoo.py").write_text("raise SystemExit('the code of the folder was run')")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(torch, "load", never)
    monkeypatch.setattr(pickle, "loads", never)
    monkeypatch.setattr(pickle, "Unpickler", never)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    found = weights.check_folder(folder)
    assert len(weights.known_files(found)) == 6
    assert "bomb" not in capsys.readouterr().out


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_in_the_place_of_the_tensors_is_refused(tmp_path: Path, protocol: int) -> None:
    folder = make_folder(tmp_path / "w")
    (folder / "model.safetensors").write_bytes(pickle.dumps([_Bomb()] * 100, protocol))
    with pytest.raises(WeightsError, match="damaged"):
        weights.load_weights(folder)
