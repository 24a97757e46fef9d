"""A proxy on loopback that hands requests on to a real server, and spoils the answers that it is told to spoil."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

Headers = list[tuple[str, str]]
_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


@dataclass
class Answer:
    """What a server answers."""

    status: int
    headers: Headers
    body: bytes
    length: int | None = None
    """the length that the answer claims to have, where that is not the truth"""


Fault = Callable[[Callable[[], Answer]], Answer]
"""takes what asks the server, and makes an answer of that or without it"""


def saying(status: int, body: bytes = b"", **headers: str) -> Fault:
    """The server is not asked: it refuses, or says what it likes."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda asked: Answer(status, pairs, body)


def truncated(asked: Callable[[], Answer]) -> Answer:
    """The connection ends in the middle of the body."""
    answer = asked()
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2], len(answer.body))


def cut(asked: Callable[[], Answer]) -> Answer:
    """The body is half of what it should be, and says so."""
    answer = asked()
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def wrong(asked: Callable[[], Answer]) -> Answer:
    """A body of the right length with a flipped bit."""
    answer = asked()
    body = bytearray(answer.body)
    if body:
        body[len(body) // 2] ^= 1
    return Answer(answer.status, answer.headers, bytes(body))


@dataclass
class Proxy:
    """A running proxy."""

    port: int
    upstream: int
    fault: Fault | None = None
    where: re.Pattern[str] = re.compile("")
    """which requests are spoilt, by ``METHOD PATH``"""
    times: int = 1 << 30
    """how many are, before all is well again"""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spoil(self, fault: Fault, where: str, times: int = 1 << 30) -> None:
        self.where, self.times, self.fault = re.compile(where), times, fault

    def behave(self) -> None:
        self.fault = None

    def answer(self, request: str, asked: Callable[[], Answer]) -> Answer:
        """The answer to ``METHOD PATH``."""
        if self.fault and self.times > 0 and self.where.search(request):
            self.times -= 1
            return self.fault(asked)
        return asked()


@contextlib.contextmanager
def proxy_before(upstream: int) -> Iterator[Proxy]:
    """A proxy before the server on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self._body()
            answer = proxy.answer(f"{self.command} {self.path}", lambda: self._asked(body))
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            length = len(answer.body) if answer.length is None else answer.length
            if self.command != "HEAD":
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.close_connection = length != len(answer.body)

        do_HEAD = do_POST = do_PUT = do_GET

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            pieces = []
            while length := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def _asked(self, body: bytes) -> Answer:
            connection = HTTPConnection("127.0.0.1", upstream, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            pairs = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP]
            if self.command == "HEAD":
                pairs += [("Content-Length", response.getheader("Content-Length", "0"))]
            answer = Answer(response.status, pairs, response.read())
            connection.close()
            return answer

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = Proxy(server.server_address[1], upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
