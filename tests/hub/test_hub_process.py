"""The hub in its own process: what the client's environment decides, and how much memory large files take."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from .client import noise, write
from .fixtures import client_environment
from .process import hub_process

PUSH_AND_PULL = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi, create_repo, snapshot_download, upload_folder
create_repo("me/m", private=True)
upload_folder(repo_id="me/m", folder_path=sys.argv[1])
create_repo("me/m", exist_ok=True)
pulled = Path(snapshot_download("me/m"))
print(json.dumps({path.name: path.stat().st_size for path in sorted(pulled.iterdir())}))
for path in Path(sys.argv[1]).iterdir():
    assert (pulled / path.name).read_bytes() == path.read_bytes(), path
"""


def run_client(endpoint: str, tmp_path: Path, folder: Path, **more: str) -> dict[str, int]:
    environment = {**os.environ, **client_environment(endpoint, tmp_path / "home", HF_TOKEN="hf_me", **more)}
    command = [sys.executable, "-c", PUSH_AND_PULL, str(folder)]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    sizes: dict[str, int] = json.loads(printed.stdout)
    return sizes


@pytest.mark.parametrize("no_xet", ["0", "1"])
def test_a_client_that_knows_the_hub_from_its_environment(no_xet: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", {"w.safetensors": noise(2_000_000), "config.json": b"{}"})
    with hub_process("--user", "me:hf_me", "--part-size", "800000") as hub:
        sizes = run_client(hub.endpoint, tmp_path, folder, HF_HUB_DISABLE_XET=no_xet)
        assert (sizes["w.safetensors"], sizes["config.json"]) == (2_000_000, 2)
        parts, tokens = hub.requests.find("PUT"), hub.requests.find("GET", "xet-.*-token")
        assert (len(parts), bool(tokens)) == ((3, False) if no_xet == "1" else (0, True))
        assert {request.token for request in hub.requests.find(listener="cdn")} <= {None}


def test_folders_users_and_faults_from_outside(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", {"a/config.json": b"{}"})
    with hub_process("--user", "me:hf_me:read", "--repo", f"me/m={folder}", "--folder", str(tmp_path / "hub")) as hub:
        client = HfApi(endpoint=hub.endpoint, token="hf_me")
        assert client.whoami()["auth"]["accessToken"]["role"] == "read"
        assert client.list_repo_files("me/m") == [".gitattributes", "a/config.json"]
        hub.fail("whoami", status=418)
        hub.forget()
        with pytest.raises(Exception, match="418"):
            client.whoami()
        assert [(request.path, request.status) for request in hub.requests] == [("/api/whoami-v2", 418)]
        hub.heal()
        assert client.whoami()["name"] == "me"
    assert hub.process.wait(10) == 0


@pytest.mark.slow
@pytest.mark.parametrize("part_size", ["0", "100000000"])
def test_300_megabytes_are_never_held_in_memory(part_size: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    piece = noise(1_000_000)
    with (folder / "w.safetensors").open("wb") as stream:
        for n in range(300):
            stream.write(n.to_bytes(4, "little") + piece[4:])
    with hub_process("--user", "me:hf_me", "--part-size", part_size) as hub:
        before = peak_memory(hub.process.pid)
        sizes = run_client(hub.endpoint, tmp_path, folder, HF_HUB_DISABLE_XET="1")
        assert sizes["w.safetensors"] == 300_000_000
        assert peak_memory(hub.process.pid) - before < 30_000_000
    # pytest keeps its folders, and this one is large.
    shutil.rmtree(tmp_path)


def peak_memory(process: int) -> int:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert match
    return int(match[1]) * 1024
