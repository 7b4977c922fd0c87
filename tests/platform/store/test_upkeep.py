"""Each month of events has its place, whatever a device says its time is; an old one leaves, and nothing that is told changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.store import upkeep
from kerbwatch_platform.store.upkeep import Month

from agent.domain.ids import uuid7
from tests.support.device_words import moment, topic

if TYPE_CHECKING:
    import psycopg

NOW = datetime(2026, 3, 15, tzinfo=UTC)
CITY, CORNER = "city", "corner-1"


def event(event_id: str, sequence: int, type_: str = "case.opened", **body: Any) -> dict[str, Any]:
    return {
        "contract": 3,
        "event_id": event_id,
        "tenant": CITY,
        "device_id": CORNER,
        "epoch": body.pop("epoch", "e1"),
        "sequence": sequence,
        "type": type_,
        "occurred_at": moment(sequence),
        "clock": {"boot_id": "b", "monotonic_s": sequence},
        "body": body,
    }


def take(connection: psycopg.Connection, *events: dict[str, Any]) -> None:
    message = json.dumps({"contract": 3, "events": events}).encode()
    store.take(connection, [Message(topic(CORNER), message)])


def places(connection: psycopg.Connection) -> dict[str, str]:
    query = "SELECT event_id, tableoid::regclass::text FROM event"
    return dict(connection.execute(query).fetchall())


def at(text: str, bits: int = 7) -> str:
    return uuid7(datetime.fromisoformat(text), bits)


@given(
    month=st.builds(Month, st.integers(1971, 9000), st.integers(1, 12)),
    part=st.floats(0, 1, exclude_max=True),
    bits=st.integers(0, 2**74 - 1),
)
def test_an_id_lies_in_the_month_of_its_time_and_in_no_other(
    month: Month, part: float, bits: int
) -> None:
    first, end = (
        datetime(each.year, each.month, 1, tzinfo=UTC).timestamp() for each in (month, month + 1)
    )
    an_id = uuid7(datetime.fromtimestamp(int(first + (end - first) * part), UTC), bits)
    assert month.first_id <= an_id < (month + 1).first_id
    assert (month + 12).year == month.year + 1
    assert month + -1 < month == month + -12 + 12


def test_each_event_lies_in_its_month_and_what_has_none_lies_beside_them(
    connection: psycopg.Connection,
) -> None:
    upkeep.keep_up(connection, NOW)
    ids = {
        at("2026-01-01T00:00:00+00:00"): "event_2026_01",
        at("2026-03-31T23:59:59.999+00:00", 2**74 - 1): "event_2026_03",
        at("2026-06-30T23:59:59+00:00"): "event_2026_06",
        at("1970-01-01T00:00:07+00:00"): "event_other",
        at("2093-01-01T00:00:00+00:00"): "event_other",
        "z" * 64: "event_other",
        "-": "event_other",
        at("2026-03-01T00:00:00+00:00").upper(): "event_other",
    }
    take(connection, *(event(each, nth) for nth, each in enumerate(ids, 1)))
    assert places(connection) == ids


def test_a_month_that_is_made_late_finds_what_came_before_it(
    connection: psycopg.Connection,
) -> None:
    late, other = at("2031-05-06T00:00:00+00:00"), at("2031-06-01T00:00:00+00:00")
    take(connection, event(late, 1, case_id="k"), event(other, 2))
    [came] = connection.execute(
        "SELECT received_at FROM event WHERE event_id = %s", (late,)
    ).fetchall()
    assert upkeep.make(connection, Month(2031, 5))
    assert not upkeep.make(connection, Month(2031, 5))
    assert places(connection) == {late: "event_2031_05", other: "event_other"}
    take(connection, event(late, 1, case_id="k"))
    query = "SELECT received_at FROM event WHERE event_id = %s AND case_id = 'k'"
    assert connection.execute(query, (late,)).fetchall() == [came]


def told(connection: psycopg.Connection) -> list[Any]:
    """What is said of cases, hours and numbers."""
    queries = (
        "SELECT case_id, state, opened_s, address FROM case_now ORDER BY case_id",
        "SELECT case_id, member_id, until_s FROM member_now ORDER BY member_id",
        "SELECT day, sensing_s FROM zone_day",
        "SELECT epoch, first, last, why FROM missing ORDER BY epoch, first",
        "SELECT epoch, gone, came FROM moved",
        "SELECT epoch, last_sequence FROM closed",
    )
    return [connection.execute(each.encode()).fetchall() for each in queries] + [
        store.receipts(connection, CITY, CORNER)
    ]


def test_a_month_that_is_taken_out_changes_nothing_that_is_told_and_is_not_kept_twice(
    connection: psycopg.Connection,
) -> None:
    upkeep.make(connection, Month(2024, 1))
    ids = [at(f"2024-01-02T00:00:{each:02}+00:00") for each in range(9)]
    member = {"member_id": "1", "since": moment(1), "last_present_at": moment(2)}
    zone = {"zone_id": "kerb", "sensing_s": 7}
    old = (
        event(
            ids[0],
            1,
            "device.birth",
            epoch="e2",
            predecessor={"epoch": "e1", "last_sequence": 9},
            carried=1,
        ),
        event(ids[1], 2, case_id="k", state="cleared", opened_at=moment(1), members=[member]),
        event(ids[2], 4, "device.summary", day="2024-01-02", zones=[zone]),
    )
    take(connection, *old)
    before = told(connection)
    assert upkeep.keep_up(connection, NOW).endswith("; taken out event_2024_01")
    assert told(connection) == before
    assert connection.execute("SELECT count(*) FROM event").fetchall() == [(0,)]
    assert connection.execute("SELECT count(*) FROM archive.event_2024_01").fetchall() == [(3,)]
    take(connection, *old)
    take(connection, event(ids[1], 2, epoch="e2"), event(ids[5], 6, case_id="new"))
    assert list(places(connection)) == [ids[5]]
    query = "SELECT epoch, sequence FROM numbered WHERE event_id = %s ORDER BY epoch"
    assert connection.execute(query, (ids[1],)).fetchall() == [("e1", 2), ("e2", 2)]
    assert upkeep.keep_up(connection, NOW) == ""


def test_what_is_busy_is_left_for_the_next_hour(
    database: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PATIENCE", "10ms")
    with store.connect(database) as other, other.transaction():
        take(other, event(at("1999-01-01T00:00:00+00:00"), 1))
        assert not upkeep.make_around(connection, datetime(2031, 1, 1, tzinfo=UTC))
    assert Month(2031, 1) in upkeep.make_around(connection, datetime(2031, 1, 1, tzinfo=UTC))
