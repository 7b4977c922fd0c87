"""Who saw which case and which picture stands in a log that nobody rewrites."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from kerbwatch_platform.web.desk import Desk
from kerbwatch_platform.web.frame import Role, page
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.desk import RunningDesk, new_desk
from tests.support.desk_in_process import DeskInProcess
from tests.support.desk_visitor import Visitor, words_of
from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow

SECRET = "what stands in the case"
PLACE = "/seen/city-a/corner-01/case-7"


@page(role=Role.VIEWER)
def case(desk: Desk, request: Request) -> Response:
    """As a view of a case answers."""
    return Response(SECRET)


@page(role=Role.VIEWER)
def picture(desk: Desk, request: Request) -> Response:
    """As a picture that knows whose it is."""
    desk.note(request, tenant="city-a", device="corner-01", case_id="case-7")
    return Response(SECRET)


@page(role=Role.REVIEWER)
def decide(desk: Desk, request: Request) -> Response:
    """As a verdict."""
    desk.note(request, detail="valid")
    return desk.go("/")


VIEWS = [
    Route("/seen/{tenant}/{device}/{case_id}", case),
    Route("/seen/{tenant}/{device}/{case_id}/verdict", decide, methods=["POST"]),
    Route("/picture/{sha256}", picture),
]


@pytest.fixture
def seen(desk_server: Postgres, tmp_path: Path) -> Iterator[DeskInProcess]:
    """A desk with views of cases."""
    made = DeskInProcess(new_desk(desk_server, tmp_path), VIEWS)
    yield made
    made.close()


def rows(seen: DeskInProcess, columns: str) -> list[tuple[object, ...]]:
    return seen.running.sql(f"SELECT {columns} FROM access_log ORDER BY number")


def test_a_case_that_is_looked_at_is_written_down_with_who_looked(seen: DeskInProcess) -> None:
    assert seen.be(Role.VIEWER).get(PLACE).text == SECRET
    told = "account, role, what, tenant, device, case_id, picture, method, path, status"
    assert rows(seen, told) == [
        ("viewer", "viewer", "saw", "city-a", "corner-01", "case-7", None, "GET", PLACE, 200)
    ]


def test_so_is_a_picture_with_its_case(seen: DeskInProcess) -> None:
    seen.be(Role.VIEWER).get(f"/picture/{'ab' * 32}")
    assert rows(seen, "what, case_id, picture") == [("saw", "case-7", "ab" * 32)]


def test_so_is_what_somebody_decides(seen: DeskInProcess) -> None:
    assert seen.be(Role.REVIEWER).post(f"{PLACE}/verdict").status_code == 303
    assert rows(seen, "account, what, case_id, detail") == [("reviewer", "did", "case-7", "valid")]


def test_and_what_somebody_was_refused(seen: DeskInProcess) -> None:
    assert seen.be(Role.VIEWER).post(f"{PLACE}/verdict").status_code == 403
    assert rows(seen, "account, what, case_id, status") == [("viewer", "refused", "case-7", 403)]


def test_what_cannot_be_written_down_is_not_shown(seen: DeskInProcess) -> None:
    seen.be(Role.VIEWER)
    seen.running.sql("ALTER TABLE access_log RENAME TO elsewhere")
    answer = seen.get(PLACE)
    assert answer.status_code == 500
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_log SET account = 'somebody'",
        "UPDATE access_log SET account = 'somebody' WHERE false",
        "DELETE FROM access_log",
        "TRUNCATE access_log",
        "INSERT INTO access_log OVERRIDING SYSTEM VALUE SELECT * FROM access_log "
        "ON CONFLICT (number) DO UPDATE SET account = 'somebody'",
    ],
)
def test_the_database_refuses_to_change_a_row(seen: DeskInProcess, statement: str) -> None:
    seen.be(Role.VIEWER).get(PLACE)
    before = rows(seen, "*")
    assert len(before) == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
        seen.running.sql(statement)
    assert rows(seen, "*") == before


def test_a_one_time_link_does_not_stand_in_the_log(desk: RunningDesk, visitor: Visitor) -> None:
    name = desk.person(Role.VIEWER, "linked")
    link = desk.command("account", "link", name).strip().removeprefix(desk.url)
    visitor.get(link)
    new = "four cranes by the lake"
    assert visitor.post(link, {"password": new, "again": new}).status_code == 303
    assert ("used_link", "/first/…") in desk.sql("SELECT what, path FROM access_log")
    token = link.rpartition("/")[2]
    assert token not in str(desk.sql("SELECT a::text FROM access_log a"))


def test_an_administrator_filters_it(desk: RunningDesk, visitor: Visitor) -> None:
    with Visitor(desk.url) as person:
        person.be(Role.VIEWER)
        assert person.get("/accounts").status_code == 403
    visitor.be(Role.ADMINISTRATOR)
    shown = words_of(visitor.get("/log?account=viewer&what=refused"))
    assert "GET /accounts" in shown
    assert "signed in" not in shown.partition("Time Account What")[2]
    assert "Nothing of that kind is in the log." in words_of(visitor.get("/log?account=no-one"))


def test_a_day_is_a_day_of_the_city(desk: RunningDesk, visitor: Visitor) -> None:
    """23:30 in Shanghai is still the evening, though it is another day in the world's time."""
    desk.sql(
        "INSERT INTO access_log (at, account, what, method, path, status, peer) "
        "VALUES ('2026-03-01 23:30+08', 'evening', 'saw', 'GET', '/', 200, '?'), "
        "('2026-03-02 00:30+08', 'night', 'saw', 'GET', '/', 200, '?')"
    )
    visitor.be(Role.ADMINISTRATOR)
    first = words_of(visitor.get("/log?first_day=2026-03-01&last_day=2026-03-01"))
    assert "evening" in first
    assert "night" not in first
    assert visitor.get("/log?first_day=yesterday").status_code == 400


def test_it_is_turned_page_by_page_and_no_row_is_left_out(
    desk: RunningDesk, visitor: Visitor
) -> None:
    desk.sql(
        "INSERT INTO access_log (account, what, method, path, status, peer) "
        "SELECT 'many', 'saw', 'GET', '/row/' || n, 200, '?' FROM generate_series(1, 230) n"
    )
    visitor.be(Role.ADMINISTRATOR)
    path, found = "/log?account=many", list[str]()
    for _ in range(3):
        page_of_it = visitor.get(path).text
        found += [cell.split("<")[0] for cell in page_of_it.split("GET /row/")[1:]]
        older = page_of_it.partition('href="/log?account=many&amp;before=')[2].partition('"')[0]
        path = f"/log?account=many&before={older}"
    assert found == [str(number) for number in range(230, 0, -1)]
    assert older == ""


def test_it_goes_into_a_spreadsheet_as_text_and_that_is_logged_too(
    desk: RunningDesk, visitor: Visitor
) -> None:
    desk.sql(
        "INSERT INTO access_log (at, account, role, what, method, path, status, peer, detail) VALUES "
        "('2026-03-01 16:30+00', 'formula', 'reviewer', 'did', 'POST', '/x', 200, '?', '=HYPERLINK(\"http://evil\")')"
    )
    visitor.be(Role.ADMINISTRATOR)
    answer = visitor.get("/log.csv?account=formula")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith("\ufeff".encode())
    [row] = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert row["Detail"] == '\'=HYPERLINK("http://evil")'
    assert (row["Time"], row["Role"], row["What"]) == ("2026-03-02 00:30:00", "Reviewer", "did")
    exported = "SELECT account, detail FROM access_log WHERE what = 'exported'"
    assert desk.sql(exported) == [("administrator", "account=formula")]
