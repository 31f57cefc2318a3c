"""Wheel and source distribution, built and installed into an empty environment, work there; versions agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml

import fer_zoo

ROOT = Path(__file__).parent.parent


def test_versions_agree() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == fer_zoo.__version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == fer_zoo.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["version"]["path"] == "fer_zoo/_version.py"


def test_the_hosted_workflow_runs_the_same_script() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert {"run": "bash .ci/run"} in workflow["jobs"]["test"]["steps"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both distributions, built with the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    return {kind: next(folder.glob(pattern)) for kind, pattern in {"wheel": "*.whl", "sdist": "*.tar.gz"}.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_installed_distribution_works(kind: str, built: dict[str, Path], tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def output(*command: str | Path) -> str:
        run = subprocess.run(command, cwd=tmp_path, env=variables, check=True, capture_output=True, text=True)
        return run.stdout

    site = Path(output(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # The packages that fer_zoo depends on. A plain path does not follow the editable install of this checkout.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-build-isolation")
    output(*pip, "--ignore-installed", built[kind])
    assert Path(output(python, "-c", "import fer_zoo; print(fer_zoo.__file__)").strip()).is_relative_to(site)
    command = environment / "bin" / "fer-zoo"
    assert output(command, "--version") == f"fer-zoo {fer_zoo.__version__}\n"
    assert "incres3d_lstm_lm" in output(command, "models").split()
    assert output(command, "models", "--pretrained").split() == fer_zoo.list_weights()
    assert "quickstart" in output(command, "recipes", "ls")
    code = "import fer_zoo; print(fer_zoo.create_model('incres3d_tiny_lstm_lm_in', pretrained=True).card.name)"
    assert output(python, "-c", code).startswith("incres3d_tiny_lstm_lm_in.")
