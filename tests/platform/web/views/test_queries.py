"""What the desk asks of the store: the queue, a case's story, places and devices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from kerbwatch_platform.web.queries import cases, devices, places, story

from tests.support.desk_city import (
    DEVICE,
    NOON,
    TENANT,
    Case,
    Device,
    example,
    seconds,
    told_at,
)

pytestmark = pytest.mark.slow
NOW_S = seconds(NOON)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def queue(connection: psycopg.Connection, **wanted: object) -> cases.Page:
    return cases.queue(connection, cases.Wanted(**wanted), account="wang", now_s=NOW_S)  # type: ignore[arg-type]


def decide(connection: psycopg.Connection, case: Case, verdict: str, account: str) -> None:
    text = "INSERT INTO verdict (decision_id, tenant, device, case_id, verdict, account)"
    connection.execute(
        f"{text} VALUES (gen_random_uuid(), %s, %s, %s, %s, %s)", (*case.id, verdict, account)
    )


def test_the_queue_shows_open_cases_the_oldest_first(
    connection: psycopg.Connection, device: Device
) -> None:
    late = Case(device, NOON - 3 * HOUR, grid_code="340202001001001")
    young = Case(device, NOON - HOUR)
    ended = Case(device, NOON - 2 * HOUR)
    ended.clears(NOON - HOUR)
    page = queue(connection)
    assert [row.case_id for row in page.rows] == [late.case_id, young.case_id]
    assert (page.total, page.pages) == (2, 1)
    assert page.rows[0].grid == "340202001001001"
    assert page.rows[1].grid is None  # the city's list says it, or nobody does
    assert page.rows[0].late_s == pytest.approx(3 * 3600 - 180 - 7200)
    assert [row.case_id for row in queue(connection, state="ended").rows] == [ended.case_id]


def test_it_says_which_cases_nobody_can_see_and_which_nobody_knows_of(
    connection: psycopg.Connection, device: Device
) -> None:
    hidden = Case(device, NOON - 3 * HOUR)
    hidden.tell(
        "abstained", NOON - HOUR, abstention={"because": "view_dark", "since": told_at(NOON - HOUR)}
    )
    forgotten = Case(device, NOON - 2 * HOUR)
    device.born(NOON - 30 * MINUTE, "missing", open_cases=[hidden.case_id])
    found = {row.case_id: (row.not_seen_because, row.unlisted) for row in queue(connection).rows}
    assert found == {hidden.case_id: ("view_dark", False), forgotten.case_id: (None, True)}


def test_what_a_silent_device_had_open_nobody_knows(
    connection: psycopg.Connection, device: Device
) -> None:
    case = Case(device, NOON - HOUR)
    assert queue(connection).rows[0].silent_since_s == seconds(case.opened_at)
    device.beats(NOON - 2 * MINUTE)
    assert queue(connection).rows[0].silent_since_s is None


def test_it_counts_what_waits_for_a_decision_also_of_what_has_ended(
    connection: psycopg.Connection, device: Device
) -> None:
    ended, judged = Case(device, NOON - 3 * HOUR), Case(device, NOON - 2 * HOUR)
    Case(device, NOON - HOUR)
    ended.clears(NOON)
    judged.clears(NOON)
    decide(connection, judged, "valid", "wang")
    assert cases.counts(connection) == (1, 1, 3, 0)


def test_a_filter_asks_once_which_cases_no_device_names_any_more(
    connection: psycopg.Connection, device: Device
) -> None:
    many = 30
    told: Any = {"responsible_unit_id": "unit-2"}
    opened = [Case(device, NOON - n * MINUTE - HOUR, **told).case_id for n in range(many)]
    device.born(NOON, open_cases=opened[1:])
    found = queue(connection, unit="unit-2", grid="")
    assert {row.case_id for row in found.rows if row.unlisted} <= {opened[0]}
    asked = f"{cases._WITH} SELECT {cases._COLUMNS} {cases._FROM} {cases._WHERE}"
    given = {"now_s": NOW_S, "silent_s": 900.0, "one": None, "account": "wang", "kind": None}
    given |= {"state": "open", "decided": "all", "unit": "unit-2", "grid": ""}
    connection.execute("ANALYZE")
    [[plan]] = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}".encode(), given)

    def scans(node: dict[str, Any]) -> int:
        own = node["Actual Loops"] if node["Node Type"] == "Function Scan" else 0
        return int(own) + sum(scans(each) for each in node.get("Plans", []))

    assert scans(plan[0]["Plan"]) <= 2 * many


@pytest.mark.parametrize("unread", [{"kind": None}, {"state": None}])
def test_a_case_that_tells_no_kind_or_state_leaves_the_others_theirs(
    connection: psycopg.Connection, device: Device, unread: dict[str, Any]
) -> None:
    plain, strange = Case(device, NOON - 3 * HOUR), Case(device, NOON - 2 * HOUR)
    strange.body |= unread
    newer = {"contract": 3}  # only of a later contract can such a one be
    device.say("case.persisting", strange.body, NOON - HOUR, **newer)
    rows = {row.case_id: row for row in queue(connection, state="all", decided="all").rows}
    assert rows[plain.case_id].kind == "misparked_bike"
    strange_row = rows[strange.case_id]
    assert "" in (strange_row.kind, strange_row.state)
    assert cases.alike(connection, strange_row) is not None
    [(name, _)] = unread.items()
    if name == "kind":
        assert [each.kind for each in sorted(cases.groups(connection))] == ["", "misparked_bike"]
        found = queue(connection, kind="", state="all")
        assert [row.case_id for row in found.rows] == [strange.case_id]


def test_it_is_filtered_by_what_was_decided_and_by_kind_unit_and_grid(
    connection: psycopg.Connection, device: Device
) -> None:
    mine, theirs, nobodys = (Case(device, NOON - n * HOUR) for n in (4, 3, 2))
    decide(connection, mine, "valid", "wang")
    decide(connection, theirs, "valid", "li")
    stall = Case(
        device,
        NOON - HOUR,
        kind="street_vending",
        responsible_unit_id="unit-2",
        grid_code="340202001001007",
    )
    assert [row.case_id for row in queue(connection).rows] == [nobodys.case_id, stall.case_id]
    assert [row.case_id for row in queue(connection, decided="mine").rows] == [mine.case_id]
    assert queue(connection, decided="decided").total == 2
    assert queue(connection, decided="all").total == 4
    for wanted in ({"kind": "street_vending"}, {"unit": "unit-2"}, {"grid": "340202001001007"}):
        assert [row.case_id for row in queue(connection, **wanted).rows] == [stall.case_id]
    assert queue(connection, grid="", decided="all").total == 3
    assert {(group.kind, group.grid, group.cases) for group in cases.groups(connection)} == {
        ("street_vending", "340202001001007", 1),
        ("misparked_bike", None, 3),
    }


def test_every_order_of_the_queue_works_and_a_page_past_the_end_is_the_last(
    connection: psycopg.Connection, device: Device
) -> None:
    made = [Case(device, NOON - n * MINUTE).case_id for n in range(1, cases.PAGE_SIZE + 3)]
    for sort in cases.SORTS:
        assert len(queue(connection, sort=sort).rows) == cases.PAGE_SIZE
    last = queue(connection, page=99)
    assert (last.page, last.pages, [row.case_id for row in last.rows]) == (2, 2, made[1::-1])


def test_a_story_is_told_in_the_order_in_which_it_happened(
    connection: psycopg.Connection, device: Device
) -> None:
    began = NOON - HOUR
    case = Case(device, began)
    first = case.body["members"][0]
    second = first | {"member_id": "4", "since": told_at(began + 5 * MINUTE)}
    case.tell("changed", began + 6 * MINUTE, members=[first, second])
    gone = second | {"until": told_at(began + 8 * MINUTE)}
    case.tell("changed", began + 9 * MINUTE, members=[first], left=[gone])
    dark = {"because": "view_dark", "since": told_at(began + 10 * MINUTE)}
    case.tell("abstained", began + 11 * MINUTE, abstention=dark)
    case.tell("persisting", began + 15 * MINUTE, abstention=None)
    case.clears(began + 20 * MINUTE)
    case.tell("ticketed", began + 21 * MINUTE, ticket="示例-1")
    case.is_judged("valid", "desk 1", began + 22 * MINUTE)
    steps = story.story(story.part(connection, cases.CaseId(*case.id)).told)
    assert [(step.what, (step.at_s or 0) - seconds(began)) for step in steps] == [
        ("began", 0.0),
        ("opened", 180.0),
        ("joined", 300.0),
        ("left", 480.0),
        ("abstained", 600.0),
        ("seen_again", 900.0),
        ("persisting", 900.0),
        ("cleared", 1200.0),
        ("ticketed", 1260.0),
        ("judged", 1320.0),
    ]
    assert not any(step.corrected for step in steps)


def test_a_clock_that_was_set_later_moves_the_whole_story_and_is_said(
    connection: psycopg.Connection, device: Device
) -> None:
    wrong = timedelta(days=365)
    device.zero_at -= wrong
    case = Case(device, NOON - HOUR - wrong)
    body = {
        "boot_id": device.boot,
        "zero_at": told_at(device.zero_at + wrong),
        "offset_s": wrong.total_seconds(),
    }
    device.say(
        "device.clock",
        body | {"from_state": "unsynchronised", "to_state": "synchronised", "concerned": None},
        NOON - wrong,
    )
    steps = story.story(story.part(connection, cases.CaseId(*case.id)).told)
    assert [step.at_s for step in steps] == [seconds(NOON - HOUR), seconds(case.opened_at + wrong)]
    assert all(step.corrected for step in steps)
    [row] = queue(connection).rows
    assert (row.opened_s, row.shift_s) == (seconds(case.opened_at + wrong), wrong.total_seconds())
    set_by = [(each.offset_s, each.to_state) for each in devices.clocks(connection, TENANT, DEVICE)]
    assert set_by == [(wrong.total_seconds(), "synchronised")]


def test_what_cannot_be_read_costs_its_own_step_alone() -> None:
    whole = example("live", "case.opened")["body"]
    odd = whole | {"members": ["no member", {"since": 7}], "left": {}, "reason": []}
    gone = whole | {"withdrawn": None, "began_at": "yesterday", "abstention": "dark"}
    told = [
        story.Told(f"event-{n}", f"case.{what}", body, float(n), 0.0, None)
        for n, (what, body) in enumerate(
            [("opened", whole), ("changed", odd), ("withdrawn", gone), ("cleared", odd)]
        )
    ]
    steps = story.story(told)
    assert {(step.what, step.at_s is None) for step in steps} == {
        ("began", False),
        ("opened", False),
        ("joined", True),
        ("withdrawn", True),
        ("cleared", True),
    }


def test_a_duplicate_is_sought_at_its_place_first(
    connection: psycopg.Connection, device: Device
) -> None:
    of = Case(device, NOON - HOUR)
    elsewhere = Case(device, NOON - HOUR - MINUTE, place_id="other")
    here = Case(device, NOON - 3 * HOUR)
    Case(device, NOON - HOUR, kind="street_vending")
    row = cases.case(connection, cases.CaseId(*of.id), now_s=NOW_S)
    assert row is not None
    assert [each.case_id for each in cases.alike(connection, row)] == [
        here.case_id,
        elsewhere.case_id,
    ]


def test_places_are_grids_and_units_with_what_is_open_there(
    connection: psycopg.Connection, device: Device
) -> None:
    grid: dict[str, Any] = {"grid_code": "340202001001001"}
    device.takes_inventory(
        NOON - 5 * HOUR, [grid, grid | {"zone_id": "kerb-2"}, {"zone_id": "kerb-3"}]
    )
    Case(device, NOON - 4 * HOUR, **grid)
    hidden = Case(device, NOON - HOUR, **grid)
    dark = {"because": "view_dark", "since": told_at(NOON)}
    hidden.tell("abstained", NOON, abstention=dark)
    (first, second), total = places.places(connection, now_s=NOW_S)
    assert total == 2
    assert (first.grid, first.unit_name, first.zones, first.open) == (
        grid["grid_code"],
        "示例单位",
        2,
        2,
    )
    assert (first.undecided, first.not_seen, first.late) == (2, 1, 1)
    assert (second.grid, second.zones, second.open, second.oldest_s) == (None, 1, 0, None)
    assert [zone.zone_id for zone in places.zones(connection, "340202001001001")] == [
        "kerb",
        "kerb-2",
    ]
    assert places.zones(connection, "%") == []


def test_devices_are_listed_with_what_is_the_matter_the_longest_silent_first(
    connection: psycopg.Connection, device: Device
) -> None:
    other = Device(connection, "silent-corner")
    other.born(NOON - 5 * HOUR)
    other.beats(NOON - 4 * HOUR)
    device.born(NOON - 2 * HOUR)
    of = device.beats(NOON - HOUR)
    device.skip(3)
    dark = {
        "street": {
            "view": "view_dark",
            "for_s": 120.0,
            "commissioned": True,
            "abstaining": {"kerb": "view_dark"},
        }
    }
    device.changes(of, NOON - MINUTE, views=dark)
    found, total = devices.devices(connection, page=1, now_s=NOW_S)
    assert total == 2
    assert [(row.health.device, row.health.silent(NOW_S)) for row in found] == [
        ("silent-corner", True),
        (DEVICE, False),
    ]
    mine = found[1]
    assert mine.blind["street"].view == "view_dark"
    assert mine.blind["street"].since_s == seconds(NOON - 3 * MINUTE)
    assert (mine.health.awaited, mine.health.gone, mine.health.clones) == (3, 0, 0)
    assert devices.gaps(connection, TENANT, DEVICE)[0][1:4] == (3, 5, "awaited")


def test_a_card_that_was_copied_and_a_database_that_was_reset_are_suspected(
    connection: psycopg.Connection, device: Device
) -> None:
    device.born(NOON - 5 * HOUR)
    for epoch, because in (("epoch-2", "copied"), ("epoch-3", "copied")):
        device.epoch, device.sequence = epoch, 0
        before = {"epoch": "epoch-1", "last_sequence": 1}
        device.born(NOON - 4 * HOUR, because, predecessor=before)
    row = devices.device(connection, TENANT, DEVICE, now_s=NOW_S)
    assert row is not None
    assert (row.health.clones, row.health.resets) == (1, 2)
    assert [start.because for start in devices.starts(connection, TENANT, DEVICE)] == [
        "copied",
        "copied",
        "first_start",
    ]
    assert devices.device(connection, TENANT, "nobody", now_s=NOW_S) is None
