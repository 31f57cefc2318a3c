"""The picture of `fer-zoo live` as a page on this machine's own address, which needs a browser and nothing else."""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from fer_zoo.errors import OptionError
from fer_zoo.landmarks.base import UInt8

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>fer-zoo live</title>
<style>
body { margin: 0; background: #181b20; color: #eef0f3; font: 15px system-ui, sans-serif }
img { display: block; width: 100%; height: calc(100vh - 3em); object-fit: contain }
p { margin: .8em 1em }
</style>
<img src="picture" alt="The annotated picture"><p id="state">waiting for the first frame</p>
<script>
setInterval(async () => {
  let text = "stopped"
  try { text = await (await fetch("state")).text() } catch {}
  document.getElementById("state").textContent = text
}, 500)
</script></html>
"""
_QUALITY = 85


class LivePage:
    """A page with the newest picture and a line about the state; pictures are drawn only while someone looks.

    Raises:
        OptionError: the port is in use or not permitted.
    """

    def __init__(self, port: int = 0) -> None:
        page, self._changed = self, threading.Condition()
        self._draw: Callable[[], UInt8] | None = None
        self._number, self._closed, self.state = 0, False, "waiting for the first frame"
        # Without it, other users of this machine and pages of other sites could watch.
        self._secret = secrets.token_urlsafe(9)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page._respond(self)

            def log_message(self, *_: Any) -> None:
                """Keep requests off the terminal."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Ignore viewers who leave."""

        try:
            self._server = Server(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            given = f"--port {port} cannot be used: {getattr(error, 'strerror', None) or error}."
            raise OptionError(given, "a free port, 1024 to 65535", "choose another, or leave it out") from error

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """The URL of the page."""
        return f"http://127.0.0.1:{self._server.server_port}/{self._secret}/"

    def show(self, draw: Callable[[], UInt8], state: str) -> None:
        """Replace the picture, uint8 (H, W, 3), and the line below it."""
        with self._changed:
            self._draw, self.state = draw, state
            self._number += 1
            self._changed.notify_all()

    def _respond(self, request: BaseHTTPRequestHandler) -> None:
        prefix = f"/{self._secret}/"
        name = request.path.removeprefix(prefix) if request.path.startswith(prefix) else None
        if name == "":
            _send(request, "text/html; charset=utf-8", _PAGE.encode())
        elif name == "state":
            _send(request, "text/plain; charset=utf-8", self.state.encode("utf-8", "backslashreplace"))
        elif name == "picture":
            self._send_pictures(request)
        else:
            request.send_error(404)

    def _send_pictures(self, request: BaseHTTPRequestHandler) -> None:
        """Send each new picture as a JPEG that replaces the one before, until the viewer leaves."""
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        request.send_header("Cache-Control", "no-store")
        request.end_headers()
        request.wfile.write(b"--picture\r\n")
        shown = 0
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._number > shown)  # noqa: B023
                draw, shown = self._draw, self._number
            if draw is None:
                return
            data = _jpeg(draw())
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            # A browser shows a picture once it reads what ends it.
            request.wfile.write(head + data + b"\r\n--picture\r\n")


def _send(request: BaseHTTPRequestHandler, kind: str, data: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(data)))
    request.send_header("Cache-Control", "no-store")
    request.end_headers()
    request.wfile.write(data)


def _jpeg(image: UInt8) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, "jpeg", quality=_QUALITY)
    return data.getvalue()
