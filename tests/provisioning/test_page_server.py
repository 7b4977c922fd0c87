"""The page's server: what it lets through, what it says before anybody has signed in, what it costs."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.page.connections import MAX_OF_ONE
from provisioning.page.guard import MAX_BODY_BYTES
from provisioning.page.routes import ENDPOINTS
from provisioning.page.static_files import BEFORE_SIGN_IN
from provisioning.page.visit import Visit
from tests.support.page_process import PageProcess, run_page, trusting
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

MOST_MORE_KB = 40 * 1024
"""What the page may take beyond a Python that does nothing."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    """One page for the tests of this file; none of them leaves it signed in."""
    page = run_page(tmp_path_factory.mktemp("pole"))
    yield page
    page.end()


@pytest.fixture
def page(served: PageProcess) -> Iterator[PageProcess]:
    yield served
    if served.csrf:
        served.ask("/sign-out", "POST")
    served.cookies.clear()
    served.csrf = ""


def raw(page: PageProcess, sent: bytes) -> bytes:
    """Send bytes over TLS, and read until the other end closes."""
    with connected(page) as line:
        line.sendall(sent)
        return read_all(line)


def read_all(line: ssl.SSLSocket) -> bytes:
    told = b""
    try:
        while part := line.recv(65536):
            told += part
    except (ConnectionError, ssl.SSLError):
        pass
    return told


def connected(page: PageProcess) -> ssl.SSLSocket:
    host, _, port = page.host.partition(":")
    line = socket.create_connection((host, int(port)), timeout=60)
    return trusting().wrap_socket(line, server_hostname=host)


def status_of(told: bytes) -> int:
    return int(told.split(b" ", 2)[1])


def asked(page: PageProcess, target: str = "/", *headers: str, host: str | None = None) -> int:
    """The status of a bare GET."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {host or page.host}", "Connection: close", *headers]
    return status_of(raw(page, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")))


def test_before_sign_in_every_address_but_the_sign_in_says_nothing(page: PageProcess) -> None:
    for each in ENDPOINTS:
        path = each.path.replace("{folder}", "zones").replace("{name}", "main.js")
        for part in ("step", "camera_id", "job", "code", "test_id"):
            path = path.replace(f"{{{part}}}", "mount")
        if not each.signed_in:
            continue
        answer = page.ask(path, each.method)
        assert answer.status in {303, 401, 404}, f"{each.method} {path}"
        assert len(answer.body) < 400


def test_the_sign_in_names_neither_device_nor_version(page: PageProcess) -> None:
    told = page.ask("/").body.decode() + str(page.ask("/").headers)
    for secret in ("kerb-", "example", "0.2.0", "uvicorn", "starlette", socket.gethostname()):
        assert secret not in told.lower()


def test_what_the_sign_in_is_made_of_is_there_and_the_rest_is_not(page: PageProcess) -> None:
    for name in BEFORE_SIGN_IN:
        assert page.ask(f"/static/{name}").status == 200
    others = {
        each.name for each in (ROOT / "provisioning/page/static").glob("*.*")
    } - BEFORE_SIGN_IN
    for name in others:
        assert page.ask(f"/static/{name}").status == 404


def test_the_fingerprint_shown_is_that_of_the_certificate(page: PageProcess) -> None:
    with connected(page) as line:
        der = line.getpeercert(binary_form=True)
    assert der is not None
    digest = hashlib.sha256(der).hexdigest().upper()
    told = page.ask("/").body.decode()
    assert " ".join(digest[at : at + 4] for at in range(0, 64, 4)) in told


def test_a_second_start_keeps_the_certificate(tmp_path: Path) -> None:
    """The label is printed once."""
    first = run_page(tmp_path)
    first.end()
    content = (tmp_path / "page/tls/page.crt").read_bytes()
    second = run_page(tmp_path)
    second.end()
    assert (tmp_path / "page/tls/page.crt").read_bytes() == content
    assert (tmp_path / "page/tls/page.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost", "[::1]", "10.73.84.1.evil.example", ""]
)
def test_another_host_is_not_served(page: PageProcess, host: str) -> None:
    """A name of an attacker's that leads to the device (DNS rebinding)."""
    assert asked(page, host=host or " ") in {400, 421}


def test_two_hosts_are_none(page: PageProcess) -> None:
    assert asked(page, "/", f"Host: {page.host}") in {400, 421}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1"},
    ],
)
def test_another_sites_post_is_refused_even_with_the_session(
    page: PageProcess, headers: dict[str, str]
) -> None:
    page.sign_in()
    body = {"zones": [], "based_on": 0}
    assert page.ask("/api/draft", "PUT", body, headers=headers).status == 403
    assert page.ask("/sign-in", "POST", {"code": "x"}, headers=headers).status == 403


def test_a_post_without_an_origin_is_refused(page: PageProcess) -> None:
    sent = f"POST /language HTTP/1.1\r\nHost: {page.host}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    assert status_of(raw(page, sent.encode())) == 403


def test_a_change_needs_the_token_of_the_view(page: PageProcess) -> None:
    page.sign_in()
    for token in ("", "x", page.csrf[:-1]):
        refused = page.ask("/api/draft", "PUT", {"zones": []}, headers={"X-CSRF-Token": token})
        assert (refused.status, refused.json()["error"]["code"]) == (403, "stale")
    assert page.ask("/api/draft", "PUT", {"zones": []}).status == 200


def test_a_form_of_another_site_is_no_body(page: PageProcess) -> None:
    page.sign_in()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        refused = page.ask("/api/draft", "PUT", {"zones": []}, headers={"Content-Type": kind})
        assert refused.status == 415


@pytest.mark.parametrize(
    "target",
    [
        "/static/../setup.py",
        "/static/..%2f..%2fsetup.py",
        "/static/%2e%2e/page.py",
        "/static//etc/passwd",
        "/static/.hidden",
        "//evil.example/",
        "/static/page.css%00.js",
        "/static\\page.css",
        "/steps/../../etc/passwd",
        "http://evil.example/",
        "*",
    ],
)
def test_a_path_leads_nowhere_else(page: PageProcess, target: str) -> None:
    page.sign_in()
    assert asked(page, target) in {303, 400, 404}


def test_the_answer_keeps_a_browser_to_this_page(page: PageProcess) -> None:
    for path in ("/", "/static/page.css", "/api/state", "/nothing"):
        headers = page.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_nothing_stands_inline_in_a_template() -> None:
    for path in (ROOT / "provisioning/page/templates").glob("*.html"):
        text = path.read_text("utf-8")
        assert " style=" not in text
        assert "<style" not in text
        assert " on" not in {part[:3] for part in text.split('="')[0::2]}
        for line in text.splitlines():
            if "<script" in line:
                assert 'src="/static/' in line or 'type="application/json"' in line


def test_the_cookie_is_for_this_page_alone(page: PageProcess) -> None:
    page.press()
    cookie = page.sign_in().headers["set-cookie"]
    assert cookie.startswith("__Host-kerbwatch=")
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


def test_a_body_that_is_too_large_is_refused_before_it_has_come(page: PageProcess) -> None:
    page.sign_in()
    head = (
        f"PUT /api/draft HTTP/1.1\r\nHost: {page.host}\r\nOrigin: {page.url}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nX-CSRF-Token: {page.csrf}\r\n"
        f"Cookie: __Host-kerbwatch={page.cookies['__Host-kerbwatch']}\r\n"
    )
    whole = head + f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    assert status_of(raw(page, whole.encode())) == 413
    piece = f"{0x8000:x}\r\n".encode() + b"x" * 0x8000 + b"\r\n"
    chunked = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + piece * 20
    assert status_of(raw(page, chunked)) == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"zones": 1}',
        b'{"zones": [], "more": 1}',
        b'{"zones": [' + b"[" * 50_000,
        b'{"zones": [{"polygon": [[NaN, 0]]}], "force": true}',
        b'{"zones": [1e999], "force": true}',
        b"\xff",
    ],
)
def test_a_body_that_does_not_fit_is_refused_and_named(page: PageProcess, body: bytes) -> None:
    page.sign_in()
    refused = page.ask("/api/draft", "PUT", raw=body)
    assert (refused.status, refused.json()["error"]["code"]) == (400, "bad_request")


def test_other_methods_are_not_there(page: PageProcess) -> None:
    for method in ("DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "X"):
        target = page.host if method == "CONNECT" else "/"
        sent = f"{method} {target} HTTP/1.1\r\nHost: {page.host}\r\nConnection: close\r\n\r\n"
        assert status_of(raw(page, sent.encode())) in {400, 404, 405}


def test_plain_text_gets_nothing(page: PageProcess) -> None:
    host, _, port = page.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(f"GET / HTTP/1.1\r\nHost: {page.host}\r\n\r\n".encode())
        assert b"HTTP" not in line.recv(4096)


@pytest.mark.parametrize(("version", "spoken"), [("-tls1_1", False), ("-tls1_2", True)])
def test_an_old_tls_is_refused(page: PageProcess, version: str, spoken: bool) -> None:
    command = ["openssl", "s_client", version, "-cipher", "DEFAULT@SECLEVEL=0", "-connect"]
    asked = subprocess.run(
        [*command, page.host], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (asked.returncode == 0) == spoken


def test_a_phone_gets_no_more_than_its_connections(page: PageProcess) -> None:
    lines = [connected(page) for _ in range(MAX_OF_ONE)]
    try:
        with connected(page) as one_more:
            assert read_all(one_more) == b""
    finally:
        for each in lines:
            each.close()
    wait_until(lambda: page.ask("/").status == 200)


@pytest.mark.slow
def test_a_request_that_never_ends_is_ended(page: PageProcess) -> None:
    with connected(page) as line:
        line.settimeout(60)
        line.sendall(b"GET / HTTP/1.1\r\n")
        assert read_all(line) == b""
    with connected(page) as line:
        line.settimeout(60)
        head = f"POST /language HTTP/1.1\r\nHost: {page.host}\r\nOrigin: {page.url}\r\n"
        line.sendall(
            (head + "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{").encode()
        )
        assert status_of(read_all(line)) == 408


def test_a_head_that_is_too_large_is_refused(page: PageProcess) -> None:
    sent = f"GET / HTTP/1.1\r\nHost: {page.host}\r\nX: {'x' * 40_000}\r\n\r\n"
    assert status_of(raw(page, sent.encode())) == 400
    assert asked(page, "/" + "x" * 2000) == 414


def test_a_draft_of_another_phone_is_not_lost(page: PageProcess) -> None:
    page.sign_in()
    first = page.ask("/api/draft", "PUT", {"zones": [1], "force": True}).json()
    conflict = page.ask("/api/draft", "PUT", {"zones": [2], "seen": "2026"})
    assert (conflict.status, conflict.json()["error"]["code"]) == (409, "draft_changed")
    assert conflict.json()["draft"]["zones"] == [1]
    assert page.ask("/api/draft", "PUT", {"zones": [2], "seen": first["saved_at"]}).status == 200
    assert page.ask("/api/draft").json()["zones"] == [2]


def test_the_language_is_the_phones_until_somebody_chooses(page: PageProcess) -> None:
    assert 'lang="zh-CN"' in page.ask("/").body.decode()
    assert 'lang="en"' in page.ask("/", headers={"Accept-Language": "en-GB,zh;q=0.5"}).body.decode()
    page.ask("/language", "POST", {"language": "en"})
    assert "Code under the lid" in page.ask("/").body.decode()
    page.ask("/language", "POST", {"language": "zh_CN"})
    assert "盖内的登录码" in page.ask("/", headers={"Accept-Language": "en"}).body.decode()
    assert page.ask("/language", "POST", {"language": "../../etc"}).status == 400


def test_signing_in_over_the_page_and_out(page: PageProcess) -> None:
    assert page.ask("/api/draft").status == 401
    assert page.sign_in("wrong").status == 403
    assert page.sign_in().status == 200
    assert page.ask("/api/draft").status == 200
    assert page.ask("/", "GET").status == 303
    assert page.ask("/sign-out", "POST").status == 200
    assert page.ask("/api/draft").status == 401


def test_after_the_acceptance_a_session_may_look_and_leave_and_change_nothing(
    tmp_path: Path,
) -> None:
    page = run_page(tmp_path)
    try:
        page.sign_in()
        assert page.ask("/api/draft", "PUT", {"zones": []}).status == 200
        page.end()
        Visit(tmp_path / "page" / "visit.json", 0.0).end("accepted")
        again = run_page(tmp_path)
        again.cookies, again.csrf = page.cookies, page.csrf
        page = again
        assert page.ask("/api/draft").status == 200
        refused = page.ask("/api/draft", "PUT", {"zones": [1], "force": True})
        assert (refused.status, refused.json()["error"]["code"]) == (403, "visit_over")
        assert page.ask("/sign-out", "POST").status == 200
        assert page.ask("/api/draft").status == 401
    finally:
        page.end()


@pytest.mark.parametrize("age_s", [3600, -3600])
def test_a_device_is_accepted_by_a_check_of_these_minutes_alone(
    tmp_path: Path, age_s: float
) -> None:
    page = run_page(tmp_path)
    try:
        page.sign_in()
        checked = tmp_path / "root" / "check.json"
        checked.write_text(json.dumps({"findings": []}), encoding="utf-8")
        at_s = time.time() - age_s
        os.utime(checked, (at_s, at_s))
        refused = page.ask("/api/acceptance", "POST", {"name": "x"})
        assert (refused.status, refused.json()["error"]["code"]) == (409, "not_checked")
        os.utime(checked)
        silent = page.ask("/api/acceptance", "POST", {"name": "x"})
        assert silent.json()["error"]["code"] == "agent_silent", "it is asked: there is none here"
    finally:
        page.end()


def rss_kb(pid: int) -> int:
    [line] = [
        each
        for each in Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        if each.startswith("VmRSS:")
    ]
    return int(line.split()[1])


@pytest.mark.slow
def test_the_page_takes_no_more_than_40_mb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signed in, in Chinese, views and pictures' routes used; beyond a Python that does nothing."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "131072")
    idle = subprocess.Popen(
        [sys.executable, "-P", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert idle.stdout is not None
    idle.stdout.readline()
    bare_kb = rss_kb(idle.pid)
    idle.communicate(b"\n")
    run_page(tmp_path).end()  # what is compiled once is compiled
    page = run_page(tmp_path)
    try:
        page.sign_in("wrong")
        page.sign_in()
        for step in ("mount", "zones", "walk", "check", "accept"):
            page.ask(f"/steps/{step}")
        for path in ("/api/state", "/api/cameras", "/api/draft"):
            page.ask(path)
        taken_kb = rss_kb(page.process.pid)
    finally:
        page.end()
    with capsys.disabled():
        print(f"\nthe page: {taken_kb} kB, {taken_kb - bare_kb} kB more than a bare Python")
    assert taken_kb - bare_kb <= MOST_MORE_KB


def test_uvicorns_command_line_is_there_for_whoever_else_wants_it() -> None:
    wanted = (
        "import provisioning.page.connections, uvicorn; from uvicorn.server import Server;"
        "assert uvicorn.Server is Server; assert callable(uvicorn.run); import uvicorn.main;"
        "assert not hasattr(uvicorn, 'nothing')"
    )
    subprocess.run(
        [sys.executable, "-P", "-c", wanted],
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


def test_the_page_loads_no_networks_no_pictures_and_no_schema(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-P", "-c", "import provisioning.page.__main__, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    ).stdout.split()
    heavy = {
        "cv2",
        "numpy",
        "onnxruntime",
        "agent.config.schema",
        "cryptography",
        "paho",
        "click",
        "multiprocessing",
    }
    assert heavy & set(told) == set()
