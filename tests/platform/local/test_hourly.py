"""What is due every hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis.strategies import datetimes
from kerbwatch_platform.local.hourly import run_once, seconds_to_next
from kerbwatch_platform.settings import Settings

SETTINGS = Settings(
    database="", broker="mqtt://127.0.0.1", evidence_folder=Path(), signing_key_file=Path()
)


def test_one_that_fails_is_named_and_keeps_nobody_else() -> None:
    done = []

    def fails(settings: Settings) -> str:
        raise OSError("the authority is away")

    def works(settings: Settings) -> None:
        done.append(settings)

    assert run_once(SETTINGS, [("stamps", fails), ("months", works)]) == ["stamps"]
    assert done == [SETTINGS]


@given(datetimes(timezones=None))
def test_it_is_due_once_in_every_hour_shortly_after_it_is_full(now: datetime) -> None:
    now = min(now, datetime(9999, 1, 1)).replace(tzinfo=UTC)  # noqa: DTZ001
    due = now + timedelta(seconds=seconds_to_next(now))
    assert timedelta(0) < due - now <= timedelta(hours=1)
    assert (due + timedelta(microseconds=500)).replace(microsecond=0).minute == 2
