"""One run at a time in a folder: the first run is named, what a killed run left is taken over."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fer_zoo.data.store.alone import LOCK, alone_in
from fer_zoo.errors import InputError


def test_a_second_run_names_the_first(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(InputError, match="Another run is preparing") as caught, alone_in(tmp_path):
        pytest.fail("two runs at a time")
    assert f"process {os.getpid()} on {socket.gethostname()}" in caught.value.given
    assert list(tmp_path.iterdir()) == []


def test_a_lock_holds_until_its_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from fer_zoo.data.store.alone import alone_in\n"
        "with alone_in(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"process {process.pid} on"), alone_in(tmp_path):
            pytest.fail("two runs at a time")
        process.kill()
    assert (tmp_path / LOCK).exists(), "a killed run takes nothing away"
    with alone_in(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()


@pytest.mark.parametrize("text", ["", "[]", "no json", '{"process": 1}'])
def test_an_incomplete_lock_file_blocks_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK).write_text(text)
    with alone_in(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()


def test_a_run_on_another_machine_may_still_work(tmp_path: Path) -> None:
    text = json.dumps({"process": 1, "host": "elsewhere"})
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(InputError, match="process 1 on elsewhere") as caught, alone_in(tmp_path):
        pytest.fail("it may be at work")
    assert LOCK in caught.value.do
    assert (tmp_path / LOCK).read_text() == text
