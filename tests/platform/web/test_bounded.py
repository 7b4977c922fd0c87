"""No page, file or answer of the desk grows without an end with what is stored; what is left out is said and can be reached."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from kerbwatch_platform.web.queries.cases import Group, Wanted
from kerbwatch_platform.web.roles import Role
from kerbwatch_platform.web.views import exports
from kerbwatch_platform.web.views.queue import _choices

from tests.support.desk import RunningDesk
from tests.support.desk_in_process import DeskInProcess
from tests.support.desk_visitor import Visitor, words_of
from tests.support.exported_cases import DEVICE, TENANT, case, take

pytestmark = pytest.mark.slow
CASE = f"/cases/{TENANT}/{DEVICE}/c-1"


@pytest.fixture(scope="module")
def told(desk: RunningDesk) -> RunningDesk:
    with desk.connect() as connection:
        take(connection, case("c-1"), case("long"), case("longest"))
    stand_on(desk, "long", 250)
    stand_on(desk, "longest", 6000)
    return desk


def stand_on(desk: RunningDesk, case_id: str, times: int) -> None:
    """A case persists, a minute later each time."""
    desk.sql(
        "INSERT INTO event (tenant, device, event_id, type, test, raw)"
        " SELECT tenant, device, event_id || '-' || n, 'case.persisting', false, raw || jsonb_build_object('occurred_at',"
        "   (raw->>'occurred_at')::timestamptz + make_interval(mins => n), 'type', 'case.persisting')"
        " FROM (SELECT * FROM event WHERE case_id = %s) AS one, generate_series(1, %s) AS n",
        case_id,
        times,
    )


def part(page: str) -> tuple[int, int, int]:
    """Which messages of how many a case's page shows."""
    [found] = re.findall("Messages ([0-9]+) to ([0-9]+) of ([0-9]+)", page)
    return int(found[0]), int(found[1]), int(found[2])


def test_a_case_of_six_thousand_messages_is_a_page_like_any_other(
    told: RunningDesk, visitor: Visitor
) -> None:
    visitor.be(Role.REVIEWER)
    short = visitor.get(f"/cases/{TENANT}/{DEVICE}/c-1")
    page = visitor.get(f"/cases/{TENANT}/{DEVICE}/longest")
    assert told.sql("SELECT count(*) FROM event WHERE case_id = 'longest'") == [(6001,)]
    assert part(page.text) == (5902, 6001, 6001)
    assert len(page.content) < len(short.content) + 30_000
    words = words_of(page)
    assert words.count("the case opened") == 1, "how it began is on every part"
    assert words.count("It still stood there.") == 100
    assert "Another came to stand there" not in words, "what stood there before is no news"
    assert "Here 5900 messages are left out" in words
    for odd in ("until=0", "until=99999999", "until=-1", "until=x", "until=9" * 20):
        assert visitor.get(f"/cases/{TENANT}/{DEVICE}/longest?{odd}").status_code == 200


def test_links_lead_through_all_of_a_case_and_back_without_a_script(
    told: RunningDesk, visitor: Visitor
) -> None:
    assert told.url
    visitor.be(Role.VIEWER)
    paths, shown = [f"/cases/{TENANT}/{DEVICE}/long"], []
    while paths[-1]:
        page = visitor.get(paths[-1]).text
        shown.append(part(page))
        before = re.search('rel="prev" data-key="\\[" [^>]*href="([^"#]*)#story"', page)
        paths.append(before[1] if before else "")
    assert shown == [(152, 251, 251), (52, 151, 251), (1, 51, 251)]
    after = re.search('rel="next" data-key="\\]" [^>]*href="([^"#]*)#story"', page)
    assert after
    assert part(visitor.get(after[1]).text) == (52, 151, 251)
    assert "Messages" not in words_of(visitor.get(f"/cases/{TENANT}/{DEVICE}/c-1"))


def test_a_history_without_an_end_is_cut_and_that_is_said(
    told: RunningDesk, visitor: Visitor
) -> None:
    told.sql(
        "INSERT INTO verdict (decision_id, tenant, device, case_id, verdict, account)"
        " SELECT gen_random_uuid(), %s, %s, 'long', 'valid', 'li' FROM generate_series(1, 150)",
        TENANT,
        DEVICE,
    )
    words = words_of(visitor.be(Role.VIEWER).get(f"/cases/{TENANT}/{DEVICE}/long"))
    assert words.count("does not hold with this desk’s key") == 100
    assert "There are more than are shown here" in words


def test_a_filter_offers_so_many_and_always_what_is_chosen() -> None:
    groups = [Group("k", f"unit-{n:03}", f"Unit {n:03}", f"grid-{n:03}", 1) for n in range(500)]
    offered = _choices(groups, Wanted(grid="grid-499", unit="unit-499"))
    for name in ("unit", "grid"):
        values = [value for value, _ in offered[name]]
        assert len(values) == 201
        assert values[-1] == f"{name}-499"
    assert len(_choices(groups, Wanted())["grid"]) == 200


def test_a_decision_under_an_id_that_somebody_else_used_is_refused_in_words(
    told: RunningDesk, visitor: Visitor
) -> None:
    decision = {"decision_id": str(uuid4()), "verdict": "valid", "seen": "0"}
    visitor.be(Role.REVIEWER)
    assert visitor.post(f"{CASE}/verdict", decision).status_code == 303
    assert visitor.post(f"{CASE}/verdict", decision).status_code == 303, "the same once more"
    visitor.be(Role.ADMINISTRATOR)
    refused = visitor.post(f"{CASE}/verdict", decision)
    assert refused.status_code == 409
    assert "stands for another one already" in words_of(refused)
    filed = {"decision_id": decision["decision_id"], "ticket": "7"}
    assert visitor.post(f"{CASE}/ticket", filed).status_code == 409
    assert told.sql("SELECT account, verdict FROM verdict WHERE case_id = 'c-1'") == [
        ("reviewer", "valid")
    ]


def test_places_come_in_pages_and_each_is_on_one(told: RunningDesk, visitor: Visitor) -> None:
    told.sql(
        "INSERT INTO event (tenant, device, event_id, type, test, raw)"
        " SELECT tenant, device, event_id || '-p' || n, 'case.opened', false, jsonb_set(jsonb_set(raw,"
        "   '{body,place,grid_code}', to_jsonb('grid-' || n)), '{body,case_id}', to_jsonb('p-' || n))"
        " FROM (SELECT * FROM event WHERE case_id = 'c-1') AS one, generate_series(1, 450) AS n"
    )
    visitor.be(Role.VIEWER)
    found: list[str] = []
    path = "/places"
    while path:
        page = visitor.get(path).text
        assert page.count("<tr><td>") <= 200
        found += re.findall('<span class="mono">(grid-[0-9]+)</span>', page)
        after = re.search('rel="next" data-key="\\]" href="([^"]*)"', page)
        path = after[1] if after else ""
    assert sorted(found) == sorted(f"grid-{n}" for n in range(1, 451))
    for odd in ("page=99", "page=x", "page=-1", "page=0"):
        assert visitor.get(f"/places?{odd}").status_code == 200


def test_a_file_of_the_access_log_has_all_rows_however_many(
    told: RunningDesk, visitor: Visitor
) -> None:
    told.sql(
        "INSERT INTO access_log (account, what, method, path, status, peer)"
        " SELECT 'wang', 'saw', 'GET', '/', 200, '127.0.0.1' FROM generate_series(1, 100200)"
    )
    answer = visitor.be(Role.ADMINISTRATOR).client.get("/log.csv?account=wang")
    assert answer.text.count("\r\n") == 100_201
    assert answer.headers["content-length"] == str(len(answer.content))


def test_a_file_that_would_be_too_long_is_refused_in_words_before_it_begins(
    told: RunningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = DeskInProcess(told, exports.ROUTES).be(Role.VIEWER)
    try:
        asked = "/exports/cloudevents.jsonl?first_day=2020-01-01&last_day=2030-01-01"
        assert here.get(asked).status_code == 200
        for name in ("MOST_LINES", "MOST_BYTES"):
            with monkeypatch.context() as less:
                less.setattr(exports, name, 1)
                refused = here.get(asked)
            assert refused.status_code == 413, name
            assert "choose fewer days" in words_of(refused)
    finally:
        here.close()
