"""The two listeners: they log a request, let the routes answer it, and spoil the answer on demand."""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from . import routes_commits, routes_control, routes_files, routes_lfs, routes_pulls, routes_repos, routes_trees
from .answers import Answer, Exchange, Incoming, Refusal
from .faults import Fault, Listener, Request
from .routes_control import CONTROL
from .routing import ROUTES
from .state import State

# Imported for the routes they define.
MODULES = (routes_control, routes_commits, routes_files, routes_lfs, routes_pulls, routes_repos, routes_trees)
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Server(ThreadingHTTPServer):
    """One listener of the hub; it can be stopped for good, with the connections that are kept alive."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], listener: Listener, state: State) -> None:
        self.listener, self.state = listener, state
        self.connections: set[socket.socket] = set()
        super().__init__(address, RequestHandler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            self.state.errors.append(traceback.format_exc())

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def version_string(self) -> str:
        return "test-hub"

    def serve(self) -> None:
        path, _, query = self.path.partition("?")
        exchange = Exchange(self.command, path, query, self.headers, Incoming(self.rfile, self.headers))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.server.listener, self.command, self.path, headers)
        fault = Fault()
        if not path.startswith(CONTROL):
            self.server.state.log.append(request)
            fault = self.server.state.faults.take(request) or fault
        if fault.delay and fault.stall_at is None:
            time.sleep(fault.delay)
        if fault.hang_up == "before":
            self.hang_up()
            return
        answer = self.answer(exchange, fault)
        exchange.body.drain()
        request.received = exchange.body.received
        if fault.hang_up == "after":
            self.hang_up()
            return
        self.send(request, answer, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = serve  # noqa: N815

    def answer(self, exchange: Exchange, fault: Fault) -> Answer:
        if fault.status is not None:
            refusal = Refusal(fault.status, f"Fault on demand: {fault.status}").answer()
            return refusal if fault.body is None else Answer(fault.status, fault.body)
        try:
            return ROUTES.answer(self.server.state, exchange, self.server.listener)
        except Refusal as refusal:
            return refusal.answer()
        except ConnectionError:
            raise
        except Exception:
            self.server.state.errors.append(traceback.format_exc())
            return Refusal(500, "The test hub has a bug; see Hub.errors").answer()

    def hang_up(self) -> None:
        self.close_connection = True
        # The client may have been first.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, request: Request, answer: Answer, fault: Fault) -> None:
        if fault.body is not None:
            answer.body = fault.body
        size = answer.size if fault.short is None else min(fault.short, answer.size)
        start, stop = 0, size
        headers = {"X-Request-Id": f"Root=1-{uuid4().hex}", **answer.headers, **fault.add_headers}
        byte_range = RANGE.fullmatch(self.headers.get("Range", ""))
        if answer.ranges and answer.status == 200 and byte_range and not fault.ignore_range:
            start, stop = range_of(byte_range, size)
            answer.status = 206 if start < stop else 416
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}" if start < stop else f"bytes */{size}"
        headers["Content-Length"] = str(max(0, stop - start))
        request.status = answer.status
        self.send_response(answer.status)
        dropped = {name.lower() for name in fault.drop_headers}
        for name, value in headers.items():
            if name.lower() not in dropped:
                self.send_header(name, value)
        if "content-length" in dropped:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(request, answer, fault, start, stop)

    def send_body(self, request: Request, answer: Answer, fault: Fault, start: int, stop: int) -> None:
        end = stop if fault.truncate is None else max(start, min(stop, fault.truncate))
        flip = None if fault.flip is None else fault.flip % max(1, answer.size)
        pauses = [fault.stall_at] if fault.stall_at is not None and start <= fault.stall_at < end else []
        at = start
        for upto in [*pauses, end]:
            for piece in answer.pieces(at, upto):
                if flip is not None and at <= flip < at + len(piece):
                    changed = bytearray(piece)
                    changed[flip - at] ^= 0xFF
                    piece = bytes(changed)
                self.wfile.write(piece)
                at += len(piece)
                request.sent += len(piece)
            if upto in pauses:
                time.sleep(fault.delay)
        if end < stop:
            self.hang_up()


def range_of(byte_range: re.Match[str], size: int) -> tuple[int, int]:
    """First byte and the one behind the last of a `Range` header."""
    if not byte_range[1]:
        return max(0, size - int(byte_range[2] or 0)), size
    return int(byte_range[1]), min(size, int(byte_range[2]) + 1 if byte_range[2] else size)
