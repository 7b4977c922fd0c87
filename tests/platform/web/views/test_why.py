"""Why was nothing reported here: each reason is found in what the device told, and what nobody knows is said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from kerbwatch_platform.web.queries import places, why

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
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def ask(connection: psycopg.Connection, at: datetime = NOON, zone: str = "kerb") -> why.Answer:
    of = places.ZoneId(TENANT, DEVICE, zone)
    return why.why(connection, of, seconds(at), city_zone="Asia/Shanghai")


def codes(answer: why.Answer, *weighs: str) -> set[str]:
    return {each.code for each in answer.findings if each.weighs in weighs}


@pytest.fixture
def watched(device: Device) -> Device:
    """A device that has watched the zone since the morning, and whose day is over."""
    device.born(NOON - 4 * HOUR)
    device.takes_inventory(NOON - 4 * HOUR)
    device.beats_until(NOON - 3 * HOUR, NOON - 5 * MINUTE)
    return device


def goes_on(device: Device) -> None:
    device.beats_until(NOON + 5 * MINUTE, NOON + HOUR)


def summarises(device: Device, **case: object) -> None:
    body = example("summary", "device.summary")["body"] | {"day": "2026-01-01", "open_cases": []}
    body["zones"][0]["cases"][0] |= {"suppressed": {}, "held_back": 0, "warned_left": 0} | case
    device.say("device.summary", body, NOON + 12 * HOUR)


def test_of_a_zone_that_was_watched_and_seen_no_reason_is_made_up(
    connection: psycopg.Connection, watched: Device
) -> None:
    goes_on(watched)
    summarises(watched)
    answer = ask(connection)
    assert answer.because == []
    assert not answer.open_questions
    assert codes(answer, "excludes") == {
        "no_case",
        "drawn",
        "rule_in_force",
        "alive",
        "could_be_seen",
        "numbers_whole",
        "clock_good",
        "day_hours",
    }


def test_of_a_device_that_nobody_knows_everything_is_unknown(
    connection: psycopg.Connection,
) -> None:
    answer = ask(connection)
    assert answer.open_questions
    assert codes(answer, "unknown") == {
        "no_inventory",
        "never_heard_before",
        "view_unknown",
        "clock_unknown",
        "no_summary",
    }
    assert answer.because == []


def test_it_was_reported_all_the_same_or_had_not_stood_for_long_enough(
    connection: psycopg.Connection, watched: Device
) -> None:
    goes_on(watched)
    case = Case(watched, NOON - 2 * MINUTE)
    early, late = ask(connection), ask(connection, NOON + 30 * MINUTE)
    assert [(each.code, each.facts["case_id"]) for each in early.because] == [
        ("not_yet", case.case_id)
    ]
    assert late.reported


def test_whoever_asks_for_the_minute_that_a_list_shows_means_all_of_it(
    connection: psycopg.Connection, watched: Device
) -> None:
    began = NOON - timedelta(seconds=42)  # a list shows 11:59, and 12:02 for when it opened
    Case(watched, began, kind="overflowing_bin", place_id="example-corner.bin", zone_id="bin-1")
    of = places.ZoneId(watched.tenant, watched.name, "bin-1")

    def told(at: datetime) -> set[str]:
        answer = why.why(connection, of, seconds(at), city_zone="Asia/Shanghai")
        return {each.code for each in answer.findings} & {"reported", "not_yet", "no_case"}

    assert told(NOON - 2 * MINUTE) == {"no_case"}
    assert told(NOON - MINUTE) == {"not_yet"}
    assert told(NOON + 2 * MINUTE) == {"reported"}


def test_a_reviewers_false_holds_back_what_looks_alike_for_a_day(
    connection: psycopg.Connection, watched: Device
) -> None:
    goes_on(watched)
    case = Case(watched, NOON - 2 * HOUR)
    told = {"reason": "judged_false", "at": told_at(NOON - HOUR)}
    case.tell("withdrawn", NOON - HOUR, state="withdrawn", withdrawn=told)
    assert codes(ask(connection), "may_explain") == {"held_back_here"}


def test_the_zone_was_not_drawn_then_or_judges_nothing_or_had_its_hours(
    connection: psycopg.Connection, watched: Device
) -> None:
    goes_on(watched)
    assert codes(ask(connection, zone="gone"), "explains") == {"not_drawn"}
    night = {"days": [1, 2, 3, 4, 5, 6, 7], "begin": "22:00:00", "end": "06:00:00"}
    market = {"days": [4], "begin": "11:00:00", "end": "13:00:00"}
    zones: list[dict[str, Any]] = [
        {"in_force": [night]},
        {"zone_id": "market", "permitted": [market]},
        {"zone_id": "bay", "judged": []},
    ]
    watched.takes_inventory(NOON - MINUTE, zones)
    assert codes(ask(connection), "explains") == {"rule_out_of_hours"}
    assert codes(ask(connection, zone="market"), "explains") == {"rule_permitted"}
    assert codes(ask(connection, zone="bay"), "explains") == {"rule_judges_nothing"}
    assert "rule_in_force" in codes(ask(connection, NOON + 11 * HOUR), "excludes")


def test_what_was_drawn_later_says_nothing_of_the_time_before(
    connection: psycopg.Connection, device: Device
) -> None:
    device.beats_until(NOON - HOUR, NOON + HOUR)
    device.takes_inventory(NOON + 30 * MINUTE)
    assert "drawn_later" in codes(ask(connection), "unknown")


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"zones": {"kerb": "view_blocked"}}, "zone_abstained"),
        ({"view": "view_dark"}, "view_bad"),
        ({"camera": "no route to host"}, "camera_off"),
    ],
)
def test_the_zone_could_not_be_seen_and_since_when(
    connection: psycopg.Connection, watched: Device, told: dict[str, Any], code: str
) -> None:
    goes_on(watched)
    watched.beats(NOON - 2 * MINUTE, **told)
    [found] = ask(connection).because
    assert (found.code, found.facts["since_s"]) == (code, seconds(NOON - 3 * MINUTE))


def test_changes_are_read_against_the_whole_sign_of_life_that_they_name(
    connection: psycopg.Connection, watched: Device
) -> None:
    of = watched.beats(NOON - 3 * MINUTE, view="view_frozen")
    watched.changes(of, NOON - MINUTE, temperature_c=58.1)
    goes_on(watched)
    assert codes(ask(connection), "explains") == {"view_bad"}


def test_a_device_that_was_silent_may_have_run_all_the_while_by_its_own_uptime(
    connection: psycopg.Connection, watched: Device
) -> None:
    assert "silent_since" in codes(ask(connection), "unknown")
    watched.beats(NOON + 2 * HOUR, uptime_s=86_400.0)
    assert "without_network" in codes(ask(connection), "excludes")


def test_a_device_that_was_silent_and_began_again_says_of_what(
    connection: psycopg.Connection, watched: Device
) -> None:
    watched.epoch, watched.sequence = "after-the-cut", 0
    watched.born(NOON + 2 * HOUR, "power_cut")
    watched.beats(NOON + 2 * HOUR + MINUTE, uptime_s=60.0)
    [found] = ask(connection).because
    assert (found.code, found.facts["began_because"]) == ("silent", "power_cut")


def test_numbers_that_are_missing_around_the_time_may_be_what_is_sought(
    connection: psycopg.Connection, watched: Device
) -> None:
    watched.skip(2)
    goes_on(watched)
    [found] = ask(connection).because
    assert (found.code, found.facts["numbers"]) == ("numbers_awaited", 2)
    assert ask(connection, NOON - 2 * HOUR).because == []
    lost = (TENANT, DEVICE, watched.epoch, 21, 22, "case", "evicted", "report")
    [gap] = connection.execute("SELECT first, last FROM missing").fetchall()
    text = "INSERT INTO lost VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    connection.execute(text, (*lost[:3], *gap, *lost[5:]))
    assert codes(ask(connection), "may_explain") == {"numbers_lost"}


def test_the_day_counts_what_left_when_warned_and_what_was_kept_from_being_a_case(
    connection: psycopg.Connection, watched: Device
) -> None:
    goes_on(watched)
    summarises(
        watched, warned=3, warned_left=2, suppressed={"people": 4, "vehicle": 1}, held_back=1
    )
    found = {each.code: each.facts["count"] for each in ask(connection).because}
    assert found == {"day_warned_left": 2, "day_suppressed": 5, "day_held_back": 1}


def test_a_clock_that_nobody_vouches_for_is_said(
    connection: psycopg.Connection, watched: Device
) -> None:
    watched.beats(NOON - 2 * MINUTE, clock={"state": "unsynchronised"})
    goes_on(watched)
    assert codes(ask(connection), "may_explain") == {"clock_unsure"}
