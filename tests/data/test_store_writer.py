"""One run at a time in a folder: the first run is named, what a killed run left is taken over."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from fer_zoo.data.store.writer import LOCK, alone_in
from fer_zoo.errors import InputError


def test_a_second_run_names_the_first(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(InputError, match="Another run is preparing") as caught, alone_in(tmp_path):
        pytest.fail("two runs at a time")
    assert f"process {os.getpid()} on {socket.gethostname()}" in caught.value.given
    assert list(tmp_path.iterdir()) == []


def test_a_lock_holds_until_its_process_is_killed(tmp_path: Path) -> None:
    held, say = os.pipe()
    if (child := os.fork()) == 0:
        try:
            with alone_in(tmp_path):
                os.write(say, b"held")
                time.sleep(60)
        finally:
            os._exit(1)
    os.close(say)
    assert os.read(held, 9) == b"held"
    os.close(held)
    with pytest.raises(InputError, match=f"process {child} on"), alone_in(tmp_path):
        pytest.fail("two runs at a time")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
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
