"""Three devices, a broker and the example consumer, of which one after the other is killed; SQL is the judge.

``KERBWATCH_ROUNDS=20`` makes it so many rounds (default: 1).
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support import red_bike_model, red_bike_site
from tests.support.corner_with_past import TENANT, Corner, PlatformProcess
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.broker import Broker

ROUNDS = int(os.environ.get("KERBWATCH_ROUNDS", "1"))
DEVICES = ("corner-1", "corner-2", "corner-3")


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker("max_inflight_messages 50", tls=False)


@pytest.fixture
def corners(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Corner]]:
    red_bike_model.write_model(tmp_path / "models")
    red_bike_site.write_red_site(tmp_path / "site")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    settings = broker.settings(
        confirm="platform", receipt_timeout_s=1, topic_prefix="kerbwatch/v2", reconnect_max_s=1
    )
    with ExitStack() as running:
        yield [
            running.enter_context(Corner(name, tmp_path / "site", tmp_path / name, settings))
            for name in DEVICES
        ]


def all_delivered(corners: list[Corner]) -> bool:
    return all(each.has_delivered() for each in corners)


def see(corners: list[Corner], count: int) -> None:
    for each in corners:
        each.see(count)


def resend_what_is_missing(platform: PlatformProcess, corners: list[Corner]) -> None:
    """Every device is asked for the numbers that the older copy does not have."""
    for each in corners:
        query = "SELECT epoch, first, last FROM missing WHERE device = :device AND why = 'awaited'"
        for epoch, first, last in platform.ask(query, device=each.name):
            told = {"command": "resend", "epoch": epoch, "ranges": [[first, last]]}
            answer = platform.command(each.name, told)
            assert answer is not None
            assert answer["count"] == last - first + 1, answer


def resend_since(began: datetime, platform: PlatformProcess, corners: list[Corner]) -> None:
    """Every device is asked for what happened since the copy was made, whatever its numbers."""
    until = datetime.now(UTC) + timedelta(seconds=1)
    for each in corners:
        told = {"command": "resend", "from_at": began.isoformat(), "to_at": until.isoformat()}
        answer = platform.command(each.name, told)
        assert answer is not None
        assert answer["count"] > 0, answer


def everything_is_there(platform: PlatformProcess, corners: list[Corner]) -> bool:
    stored = {event_id for (event_id,) in platform.ask("SELECT event_id FROM event")}
    return stored.issuperset(event_id for each in corners for event_id in each.accepted)


@pytest.mark.slow
def test_whoever_is_killed_every_number_is_there_or_named_and_every_event_once(
    broker: Broker, corners: list[Corner], tmp_path: Path
) -> None:
    copy = tmp_path / "backup.db"
    with PlatformProcess(tmp_path / "platform.db", broker.url) as platform:
        wait_until(lambda: all_delivered(corners))
        for _ in range(ROUNDS):
            copied_at = datetime.now(UTC)
            platform.back_up(copy)

            platform.kill()
            platform.start(dies_at_acknowledging=True)
            see(corners, 20)
            platform.wait_until_dead()
            see(corners, 5)
            platform.start()
            wait_until(lambda: all_delivered(corners))

            see(corners, 20)
            broker.kill()
            see(corners, 5)
            broker.start()
            wait_until(lambda: all_delivered(corners))

            platform.kill()
            platform.restore(copy)
            assert not everything_is_there(platform, corners)
            see(corners, 5)
            platform.start()
            wait_until(lambda: all_delivered(corners))
            resend_since(copied_at, platform, corners[:1])
            resend_what_is_missing(platform, corners[1:])
            wait_until(lambda: everything_is_there(platform, corners))

            platform.kill()
            see(corners[:1], 20)
            corners[0].end()
            corners[0].start()
            platform.start()
            wait_until(lambda: all_delivered(corners))
            wait_until(lambda: everything_is_there(platform, corners))

        given = [event_id for each in corners for event_id in each.accepted]
        stored = Counter(event_id for (event_id,) in platform.ask("SELECT event_id FROM event"))
        assert {stored[each] for each in given} == {1}
        assert platform.ask("SELECT DISTINCT tenant FROM event") == [(TENANT,)]
        assert len(platform.ask("SELECT DISTINCT epoch FROM numbered")) == len(corners) + ROUNDS
        for table in ("missing WHERE why <> 'moved'", "conflict", "refused", "set_aside", "cloned"):
            assert platform.ask(f"SELECT * FROM {table}") == [], table
        assert len(platform.ask("SELECT * FROM moved")) == len(corners) + ROUNDS
        assert platform.ask("SELECT * FROM moved WHERE gone <> came") == []
        numberless = "SELECT * FROM event WHERE event_id NOT IN (SELECT event_id FROM numbered)"
        assert platform.ask(numberless) == []


@pytest.mark.slow
def test_two_workers_of_a_shared_subscription_fill_one_store(
    broker: Broker, corners: list[Corner], tmp_path: Path
) -> None:
    """One is killed: what its session holds comes when it is back."""
    shared = ("--topic", "$share/platform/kerbwatch/v2/+/+/events", "--name")
    file = tmp_path / "platform.db"
    with (
        PlatformProcess(file, broker.url, *shared, "platform-1") as platform,
        PlatformProcess(file, broker.url, *shared, "platform-2") as other,
    ):
        see(corners, 30)
        wait_until(lambda: all_delivered(corners))
        other.kill()
        see(corners, 10)
        other.start()
        wait_until(lambda: all_delivered(corners))
        assert everything_is_there(platform, corners)
        assert platform.ask("SELECT * FROM missing WHERE why <> 'moved'") == []
