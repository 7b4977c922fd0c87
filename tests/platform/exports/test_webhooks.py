"""A city's own system is told of each case once, in order and signed, however often it fails."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn
from kerbwatch_platform.exports.hotline import Hotline
from kerbwatch_platform.exports.hourly import webhooks
from kerbwatch_platform.exports.webhooks import tell
from kerbwatch_platform.settings import Settings, Webhook
from standardwebhooks.webhooks import Webhook as Signer

from tests.support.exported_cases import DEVICE, TENANT, case, take
from tests.support.timestamping import drip
from tests.support.waiting import wait_until

SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Receiver:
    """A city's system.

    Attributes:
        status: What it answers, as long as nobody changes it.
        refuses: Cases that it answers with 400.
        drips: It answers byte by byte for as long as it is listened to: ``head`` or ``body``.
        body: Of its answers.
        headers: Further ones of its answers.
        got: The verified bodies of what it took, with the id of each.
    """

    status: int = 200
    refuses: set[str] = field(default_factory=set)
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drips: str | None = None
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: int = 0
    url: str = ""

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}/cases?key=do-not-tell"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        content = request.rfile.read(int(request.headers["Content-Length"]))
        told = Signer(SECRET).verify(content, dict(request.headers))
        case_id = told.get("subject") or told["data"]["case_id"]
        status = 400 if case_id in self.refuses else self.status
        if status < 300:
            self.got.append((request.headers["webhook-id"], told))
        if self.drips is not None:
            head = b"HTTP/1.0 200 OK\r\n" + (b"X-More: " if self.drips == "head" else b"\r\n")
            request.wfile.write(head)
            drip(request.wfile)
            return
        request.send_response(status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(self.body)

    def cases(self) -> list[tuple[str, str]]:
        return [(told["type"], told["data"]["case_id"]) for _, told in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def hook(receiver: Receiver, connection: psycopg.Connection, tmp_path: Path) -> Webhook:
    """A system that has been named; nothing was stored before."""
    (tmp_path / "secret").write_text(f"whsec_{SECRET}\n")
    made = Webhook(name="city", url=receiver.url, secret_file=tmp_path / "secret")
    assert tell(connection, made) == (0, 0, 0, None)
    return made


def due_now(connection: psycopg.Connection) -> None:
    """Time passes until every delivery may be tried again."""
    connection.execute("UPDATE webhook_delivery SET next_at = now()")


def test_each_case_is_told_once_as_its_events_come(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    take(connection, case("c-1"), case("c-2"), case("c-2", "case.persisting"))
    assert tell(connection, hook).delivered == 2
    take(connection, case("c-1", "case.cleared", state="cleared"))
    assert tell(connection, hook).delivered == 1
    assert tell(connection, hook).delivered == 0, "the last hour was looked through again"
    assert receiver.cases() == [
        ("case.opened", "c-1"),
        ("case.opened", "c-2"),
        ("case.cleared", "c-1"),
    ]
    assert len({name for name, _ in receiver.got}) == 3
    data = receiver.got[0][1]["data"]
    assert (data["tenant"], data["device_id"], data["form"]) == (TENANT, DEVICE, "reported-matter")
    assert "事发位置" in data["fields"]


def test_what_was_there_before_a_system_was_named_and_tests_are_not_told(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    take(connection, case("c-1"), case("c-2") | {"test": True})
    connection.execute(
        "UPDATE event SET received_at = now() - interval '1 minute' WHERE case_id = 'c-1'"
    )
    connection.execute("UPDATE webhook SET since = now() - interval '30 seconds'")
    assert tell(connection, hook).delivered == 0
    assert receiver.asked == 0


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_while_it_is_down_nothing_is_lost_and_nothing_overtakes(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    take(connection, case("c-1"), case("c-1", "case.cleared", state="cleared"), case("c-2"))
    assert tell(connection, hook) == (0, 3, 0, f"HTTP {status}")
    assert receiver.asked == 1, "the others need not be tried"
    assert tell(connection, hook).delivered == 0
    receiver.status = 200
    due_now(connection)
    assert tell(connection, hook) == (3, 0, 0, None)
    assert receiver.cases()[0] == ("case.opened", "c-1")
    assert receiver.cases().index(("case.cleared", "c-1")) > 0


def test_nobody_there_is_waited_for_longer_each_time_and_the_url_is_told_nowhere(
    connection: psycopg.Connection, hook: Webhook
) -> None:
    take(connection, case("c-1"))
    nowhere = hook.model_copy(update={"url": "http://127.0.0.1:9/cases?key=do-not-tell"})
    waits = []
    for _ in range(4):
        due_now(connection)
        told = tell(connection, nowhere)
        assert told.failed == "ConnectError"
        waits += connection.execute(
            "SELECT extract(epoch FROM next_at - now())::float FROM webhook_delivery"
        ).fetchall()
    assert all(later[0] > earlier[0] * 1.5 for earlier, later in itertools.pairwise(waits))
    rows = connection.execute("SELECT row_to_json(d)::text FROM webhook_delivery d").fetchall()
    assert "do-not-tell" not in json.dumps(rows)


def test_how_long_it_asks_to_wait_is_waited_up_to_an_hour(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    take(connection, case("c-1"))
    receiver.status = 429
    for asked, least, most in (("600", 500, 600), ("999999", 3500, 3600), ("soon", 0, 200)):
        receiver.headers = {"Retry-After": asked}
        due_now(connection)
        tell(connection, hook)
        [(wait_s,)] = connection.execute(
            "SELECT extract(epoch FROM next_at - now())::float FROM webhook_delivery"
        ).fetchall()
        assert least <= wait_s <= most, asked


def test_what_it_refuses_keeps_no_other_case_and_is_given_up_after_three_days(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    receiver.refuses = {"c-1"}
    take(connection, case("c-1"), case("c-1", "case.cleared", state="cleared"), case("c-2"))
    told = tell(connection, hook)
    assert (told.delivered, told.waiting, told.failed) == (1, 2, "HTTP 400")
    assert receiver.cases() == [("case.opened", "c-2")]
    connection.execute(
        "UPDATE webhook_delivery SET queued_at = now() - interval '4 days' WHERE status = 400"
    )
    receiver.refuses = set()
    told = tell(connection, hook)
    assert (told.delivered, told.given_up) == (1, 1)
    assert receiver.cases()[-1] == ("case.cleared", "c-1")


@pytest.mark.parametrize("what", ["head", "body"])
def test_one_that_answers_byte_by_byte_is_hung_up_on_and_told_again(
    connection: psycopg.Connection,
    hook: Webhook,
    receiver: Receiver,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kerbwatch_platform.exports.webhooks.WITHIN_S", 0.5)
    receiver.drips = what
    take(connection, case("c-1"), case("c-2"))
    assert tell(connection, hook) == (0, 2, 0, "no whole answer within 0.5 s")
    assert receiver.asked == 1, "the other need not be tried"
    receiver.drips = None
    due_now(connection)
    assert tell(connection, hook).delivered == 2
    assert len(receiver.got) == 3, "the same event again, which its id says"
    assert len({name for name, _ in receiver.got}) == 2


def test_what_would_be_large_once_unpacked_is_not_unpacked(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    receiver.headers = {"Content-Encoding": "gzip"}
    receiver.body = gzip.compress(b'{"ticket": "7"}')
    take(connection, case("c-1"))
    assert tell(connection, hook).delivered == 1
    assert connection.execute("SELECT count(*) FROM case_ticket").fetchone() == (0,)


def test_one_that_takes_long_for_each_keeps_no_other_waiting_for_all_of_them(
    connection: psycopg.Connection,
    hook: Webhook,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kerbwatch_platform.exports.webhooks.ROUND_S", -1.0)
    take(connection, case("c-1"), case("c-2"))
    assert tell(connection, hook) == (1, 1, 0, None)
    assert tell(connection, hook) == (1, 0, 0, None)
    assert receiver.cases() == [("case.opened", "c-1"), ("case.opened", "c-2")]


def test_a_redirect_is_followed_nowhere(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    receiver.status, receiver.headers = 307, {"Location": receiver.url}
    take(connection, case("c-1"))
    assert tell(connection, hook).failed == "HTTP 307"
    assert receiver.asked == 1


def test_the_number_that_it_answers_with_is_the_cases_and_is_told_to_the_device(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    take(connection, case("c-1"))
    receiver.body = json.dumps({"ticket": "市-2026-7"}).encode()
    tell(connection, hook)
    rows = connection.execute("SELECT case_id, ticket, account FROM case_ticket").fetchall()
    assert rows == [("c-1", "市-2026-7", "webhook city")]
    [(command,)] = connection.execute("SELECT command FROM outgoing").fetchall()
    assert (command["command"], command["case_id"], command["ticket"]) == (
        "ticket",
        "c-1",
        "市-2026-7",
    )
    take(connection, case("c-1", "case.cleared", state="cleared"))
    tell(connection, hook)
    assert connection.execute("SELECT count(*) FROM case_ticket").fetchone() == (1,), (
        "it is the same"
    )


@pytest.mark.parametrize(
    "body",
    [b"[1]", b'{"ticket": 7}', b'{"ticket": " "}', b'{"ticket": "\\u001b[2J"}', b"{" * 100_000, b"x" * 3_000_000,
     json.dumps({"ticket": "x" * 101}).encode()],
)  # fmt: skip
def test_an_answer_that_says_no_number_is_an_answer_all_the_same(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver, body: bytes
) -> None:
    take(connection, case("c-1"))
    receiver.body = body
    assert tell(connection, hook).delivered == 1
    assert connection.execute("SELECT count(*) FROM case_ticket").fetchone() == (0,)


def test_cloudevents_are_told_as_they_are(
    connection: psycopg.Connection, hook: Webhook, receiver: Receiver
) -> None:
    take(connection, case("c-1"))
    tell(connection, hook.model_copy(update={"form": "cloudevents"}))
    [(_, told)] = receiver.got
    assert (told["specversion"], told["subject"]) == ("1.0", "c-1")


def test_one_without_a_secret_keeps_no_other(
    connection: psycopg.Connection,
    settings: Settings,
    hook: Webhook,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").write_text("")
    bad = hook.model_copy(update={"name": "bad", "secret_file": tmp_path / "empty"})
    gone = hook.model_copy(update={"name": "gone", "secret_file": tmp_path / "none"})
    take(connection, case("c-1"))
    line = webhooks(settings.model_copy(update={"webhooks": (bad, gone, hook)}))
    assert line is not None
    assert "openssl rand -base64 32" in line
    assert receiver.cases() == [("case.opened", "c-1")]


def test_two_that_tell_at_once_tell_it_once(
    connection: psycopg.Connection, settings: Settings, hook: Webhook, receiver: Receiver
) -> None:
    take(connection, *[case(f"c-{n}") for n in range(20)])

    def work() -> None:
        with psycopg.connect(settings.database, autocommit=True) as own:
            tell(own, hook)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sorted(receiver.cases()) == sorted(("case.opened", f"c-{n}") for n in range(20))


def test_the_stand_in_for_the_hotline_files_a_case_once_and_asks_for_what_lacks(
    connection: psycopg.Connection, hook: Webhook
) -> None:
    hotline = Hotline(Signer(SECRET))
    server = uvicorn.Server(uvicorn.Config(hotline.app(), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/matters"
        there = hook.model_copy(update={"url": url, "form": "12345"})
        take(connection, case("c-1"), case("c-2", state="a_state_of_next_year"))
        assert tell(connection, there).delivered == 2
        take(connection, case("c-1", "case.cleared", state="cleared"))
        assert tell(connection, there).delivered == 1
        wrong = hook.secret_file.with_name("wrong")
        wrong.write_text("AAAA")
        take(connection, case("c-3"))
        told = tell(connection, there.model_copy(update={"secret_file": wrong}))
        assert told.failed == "HTTP 401"
    finally:
        server.should_exit = True
        thread.join()
    assert hotline.tickets.keys() == {"c-1"}
    assert hotline.matters["c-1"]["state"] == "画面中已消除，待核查"
    rows = connection.execute("SELECT case_id, ticket FROM case_ticket").fetchall()
    assert rows == [("c-1", hotline.tickets["c-1"])]
