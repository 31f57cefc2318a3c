"""Plug-ins: the example installs, trains and keeps the contract; broken ones are named and hide nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fer_zoo
from fer_zoo import plugins, registry
from fer_zoo.errors import UnknownNameError
from fer_zoo.registry import REGISTRIES

EXAMPLE = Path(__file__).parent.parent / "examples" / "plugin"

BACKBONE = """
from fer_zoo import register_backbone
@register_backbone({name!r})
def make(in_channels: int): "A backbone."
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one module of the given source as a plug-in, as pip would lay it out."""
    before = {kind: table.snapshot() for kind, table in REGISTRIES.items()}
    monkeypatch.setattr(registry, "_loading", registry._Loading())
    monkeypatch.syspath_prepend(str(tmp_path))

    def lay(name: str, source: str) -> None:
        (tmp_path / f"{name}_module.py").write_text(source)
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[fer_zoo.plugins]\n{name} = {name}_module\n")

    yield lay
    for kind, table in REGISTRIES.items():
        table.restore(before[kind])
    for file in tmp_path.glob("*_module.py"):
        sys.modules.pop(file.stem, None)


def test_a_plugin_is_found_when_a_component_is_listed_or_looked_up(install: Install) -> None:
    install("good", BACKBONE.format(name="goodnet"))
    assert "goodnet" in fer_zoo.list_components("backbone")
    assert "goodnet_lstm" in fer_zoo.list_models()
    assert plugins.broken() == ()


def test_broken_plugins_are_named_and_hide_no_other(install: Install) -> None:
    install("aa_raises", "raise RuntimeError('no such GPU')")
    install("bb_shadows", BACKBONE.format(name="ours") + BACKBONE.format(name="incres3d"))
    install("cc_good", BACKBONE.format(name="goodnet"))
    install("dd_again", BACKBONE.format(name="goodnet"))
    install("ee_imports", "import a_package_that_is_not_there")
    names = fer_zoo.list_components("backbone")
    assert "goodnet" in names
    assert "ours" not in names, "half a plug-in must not stay"
    assert REGISTRIES["backbone"].get("incres3d").module == "fer_zoo.backbones.incres3d"
    assert REGISTRIES["backbone"].get("goodnet").module == "cc_good_module"
    texts = [str(plugin) for plugin in plugins.broken()]
    assert texts[0] == "The plug-in 'aa_raises' of aa_raises 1.2 failed to load: RuntimeError: no such GPU"
    assert "bb_shadows 1.2 failed to load: DuplicateNameError: backbone 'incres3d' is already registered" in texts[1]
    assert "dd_again" in texts[2]
    assert "by cc_good_module" in texts[2]
    assert "No module named 'a_package_that_is_not_there'" in texts[3]
    assert len(texts) == 4


def test_an_unknown_name_tells_of_plugins_that_failed(install: Install) -> None:
    install("raises", "1 / 0")
    with pytest.raises(UnknownNameError) as caught:
        fer_zoo.create_model("theirnet_lstm")
    assert "The plug-in 'raises' of raises 1.2 failed to load: ZeroDivisionError" in str(caught.value)


def test_a_plugin_that_looks_around_while_it_loads(install: Install) -> None:
    install("curious", "import fer_zoo\nassert 'incres3d' in fer_zoo.list_components('backbone')\n")
    fer_zoo.list_models()
    assert plugins.broken() == ()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a new environment with the example installed; it sees the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    interpreter = folder / "bin" / "python"
    ask = [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    # addsitedir, unlike a plain path, also follows the editable install of fer_zoo itself.
    (site / "these.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    pip = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--no-index", EXAMPLE], check=True)
    return interpreter


@pytest.mark.slow
def test_the_example_keeps_the_contract(python: Path) -> None:
    subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", EXAMPLE, EXAMPLE / "tests"],
        check=True,
        cwd=EXAMPLE,
    )


@pytest.mark.slow
def test_the_example_trains_a_step_from_its_recipe(python: Path, tmp_path: Path) -> None:
    fewer = ["split.train=[0, 3]", "split.validation=[3, 4]", "split.test=[4, 5]"]
    command = [python, "-m", "fer_zoo.cli", "train", EXAMPLE / "recipe.yaml", "--out", tmp_path / "run"]
    ran = subprocess.run(
        [*command, "--max-steps", "1", "--workers", "1", "--set", *fewer],
        env={**os.environ, "FER_ZOO_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    model = (tmp_path / "run" / "weights" / "config.json").read_text()
    assert '"micro"' in model
    assert '"spotlight"' in model
