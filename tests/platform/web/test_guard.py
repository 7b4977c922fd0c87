"""What every request has to be before the desk looks at it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from kerbwatch_platform.settings import Web
from kerbwatch_platform.web import guard
from kerbwatch_platform.web.addresses import AddressError, Addresses
from kerbwatch_platform.web.guard import BodyError, Guard

from tests.support.desk import RunningDesk
from tests.support.desk_visitor import Visitor, words_of
from tests.support.loops import run_apart

PUBLIC = Web(host="0.0.0.0", public_url="https://desk.city.example")


def raw(desk: RunningDesk, request: bytes) -> bytes:
    """The answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", desk.port)) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:8480", "127.0.0.2:80"])
def test_on_this_machine_the_desk_answers_under_the_machine_s_own_names(host: str) -> None:
    assert Addresses(Web()).answers_to(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8480", "", "10.0.0.1"],
)
def test_under_no_other_name(host: str) -> None:
    assert not Addresses(Web()).answers_to(host)


def test_behind_a_proxy_it_answers_under_the_public_name_alone() -> None:
    addresses = Addresses(PUBLIC)
    assert [addresses.answers_to(host) for host in ("desk.city.example", "127.0.0.1")] == [
        True,
        False,
    ]
    assert addresses.is_own_origin("https://desk.city.example", "desk.city.example")
    assert not addresses.is_own_origin("http://desk.city.example", "desk.city.example")
    assert addresses.url("/first/x") == "https://desk.city.example/first/x"


@pytest.mark.parametrize(
    "web", [Web(host="0.0.0.0"), Web(host="192.168.1.7"), Web(public_url="http://desk.example")]
)
def test_it_refuses_to_start_where_passwords_would_cross_the_network_in_the_open(web: Web) -> None:
    with pytest.raises(AddressError, match=r"TLS|https"):
        Addresses(web)


@pytest.mark.slow
def test_a_site_that_points_its_own_name_at_this_machine_reads_nothing(
    desk: RunningDesk, visitor: Visitor
) -> None:
    answer = visitor.get("/sign-in", host="evil.example")
    assert answer.status_code == 421
    for words in ("The desk does not answer under this name.", "值班台不以这个名称提供服务"):
        assert words in answer.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /%00 HTTP/1.1", b"400"),
        (b"GET /log?account=%00 HTTP/1.1", b"400"),
        (b"GET /cases/a%0d%0aset-cookie:x/b/c HTTP/1.1", b"400"),
        (b"GET /" + b"a" * 3000 + b" HTTP/1.1", b"414"),
        (b"DELETE /accounts HTTP/1.1", b"405"),
        (b"TRACE / HTTP/1.1", b"405"),
        (b"OPTIONS / HTTP/1.1", b"405"),
        (b"GET /..%2f..%2fetc/passwd HTTP/1.1", b"404"),
        (b"GET /static/..%2fapp.py HTTP/1.1", b"404"),
        (b"GET /static/%2e%2e/app.py HTTP/1.1", b"404"),
        (b"GET /\xff\xfe HTTP/1.1", b"4"),
        (b"GET /cases/%ff%fe/b/c HTTP/1.1", b""),
    ],
)
def test_odd_requests_are_answered_and_nothing_breaks(
    desk: RunningDesk, visitor: Visitor, request_line: bytes, status: bytes
) -> None:
    host = f"\r\nHost: 127.0.0.1:{desk.port}\r\nConnection: close\r\n\r\n".encode()
    answer = raw(desk, request_line + host)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert b"root:" not in answer
    assert b"Traceback" not in answer
    assert visitor.get("/sign-in").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("hosts", [b"", b"Host: 127.0.0.1\r\nHost: evil.example\r\n"])
def test_a_request_names_one_host(desk: RunningDesk, hosts: bytes) -> None:
    answer = raw(desk, b"GET /sign-in HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))


@pytest.mark.slow
def test_a_form_that_is_too_long_is_not_read(desk: RunningDesk, visitor: Visitor) -> None:
    visitor.get("/sign-in")
    answer = visitor.post("/sign-in", {"name": "x" * 70_000})
    assert answer.status_code == 413
    assert "larger than the desk takes" in words_of(answer)


@pytest.mark.slow
def test_nor_is_one_that_does_not_say_how_long_it_is(desk: RunningDesk, visitor: Visitor) -> None:
    visitor.get("/sign-in")
    kind = {"content-type": "application/x-www-form-urlencoded", "origin": desk.url}
    pieces = (b"x=" + b"y" * 10_000 for _ in range(20))
    answer = visitor.client.post("/sign-in", content=pieces, headers=kind)
    assert answer.status_code == 413


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[" * 50_000),
        ("application/json", b'{"csrf": {"a": 1}}'),
        ("application/json", b"\xff"),
        ("application/json", b'{"a": NaN}'),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="f"; filename="g"\r\n\r\n1\r\n--x--\r\n',
        ),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(500))),
        ("application/x-www-form-urlencoded; charset=nonsense", b"a=%ff"),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    desk: RunningDesk, visitor: Visitor, kind: str, body: bytes
) -> None:
    visitor.get("/sign-in")
    told = {"content-type": kind, "origin": desk.url, "x-csrf-token": visitor.token}
    answer = visitor.client.post("/sign-out", content=body, headers=told)
    assert answer.status_code in {303, 400}
    assert visitor.get("/sign-in").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("field", ["name", "password", "next"])
def test_a_field_with_control_characters_is_refused(
    desk: RunningDesk, visitor: Visitor, field: str
) -> None:
    visitor.get("/sign-in")
    form = {"name": "viewer", "password": "x", "next": "/"} | {field: "a\0b"}
    assert visitor.post("/sign-in", form).status_code == 400


@pytest.mark.slow
@pytest.mark.parametrize(
    "leads",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\u2028x",
    ],
)
def test_a_sign_in_leads_nowhere_else(desk: RunningDesk, visitor: Visitor, leads: str) -> None:
    visitor.get("/sign-in")
    form = {"name": "viewer", "password": "three crows on a wire", "next": leads}
    answer = visitor.post("/sign-in", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_S", 0.0)
    met: list[int] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        try:
            await receive()
        except BodyError as error:
            met.append(error.status)

    async def never() -> Any:
        await asyncio.get_running_loop().create_future()

    async def unsent(message: Any) -> None:
        raise AssertionError(message)

    scope = {
        "type": "http", "method": "POST", "raw_path": b"/sign-in", "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }  # fmt: skip
    run_apart(Guard(inner, Addresses(Web()))(scope, never, unsent))
    assert met == [408]


def test_nothing_of_the_desk_comes_from_elsewhere() -> None:
    """A desk without the internet looks as it does with it."""
    web = Path(guard.__file__).parent
    found = [
        (path.name, line.strip())
        for folder in ("templates", "static")
        for path in sorted((web / folder).iterdir())
        if path.is_file()
        for line in path.read_text(encoding="utf-8").splitlines()
        if any(
            each in line.replace('xmlns="http://www.w3.org/2000/svg"', "")
            for each in ("http://", "https://", '"//', "@import", "url(")
        )
    ]
    assert found == []


def test_templates_hold_no_script_and_no_style_that_the_policy_would_refuse() -> None:
    for path in sorted((Path(guard.__file__).parent / "templates").glob("*.html")):
        text = path.read_text(encoding="utf-8")
        assert " style=" not in text, path.name
        assert "<style" not in text, path.name
        assert "| safe" not in text.replace("|safe", "| safe"), path.name
        for script in text.split("<script")[1:]:
            assert 'src="/static/' in script.partition(">")[0], path.name
