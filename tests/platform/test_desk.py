"""The judge of ``benchmarks.three_devices``: it agrees with a street as it was drawn, and sees what is missing or wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.loading import from_tables
from agent.config.schema import UplinkSection
from agent.runtime.replay import replay
from agent.storage.paths import DATABASE
from benchmarks.desk import Hour, Judged, judged_numbers, judged_questions
from benchmarks.three_streets import TENANT, streets
from drivers.cameras._recorded import DEFAULT_STARTS_AT
from tests.support.coloured_bikes_model import write_coloured_bikes_model
from tests.support.example_platform import module

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
SECONDS = 500.0
ANSWERED = ("unit-corner-1", "operator", "kerb-corner-1", "open now")
"""What a replay can answer: it has no day that ends, and no heartbeat."""


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Hour:
    """The first street, replayed, and its events on a platform."""
    place = tmp_path_factory.mktemp("hour")
    write_coloured_bikes_model(place / "models")
    street = streets(SECONDS, 1)[0]
    site = street.site(UplinkSection(), SECONDS, "Asia/Shanghai")
    site["cameras"][0]["settings"] |= {"pace": "fast", "seconds": SECONDS}
    folder = place / street.device
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KERBWATCH_MODELS", str(place / "models"))
        report = replay(from_tables(site), base=place, state=folder / "state")
    message = {"events": [json.loads(line) for line in report.lines]}
    topic = f"kerbwatch/v2/{TENANT}/{street.device}/events"
    db = module("storing").opened(place / "platform.db")
    module("storing").settled_by(db, [(topic, json.dumps(message).encode())])
    db.close()
    # The receipts of all of it have reached the device.
    with closing(sqlite3.connect(folder / "state" / DATABASE)) as own, own:
        own.execute("UPDATE outbox SET arrived = 1")
    ends_at = DEFAULT_STARTS_AT + timedelta(seconds=SECONDS)
    return Hour(
        place / "platform.db",
        DEFAULT_STARTS_AT,
        ends_at,
        ends_at,
        [(street, DEFAULT_STARTS_AT, folder)],
    )


@pytest.fixture
def platform(hour: Hour, tmp_path: Path) -> tuple[Hour, sqlite3.Connection]:
    """A copy of the platform that a test may damage, and its database."""
    copy = tmp_path / "platform.db"
    copy.write_bytes(hour.platform.read_bytes())
    damaged = Hour(copy, hour.began_at, hour.ended_at, hour.midnight, hour.devices)
    return damaged, module("storing").opened(copy)


def failing(judged: list[Judged]) -> list[str]:
    return [each.what for each in judged if not each.holds]


def answers(hour: Hour) -> list[Judged]:
    return [each for each in judged_questions(hour) if each.what.startswith(ANSWERED)]


def alter(db: sqlite3.Connection, type_: str, *change: Any) -> None:
    db.execute("UPDATE event SET raw = json_set(raw, ?, ?) WHERE type = ?", (*change, type_))


def test_it_agrees_with_what_was_drawn(hour: Hour) -> None:
    street = hour.devices[0][0]
    assert len(street.episodes) > 1
    assert failing(judged_numbers(hour)) == []
    assert len(answers(hour)) == 6
    assert failing(answers(hour)) == []


def test_it_sees_an_event_that_is_not_there(platform: tuple[Hour, sqlite3.Connection]) -> None:
    hour, db = platform
    [(number, event_id)] = db.execute("SELECT sequence, event_id FROM numbered LIMIT 1").fetchall()
    db.execute("DELETE FROM numbered WHERE sequence = ?", (number,))
    db.execute("DELETE FROM event WHERE event_id = ?", (event_id,))
    assert len(failing(judged_numbers(hour))) == 2


def test_it_sees_a_figure_that_is_wrong(platform: tuple[Hour, sqlite3.Connection]) -> None:
    hour, db = platform
    alter(db, "case.cleared", "$.body.cleared_at", DEFAULT_STARTS_AT.isoformat())
    assert failing(answers(hour)) == [
        "unit-corner-1: cleared, mean s, longest s, within SLA",
        "kerb-corner-1: cases, stood s",
    ]
