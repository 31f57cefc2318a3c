"""The notebooks are valid, stored without outputs, linked from the docs, and run from top to bottom."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a working folder, with the Python of the tests; the first error in a cell is raised."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    return notebook


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["add_a_component", "finetune", "first_look", "read_an_ablation"]


@each_notebook
def test_stored_notebooks_are_valid_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)  # also that each cell has an id of its own
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "clear the outputs before you commit"
    assert notebook.cells[0].cell_type == "markdown"
    assert "minute" in notebook.cells[0].source, "the first cell says how long the notebook takes"
    assert code[0].source == nbformat.read(NOTEBOOKS[0], as_version=4).cells[1].source, "the cell that installs fer_zoo"


@each_notebook
def test_docs_link_the_notebook(path: Path) -> None:
    link = f"](notebooks/{path.name})"
    assert [page.name for page in (ROOT / "docs").glob("*.md") if link in page.read_text()]


@each_notebook
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    desk = tmp_path / "desk"
    desk.mkdir()
    executed = execute(path, desk)
    assert "ipywidgets" not in str(executed.cells), "a library asks for it"
    assert any("image/png" in output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", ()))
