"""The page under attack: raw requests of any kind, floods, ends without notice. The agent watches on."""

from __future__ import annotations

import resource
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.page_process import PageProcess, run_page, trusting
from tests.support.running_agent import WatchedCorner
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
SECRETS = (b"7K3MQ", b"hash", b"salt", b"Traceback", b"/tmp/", b"provisioning")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    served = run_page(tmp_path_factory.mktemp("pole"))
    yield served
    served.end()


def connected(page: PageProcess) -> ssl.SSLSocket:
    host, _, port = page.host.partition(":")
    line = socket.create_connection((host, int(port)), timeout=60)
    return trusting().wrap_socket(line, server_hostname=host)


def sent(page: PageProcess, content: bytes) -> bytes:
    """Send and hang up for writing; gives what came back."""
    told = b""
    with connected(page) as line, suppress(OSError):
        line.sendall(content)
        line.settimeout(30)
        while part := line.recv(65536):
            told += part
    return told


names = st.sampled_from(
    [
        "Host",
        "Origin",
        "Cookie",
        "Content-Length",
        "Transfer-Encoding",
        "Content-Type",
        "X-CSRF-Token",
        "Sec-Fetch-Site",
        "Connection",
        "Expect",
        "Upgrade",
        "X",
    ]
)
values = st.one_of(
    st.sampled_from(
        [
            "HOST",
            "https://HOST",
            "chunked",
            "0",
            "5",
            "-1",
            "1e3",
            "99999999999",
            "close",
            "websocket",
            "application/json",
            "100-continue",
            "same-origin",
            "__Host-kerbwatch=x",
            "gzip, chunked",
        ]
    ),
    st.text(st.characters(codec="latin-1"), max_size=30),
)
targets = st.one_of(
    st.sampled_from(
        [
            "/",
            "/sign-in",
            "/api/draft",
            "/api/state",
            "/static/page.css",
            "/steps/zones",
            "*",
            "/api/picture/x",
            "/static/../x",
            "http://HOST/",
            "/%00",
            "/api/check",
        ]
    ),
    st.text(st.characters(codec="latin-1"), max_size=40),
)
bodies = st.one_of(
    st.binary(max_size=200), st.sampled_from([b"{}", b"5\r\nabcde\r\n0\r\n\r\n", b'{"code": "x"}'])
)


@st.composite
def requests(draw: st.DrawFn) -> str:
    method = draw(st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE", "get", "GET ", ""]))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2", "HTTP/9.9", ""]))
    lines = [f"{method} {draw(targets)} {version}"]
    if draw(st.booleans()):
        lines.append("Host: HOST")
    lines += [
        f"{name}: {value}" for name, value in draw(st.lists(st.tuples(names, values), max_size=6))
    ]
    return "\r\n".join(lines) + draw(st.sampled_from(["\r\n\r\n", "\n\n", "\r\n\r\n\r\n"]))


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(requests(), bodies)
def test_no_raw_request_gets_anything_or_breaks_the_page(
    page: PageProcess, head: str, body: bytes
) -> None:
    """Answered or hung up upon, never with a secret or a trace, never with a server's fault."""
    content = head.replace("HOST", page.host).encode("latin-1") + body
    told = sent(
        page,
        content
        + f"\r\n\r\nGET /x HTTP/1.1\r\nHost: {page.host}\r\nConnection: close\r\n\r\n".encode(),
    )
    assert not told or told.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 5" not in told
    assert b"set-cookie: __Host-kerbwatch=" not in told.lower()
    for secret in SECRETS:
        assert secret not in told
    assert page.process.poll() is None


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.binary(min_size=1, max_size=400))
def test_no_bytes_break_the_page(page: PageProcess, content: bytes) -> None:
    sent(page, content + b"\r\n\r\n")
    assert page.process.poll() is None


def test_after_all_that_it_serves(page: PageProcess) -> None:
    assert page.ask("/").status == 200
    assert page.sign_in().status == 200


@pytest.fixture
def corner(tmp_path: Path) -> Iterator[WatchedCorner]:
    watched = WatchedCorner(tmp_path)
    watched.start()
    yield watched
    watched.stop(signal.SIGKILL)


def watches_on(corner: WatchedCorner) -> bool:
    """Whether the agent analyses further frames, and is the process that it was."""
    seen = corner.analysed()
    wait_until(lambda: corner.analysed() > seen + 3)
    assert corner.process is not None
    return corner.process.poll() is None


def flood(page: PageProcess, stop: threading.Event) -> None:
    """Everything at once: half requests, whole ones that the agent has to answer, large bodies."""
    whole = f"GET /api/cameras HTTP/1.1\r\nHost: {page.host}\r\n"
    if page.cookies:
        whole += f"Cookie: __Host-kerbwatch={page.cookies['__Host-kerbwatch']}\r\n"
    kinds = [
        b"GET / HTTP/1.1\r\n",
        (whole + "\r\n").encode(),
        f"PUT /api/draft HTTP/1.1\r\nHost: {page.host}\r\nContent-Length: 500000\r\n\r\n".encode()
        + b"x" * 300_000,
    ]
    number = 0
    while not stop.is_set():
        number += 1
        with suppress(OSError), connected(page) as line:
            line.settimeout(2)
            line.sendall(kinds[number % 3])
            line.recv(1000)


def test_a_flooded_page_keeps_the_agent_from_nothing(corner: WatchedCorner) -> None:
    page = run_page(corner.folder)
    page.sign_in()
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(page, stop)) for _ in range(8)]
    for each in threads:
        each.start()
    try:
        for _ in range(3):
            assert watches_on(corner)
        assert page.process.poll() is None
    finally:
        stop.set()
        for each in threads:
            each.join()
        page.process.kill()
        page.process.communicate(timeout=60)
    assert watches_on(corner)


def test_a_page_that_is_killed_while_the_agent_answers_takes_nothing_along(
    corner: WatchedCorner,
) -> None:
    for _ in range(5):
        page = run_page(corner.folder)
        page.sign_in()
        asking = threading.Thread(target=lambda page=page: _unheard(page))
        asking.start()
        page.process.kill()
        page.process.communicate(timeout=60)
        asking.join()
    assert watches_on(corner)
    with corner.asked() as _:
        pass


def _unheard(page: PageProcess) -> None:
    with suppress(OSError, Exception):
        page.ask("/api/cameras")


def test_a_page_without_memory_ends_by_itself_and_the_agent_does_not(corner: WatchedCorner) -> None:
    """As MemoryMax of its unit has it: what it may take is bounded, and ends nobody else."""
    page = run_page(corner.folder)
    page.sign_in()
    with suppress(ProcessLookupError):
        resource.prlimit(page.process.pid, resource.RLIMIT_AS, (1, 1))
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(page, stop)) for _ in range(4)]
    for each in threads:
        each.start()
    try:
        assert watches_on(corner)
    finally:
        stop.set()
        for each in threads:
            each.join()
        page.process.kill()
        page.process.communicate(timeout=60)
    assert watches_on(corner)
