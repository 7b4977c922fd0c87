"""What goes wrong is said in the reader's language, and nothing of how the desk is made with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kerbwatch_platform import store
from kerbwatch_platform.web.desk import Desk
from kerbwatch_platform.web.frame import RefusedError, Role, page
from kerbwatch_platform.words import text
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.desk import RunningDesk, new_desk
from tests.support.desk_in_process import DeskInProcess
from tests.support.desk_visitor import words_of
from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow

INSIDE = "postgresql://desk:secret@/srv/kerbwatch"


@page(role=Role.VIEWER)
def breaks(desk: Desk, request: Request) -> Response:
    """As a view with a fault."""
    raise LookupError(INSIDE)


@page(role=Role.VIEWER)
async def breaks_waiting(desk: Desk, request: Request) -> Response:
    """As a coroutine with one."""
    raise LookupError(INSIDE)


@page(role=Role.VIEWER)
def asks_wrongly(desk: Desk, request: Request) -> Response:
    """As SQL with one."""
    with desk.connection() as connection:
        connection.execute("SELECT secret FROM no_such_table")
    return Response()


@page(role=Role.VIEWER)
def refuses(desk: Desk, request: Request) -> Response:
    """As a view that says no."""
    raise RefusedError(409, text("There is no such page."))


@page(role=Role.VIEWER)
def asks_long(desk: Desk, request: Request) -> Response:
    """As a figure of too many days."""
    with desk.connection() as connection:
        connection.execute("SELECT pg_sleep(600)")
    return Response()


@page(role=Role.VIEWER)
def asks_for_what_is_held(desk: Desk, request: Request) -> Response:
    """As a change of what somebody else changes."""
    with desk.connection() as connection:
        connection.execute("UPDATE account SET person = person")
    return Response()


VIEWS = [
    Route("/asks-long", asks_long),
    Route("/asks-for-what-is-held", asks_for_what_is_held),
    Route("/breaks", breaks),
    Route("/breaks-waiting", breaks_waiting),
    Route("/asks-wrongly", asks_wrongly),
    Route("/refuses", refuses),
]


@pytest.fixture
def faulty(desk_server: Postgres, tmp_path: Path) -> Iterator[DeskInProcess]:
    """A desk with views that fail."""
    made = DeskInProcess(new_desk(desk_server, tmp_path), VIEWS)
    yield made.be(Role.VIEWER)
    made.close()


def test_a_page_waits_neither_for_a_question_nor_for_a_lock_without_an_end_and_says_so(
    desk_server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PAGE", store.Patience(statement_s=2, lock_s=1, idle_s=60))
    made = DeskInProcess(new_desk(desk_server, tmp_path), VIEWS)
    try:
        made.be(Role.VIEWER)
        with made.running.connect() as other, other.transaction():
            other.execute("LOCK TABLE account IN SHARE MODE")
            for path, words in (
                ("/asks-long", "took longer for this than 2 s"),
                ("/asks-for-what-is-held", "Somebody else is changing the same"),
            ):
                answer = made.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
                assert words in words_of(answer)
        assert made.get("/asks-for-what-is-held").status_code == 200
    finally:
        made.close()


@pytest.mark.parametrize("path", ["/breaks", "/breaks-waiting", "/asks-wrongly"])
def test_a_fault_has_a_number_that_is_in_the_log_with_the_rest(
    faulty: DeskInProcess, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    answer = faulty.get(path)
    assert answer.status_code == 500
    told = words_of(answer)
    for inside in ("secret", "LookupError", "Traceback", "no_such_table", "psycopg", ".py"):
        assert inside not in told
    number = re.search(r"under it: ([0-9a-f]{8})", told)
    assert number
    assert number[1] in caplog.text
    assert "Traceback" in caplog.text


def test_so_is_one_in_chinese(faulty: DeskInProcess) -> None:
    told = words_of(faulty.get("/breaks", **{"accept-language": "zh-CN"}))
    assert "值班台内部出错。请将此编号告知运维人员" in told
    assert "Something" not in told


def test_a_view_says_no_with_words_of_its_own(faulty: DeskInProcess) -> None:
    answer = faulty.get("/refuses")
    assert (answer.status_code, answer.headers["cache-control"]) == (409, "no-store")
    assert "There is no such page." in words_of(answer)


def test_a_database_that_is_away_is_said_and_the_desk_goes_on_when_it_is_back(
    faulty: DeskInProcess, desk_server: Postgres
) -> None:
    name = faulty.running.database.rpartition("=")[2]
    desk_server.script(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false;"
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';"
    )
    answer = faulty.get("/refuses")
    assert answer.status_code == 503
    assert "The database does not answer." in words_of(answer)
    assert answer.headers["retry-after"] == "5"
    desk_server.script(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true;")
    desk_server.script(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}';")
    statuses = iter(lambda: faulty.get("/refuses").status_code, 409)
    assert all(status == 503 for status in statuses)


def test_a_desk_that_is_told_to_end_ends_in_order(desk_server: Postgres, tmp_path: Path) -> None:
    desk: RunningDesk = new_desk(desk_server, tmp_path)
    desk.start()
    assert desk.end() == 0
