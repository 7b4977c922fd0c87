"""An exchange with another's server is over in time and asks nothing of the thread that it is asked in."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.transports.exchange import Answer, Exchanges

if TYPE_CHECKING:
    from collections.abc import Iterator


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


def asked(url: str) -> list[Answer]:
    with Exchanges(within_s=60, most_bytes=5) as exchanges:
        return [exchanges.post(url, content, {}) for content in (b"one", b"longer than five")]


def test_one_after_the_other_is_answered_and_what_is_long_is_cut(url: str) -> None:
    assert [(each.status, each.content) for each in asked(url)] == [(200, b"one"), (200, b"longer")]


def test_it_is_the_same_in_a_thread_that_has_an_event_loop(url: str) -> None:
    async def within() -> list[Answer]:
        return asked(url)

    with ThreadPoolExecutor(
        1
    ) as apart:  # a browser's test leaves this process's own thread with a loop
        told = apart.submit(lambda: asyncio.run(within())).result()
    assert [each.content for each in told] == [b"one", b"longer"]
