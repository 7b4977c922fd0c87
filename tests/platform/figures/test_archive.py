"""The archive: every event once, a month written again whole, and both engines alike whatever devices write."""

from __future__ import annotations

import json
import random
from contextlib import closing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kerbwatch_platform import figures, store
from kerbwatch_platform.figures import archive, duck

from tests.support.desk_database import take_events, take_in
from tests.support.drawn_quarter import drawn, v7
from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
CITY = "Asia/Shanghai"
NOW = datetime.fromisoformat("2027-01-01T20:00:00+08:00")


@pytest.fixture
def empty(server: Postgres) -> Iterator[psycopg.Connection]:
    """A database of its own."""
    with store.connect(server.address()) as root:
        root.execute("DROP DATABASE IF EXISTS archived")
        root.execute("CREATE DATABASE archived TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with store.connect(server.address("archived")) as connection:
        store.migrate(connection)
        yield connection


def kept(folder: Path) -> list[tuple[Any, ...]]:
    with closing(duckdb.connect()) as connection:
        found = connection.execute(
            f"SELECT month, tenant, device, event_id, raw FROM read_parquet('{folder}/events/*/events.parquet',"
            " hive_partitioning = true, hive_types_autocast = false) ORDER BY ALL"
        )
        return found.fetchall()


def there(database: psycopg.Connection) -> list[tuple[Any, ...]]:
    rows = database.execute(
        f"SELECT {archive.MONTH_OF}, tenant, device, event_id, raw::text FROM event"
    ).fetchall()
    return sorted(rows)


def test_every_event_lies_in_the_month_of_its_id_once(
    empty: psycopg.Connection, tmp_path: Path
) -> None:
    made = drawn(1, date(2026, 12, 28), 7, devices=2, signs=False)
    take_in(empty, made)
    written = archive.write_all(empty, tmp_path)
    assert {"2026-12", "2027-01", "2026-06"} <= set(written)
    assert kept(tmp_path) == there(empty)
    assert len(kept(tmp_path)) == len(made.events)


def test_only_a_month_with_news_is_written_again(empty: psycopg.Connection, tmp_path: Path) -> None:
    made = drawn(2, date(2026, 12, 28), 7, devices=1, signs=False)
    late = [each for each in made.events if each[2]["type"] == "case.cleared"][:1]
    take_events(empty, [each for each in made.events if each not in late])
    archive.write_all(empty, tmp_path)
    assert archive.write_all(empty, tmp_path) == []
    take_events(empty, late)
    assert len(archive.write_all(empty, tmp_path)) == 1
    assert kept(tmp_path) == there(empty)


def as_of_before(folder: Path) -> None:
    """Every month as it was written before what is asked had columns of its own."""
    for each in folder.glob("events/*/events.parquet"):
        with closing(duckdb.connect()) as connection:
            connection.from_parquet(str(each), hive_partitioning=False).create_view("written")
            connection.execute("CREATE TABLE before AS SELECT * EXCLUDE (asked) FROM written")
            connection.execute(f"COPY before TO '{each}' (FORMAT parquet)")


def test_months_of_an_earlier_version_answer_the_same_beside_others_and_are_written_again(
    empty: psycopg.Connection, tmp_path: Path
) -> None:
    made = drawn(5, date(2026, 11, 28), 7, devices=2)
    take_in(empty, made)
    months = archive.write_all(empty, tmp_path)
    of = figures.period("2026-11-28..2026-12-04", CITY, now=NOW)
    asked = {name: figures.ask(empty, name, of) for name in figures.QUESTIONS}
    as_of_before(tmp_path)
    assert {name: duck.ask(tmp_path, name, of) for name in figures.QUESTIONS} == asked
    archive.write_month(empty, tmp_path, months[-1])
    assert {name: duck.ask(tmp_path, name, of) for name in figures.QUESTIONS} == asked
    assert archive.write_all(empty, tmp_path) == months[:-1]
    assert archive.write_all(empty, tmp_path) == []
    assert {name: duck.ask(tmp_path, name, of) for name in figures.QUESTIONS} == asked
    assert kept(tmp_path) == there(empty)


def test_what_the_database_has_no_more_stays_in_the_archive(
    empty: psycopg.Connection, tmp_path: Path
) -> None:
    made = drawn(3, date(2026, 12, 1), 3, devices=1, signs=False)
    take_events(empty, made.events)
    archive.write_all(empty, tmp_path)
    whole = kept(tmp_path)
    empty.execute("DELETE FROM event WHERE type = 'case.opened'")
    archive.write_all(empty, tmp_path)
    assert kept(tmp_path) == whole


def test_a_file_that_cannot_be_read_is_not_written_over(
    empty: psycopg.Connection, tmp_path: Path
) -> None:
    made = drawn(4, date(2026, 12, 8), 2, devices=1, signs=False)
    take_events(empty, made.events[1:])
    [month] = archive.write_all(empty, tmp_path)
    file = tmp_path / "events" / f"month={month}" / "events.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    damaged = file.read_bytes()
    take_events(empty, made.events[:1])
    with pytest.raises(duckdb.Error):
        archive.write_month(empty, tmp_path, month)
    assert file.read_bytes() == damaged
    assert list(file.parent.iterdir()) == [file]
    assert [due for due, _ in archive.due_months(empty, tmp_path)] == [month]


def test_texts_and_ids_come_back_as_they_were(empty: psycopg.Connection, tmp_path: Path) -> None:
    texts = ['"', "'", ",\n\r\t", "\\", "示例 🚲", "=1+1", '{"a":"\\""}', "NULL", "", " "]
    dice = random.Random(1)
    for n, text in enumerate(texts):
        event: dict[str, Any] = {
            "event_id": f"own-{n}" if n % 2 else v7(1_790_000_000_000, dice),
            "type": "x.y",
        }
        event |= {"test": False, "body": {"text": text}}
        take_events(empty, [("city", "corner", event)])
    archive.write_all(empty, tmp_path)
    found = kept(tmp_path)
    assert found == there(empty)
    assert {json.loads(row[4])["body"]["text"] for row in found} == set(texts)
    assert {row[0] for row in found} == {"none", "2026-09"}


def test_a_folder_without_an_archive_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(duck.ArchiveError):
        duck.ask(tmp_path, "daily", figures.period("2026Q4", CITY, now=NOW))


# Whatever a device may write: times that are none, offsets of other places, numbers beyond all bounds, wrong types.
TIMES = st.one_of(
    st.integers(1_798_500_000_000_000, 1_798_850_000_000_000).flatmap(
        lambda us: st.sampled_from(("Z", "+08:00", "-11:30", "+15:59", "+16:00", "+23:59", "")).map(
            lambda offset: f"{datetime.fromtimestamp(us / 1e6, UTC).isoformat()[:-6]}{offset}"
        )
    ),
    st.sampled_from(
        (
            *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59.999999Z"),
            *("2026-02-30T00:00:00+08:00", "now", "infinity", "2026-11-01T23:59:60Z", "2026-11-01"),
            *("2026-12-31T24:00:00Z", "2026-12-31 10:00:00.1234567Z", "2026-12-31T10:00:00+08:60"),
        )
    ),
    st.none(),
    st.integers(),
)
NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.floats(0, 1e5),
    st.sampled_from(
        [1e308, 1e-320, -1, "12", " 12", "1_0", "1e-999", "x", "NaN", None, True, [], 0.0005]
    ),
)
IDS = st.sampled_from(["a", "B", "_", "-1", "1", "$", "$[", "/a", "~1"])


@st.composite
def case_events(draw: st.DrawFn) -> dict[str, Any]:
    member = st.fixed_dictionaries(
        {"member_id": IDS, "operator": st.sampled_from(["blue", None, "unknown"])},
        optional={"since": TIMES, "last_present_at": TIMES, "until": TIMES},
    )
    kinds = ["misparked_bike", "street_vending", "overflowing_bin", "exposed_rubbish"]
    body = {
        "case_id": draw(IDS),
        "kind": draw(st.sampled_from(kinds)),
        "state": draw(st.sampled_from(["open", "cleared", "withdrawn"])),
        "place": {
            "place_id": draw(IDS),
            "zone_id": draw(IDS),
            "address": draw(st.sampled_from(["路", "B", "a"])),
            "responsible_unit": draw(st.sampled_from(["b", "A", None])),
            "sla_s": draw(NUMBERS),
        },
        "began_at": draw(TIMES),
        "opened_at": draw(TIMES),
        "last_present_at": draw(TIMES),
        "cleared_at": draw(TIMES),
        "members": draw(st.one_of(st.lists(member, max_size=3), st.just({"x": 1}), st.just(7))),
        "left": draw(st.lists(member, max_size=2)),
        "reason": draw(st.sampled_from([{}, {"ended_by": "verifier"}, 3])),
        "withdrawn": draw(st.sampled_from([None, {"at": "2026-12-31T00:00:00+08:00"}])),
        "verdict": draw(st.sampled_from([None, {"verdict": "false"}, {"verdict": "valid"}, "x"])),
    }
    types = ["case.opened", "case.changed", "case.cleared", "case.withdrawn", "case.judged"]
    return {"type": draw(st.sampled_from(types)), "body": body}


@st.composite
def other_events(draw: st.DrawFn) -> dict[str, Any]:
    zone = st.fixed_dictionaries(
        {
            "zone_id": IDS,
            "place_id": IDS,
            "camera_id": IDS,
            "zone_kind": st.sampled_from(["no_parking", "no_vending", "bin", "odd", None]),
            "responsible_unit_id": st.sampled_from(["b", "A", None]),
            "sensing_s": NUMBERS,
            "abstained_s": NUMBERS,
            "blind_s": NUMBERS,
        }
    )
    days = st.sampled_from(["2026-12-29", "2026-12-30", "2026-12-31", "2027-01-01", "9999-99-99"])
    views = st.dictionaries(IDS, st.fixed_dictionaries({"abstaining": st.dictionaries(IDS, IDS)}))
    cameras = st.dictionaries(IDS, st.sampled_from(["running", "stopped"]))
    body = draw(
        st.one_of(
            st.fixed_dictionaries(
                {"day": days, "zones": st.lists(zone, max_size=3), "complete": st.booleans()}
            ),
            st.fixed_dictionaries({"views": views, "cameras": cameras}),
            st.fixed_dictionaries({"of": IDS, "changed": st.fixed_dictionaries({"views": views})}),
            st.fixed_dictionaries({"boot_id": IDS, "zero_at": TIMES}),
        )
    )
    types = ["device.heartbeat", "device.changes"] if "zones" not in body else ["device.summary"]
    if "zero_at" in body:
        types = ["device.clock"]
    return {"type": draw(st.sampled_from(types)), "body": body}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, str, dict[str, Any]]]:
    told = draw(st.lists(st.one_of(case_events(), other_events()), min_size=1, max_size=14))
    return [
        (
            "city",
            draw(IDS),
            event
            | {
                "event_id": f"{'aB_-1'[n % 5]}{n}",
                "test": draw(st.integers(0, 9)) == 0,
                "occurred_at": draw(TIMES),
                "clock": {"boot_id": draw(IDS), "monotonic_s": draw(NUMBERS)},
            },
        )
        for n, event in enumerate(told)
    ]


def event(n: int, kind: str, body: dict[str, Any], at: str) -> tuple[str, str, dict[str, Any]]:
    told = {"event_id": f"e{n}", "type": kind, "test": False, "occurred_at": at, "body": body}
    return "city", "corner", told


DAY = "2026-12-31T10:{}+08:00"
TWICE_IN_ONE_EVENT = [
    event(
        n,
        "case.changed",
        {
            "case_id": f"case-{n}",
            "kind": "misparked_bike",
            "state": "open",
            "opened_at": DAY.format("00:00"),
            "place": {"place_id": "place", "zone_id": "zone"},
            "members": [
                {"member_id": "bike", "operator": operator, "since": DAY.format(since)}
                for operator, since in stays
            ],
            "last_present_at": DAY.format("30:00"),
        },
        DAY.format("31:00"),
    )
    for n, stays in enumerate(
        [
            [("blue", "01:00"), (None, "02:00")],
            [(None, "02:00"), ("blue", "01:00")],
            [("blue", "01:00"), (None, "01:00")],
            [(None, "01:00"), ("blue", "01:00")],
        ]
    )
]
NO_TIMES = [
    event(n, "device.heartbeat", {"cameras": {"c": "running"}, "views": {}}, at)
    for n, at in enumerate(
        ("2026-12-31T09:59:60Z", "2026-12-30T24:00:00Z", "2026-12-31T10:00:00+08:60")
    )
] + [
    event(
        9,
        "device.summary",
        {
            "day": "2026-12-31",
            "complete": True,
            "zones": [
                {"zone_id": "z", "place_id": "p", "camera_id": "c", "zone_kind": "no_vending"}
            ],
        },
        DAY.format("00:00"),
    )
]
NAMED_AS_PATHS = [
    event(
        0,
        "device.summary",
        {
            "day": "2026-12-31",
            "complete": True,
            "zones": [
                {"zone_id": name, "place_id": name, "camera_id": name, "zone_kind": "no_vending"}
                for name in ("$", "$[", "/a", "~1", "*", "")
            ],
        },
        DAY.format("00:00"),
    ),
    event(
        1,
        "device.heartbeat",
        {
            "cameras": dict.fromkeys(("$", "$[", "/a", "~1", "*", "", "a"), "running"),
            "views": {"/a": {"abstaining": {"/a": "dark"}}, "$[": {"abstaining": {"a": "dark"}}},
        },
        DAY.format("00:00"),
    ),
]


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(told=histories())
@example(told=TWICE_IN_ONE_EVENT)
@example(told=NO_TIMES)
@example(told=NAMED_AS_PATHS)
def test_both_engines_agree_on_whatever_devices_write(
    empty: psycopg.Connection, tmp_path: Path, told: list[tuple[str, str, dict[str, Any]]]
) -> None:
    asked = figures.period("2026-12-30..2027-01-01", CITY, now=NOW)
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    with empty.transaction(force_rollback=True):
        take_events(empty, told)
        archive.write_all(empty, folder)
        with closing(duck.over(folder)) as archived:
            for name in figures.QUESTIONS:
                found = duck.answer(archived, name, asked)
                assert found == figures.ask(empty, name, asked), name
