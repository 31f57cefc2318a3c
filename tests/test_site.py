"""The built site in a browser: no errors, nothing wider than the window, in both themes on a phone and a desktop."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import llms_txt  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def entries(nav: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for entry in nav:
        for title, value in entry.items():
            yield title, value
            if isinstance(value, list):
                yield from entries(value)


def test_no_section_of_the_navigation_has_more_than_seven_entries() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert {title: len(value) for title, value in entries(nav) if isinstance(value, list) and len(value) > 7} == {}


def test_llms_txt_is_up_to_date() -> None:
    assert llms_txt.PAGE.read_text() == llms_txt.page(), "run `python tools/llms_txt.py`"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Address of the built site, and the addresses of its pages."""
    pytest.importorskip("playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder], cwd=ROOT, check=True)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pages = sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("index.html"))
        yield f"http://127.0.0.1:{server.server_port}", pages
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_every_page_in_a_browser(site: tuple[str, list[str]], theme: Any, width: int) -> None:
    from playwright.sync_api import sync_playwright

    address, pages = site
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme).new_page()
        tab.on("console", lambda message: message.type == "error" and problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("response", lambda answer: answer.status >= 400 and problems.append(f"{answer.status} {answer.url}"))
        tab.on("request", lambda asked: address not in asked.url and problems.append(f"asks for {asked.url}"))
        for page in pages:
            tab.goto(f"{address}/{page}", wait_until="networkidle")
            wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                problems.append(f"{page}: {wide} px wider than the window")
            if tab.evaluate("[...document.images].some(image => !image.complete || !image.naturalWidth)"):
                problems.append(f"{page}: a picture is missing")
            scheme = tab.evaluate("document.body.getAttribute('data-md-color-scheme')")
            assert scheme == {"light": "default", "dark": "slate"}[theme]
        browser.close()
    assert not problems


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "page"),
    [("webcam", "live/"), ("onnx", "export/"), ("several faces", "predict/"), ("cross-validation", "evaluation/")],
)
def test_search_finds(site: tuple[str, list[str]], words: str, page: str) -> None:
    from playwright.sync_api import sync_playwright

    address, _ = site
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(f"{address}/?q={words}")
        tab.wait_for_selector(".md-search-result__link")
        found = [link.get_attribute("href") or "" for link in tab.query_selector_all(".md-search-result__link")]
        browser.close()
    assert any(f"/{page}" in link for link in found[:3]), found[:5]
