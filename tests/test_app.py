"""The page of `fer-zoo app` in a browser: upload, wait, read, download; what is refused; two visitors; cancel."""

from __future__ import annotations

import csv
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from video_files import encode, rendered_face

from fer_zoo.errors import InputError

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = [name for name in ("gradio", "playwright") if find_spec(name) is None]
# Not imported here: the fast tests collect this file too.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}")]
MODEL = "incres3d_tiny_lstm_lm_in.synth7"


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    """The page, for videos of at most 4 s and 2 MB; its address is `local_url`."""
    from fer_zoo.app import build_app, launch_app

    built = build_app([MODEL], max_seconds=4)
    launch_app(built, max_mb=2, prevent_thread_lock=True, quiet=True)
    yield built
    built.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("app") / "face.mp4", rendered_face())


def opened(browser: Any, address: str) -> Any:
    tab = browser.new_page()
    tab.elsewhere = []
    tab.on("request", lambda asked: asked.url.startswith(("http", "ws")) and tab.elsewhere.append(asked.url))
    tab.goto(address)
    tab.wait_for_selector("text=Predict expressions")
    return tab


def upload(tab: Any, path: Path) -> None:
    tab.set_input_files("input[type=file]", str(path))


def read(tab: Any, path: Path) -> None:
    upload(tab, path)
    tab.wait_for_selector("video")
    tab.click("text=Predict expressions")


def test_upload_wait_read_download(app: Any, browser: Any, video: Path, tmp_path: Path) -> None:
    tab = opened(browser, app.local_url)
    read(tab, video)
    tab.wait_for_selector("#summary table", timeout=120_000)
    assert "trained on synthetic faces" in tab.inner_text("#summary")
    assert "of" in tab.inner_text("#summary")
    with tab.expect_download() as waiting:
        tab.click("a[download='timeline.csv']")
    waiting.value.save_as(tmp_path / "timeline.csv")
    with (tmp_path / "timeline.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(rendered_face())
    assert {"frame", "label", "p_happiness"} <= set(rows[0])
    assert [
        url for url in tab.elsewhere if not url.startswith((app.local_url, app.local_url.replace("http", "ws")))
    ] == []


def test_two_visitors_at_once(app: Any, browser: Any, video: Path) -> None:
    tabs = [opened(browser, app.local_url) for _ in range(2)]
    for tab in tabs:
        read(tab, video)
    for tab in tabs:
        tab.wait_for_selector("#summary table", timeout=240_000)


def test_a_text_file_is_refused(app: Any, browser: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    tab = opened(browser, app.local_url)
    read(tab, tmp_path / "notes.mp4")
    tab.wait_for_selector("text=cannot be read as video", timeout=60_000)


def test_a_long_video_is_refused(app: Any, browser: Any, tmp_path: Path) -> None:
    frames = rendered_face()
    path = encode(tmp_path / "long.mp4", [*frames] * (130 // len(frames) + 1))
    tab = opened(browser, app.local_url)
    read(tab, path)
    tab.wait_for_selector("text=longer than 4 s", timeout=60_000)


def test_a_large_file_is_refused_before_it_is_read(app: Any, browser: Any, tmp_path: Path) -> None:
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(5 * 2**30)  # 5 GB that take no space
    tab = opened(browser, app.local_url)
    upload(tab, tmp_path / "large.mp4")
    tab.wait_for_selector("text=/maximum.*size/i", timeout=60_000)


def test_cancel(app: Any, browser: Any, video: Path) -> None:
    tab = opened(browser, app.local_url)
    read(tab, video)
    tab.wait_for_selector("#status :text('…')", timeout=60_000)
    # Gradio's page ignores a click on the first button until this request has ended, which takes 0.1 s.
    with tab.expect_request_finished(lambda asked: asked.url.endswith("/cancel")):
        tab.click("text=Cancel")
    tab.wait_for_selector("#status :text('Cancelled')", timeout=60_000)
    tab.click("text=Predict expressions")
    tab.wait_for_selector("#summary table", timeout=120_000)


def test_a_port_in_use_and_one_that_is_none(app: Any) -> None:
    from fer_zoo.app import build_app, launch_app

    for port in (int(app.local_url.rsplit(":")[-1].strip("/")), 70_000):
        with pytest.raises(InputError, match=r"(?s)cannot be served.*--port"):
            launch_app(build_app([MODEL]), port=port, quiet=True)


def test_folders_that_vanish_do_not_end_the_deleting(tmp_path: Path) -> None:
    """Gradio deletes folders of its own while the page looks for old files in them."""
    from fer_zoo.app import _delete_old

    deleting = threading.Thread(target=_delete_old, args=(tmp_path / "page", 0.05, 0.0), daemon=True)
    (tmp_path / "page").mkdir()
    deleting.start()
    for number in range(300):
        for name in "abcdefgh":
            (tmp_path / "page" / f"{number}" / name / name).mkdir(parents=True)
        shutil.rmtree(tmp_path / "page" / f"{number}", ignore_errors=True)
    (tmp_path / "page" / "upload.mp4").touch()
    until = time.monotonic() + 20
    while (tmp_path / "page" / "upload.mp4").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    (tmp_path / "page").rename(tmp_path / "done")
    deleting.join(20)


def read_by_client(address: str, video: Path) -> tuple[Any, ...]:
    from gradio_client import Client, handle_file

    client = Client(address, verbose=False)
    found: tuple[Any, ...] = client.predict(handle_file(str(video)), MODEL, "largest", 0, api_name="/read")
    return found


def test_ten_visitors_at_once_are_all_served(app: Any, video: Path) -> None:
    with ThreadPoolExecutor(10) as visitors:
        found = list(visitors.map(lambda _: read_by_client(app.local_url, video), range(10)))
    assert [status for status, *_ in found] == ["1 face."] * 10


def test_uploads_and_results_are_deleted(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_zoo import app

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(app, "KEPT_S", 15.0)  # a busy machine reads the video for longer than 5 s
    monkeypatch.setattr(app, "CHECK_S", 0.5)
    app._own_folder.cache_clear()
    built = app.build_app([MODEL], max_seconds=4)
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    app.launch_app(built, prevent_thread_lock=True, quiet=True)
    try:
        assert read_by_client(built.local_url, video)[0] == "1 face."
        until = time.monotonic() + 60
        while kept := [path for path in folder.rglob("*") if path.is_file()]:
            assert time.monotonic() < until, kept
            time.sleep(0.5)
    finally:
        built.close()
        app._own_folder.cache_clear()
