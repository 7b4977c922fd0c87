"""Workers as processes: killed, started again, without a database; nothing is lost and nothing stored twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.support.city import City, Corner, WorkerProcess, is_alive
from tests.support.postgres import postgres
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.broker import Broker

pytestmark = pytest.mark.slow
DIES_BETWEEN = """
import os
from kerbwatch_platform.transports.mqtt import MqttTransport
MqttTransport.settle = lambda self, deliveries: os._exit(9) if list(deliveries) else None
"""
"""After its next commit, before it acknowledges."""


def everything(city: City, *, events: int) -> None:
    assert city.ask("SELECT count(*) FROM event") == [(events,)]
    for table in ("missing", "conflict", "refused", "set_aside", "quarantine"):
        assert city.ask(f"SELECT * FROM {table}") == [], table


def test_a_worker_killed_between_commit_and_acknowledgement_stores_nothing_twice(
    city: City, corner: Corner
) -> None:
    city.subscribe()
    corner.see(*range(1, 51))
    dying = WorkerProcess(city, "--name", "platform-1")
    dying.start(DIES_BETWEEN)
    assert dying.wait_until_dead() == 9
    before = city.numbers("corner-1")
    assert before, "it has committed"
    with WorkerProcess(city, "--name", "platform-1"):
        corner.send(corner.birth(51))
        wait_until(lambda: corner.heard("receipts"))
        wait_until(lambda: city.numbers("corner-1") == list(range(1, 52)))
        wait_until(lambda: city.ask("SELECT count(*) FROM attempt") == [(0,)])
    everything(city, events=51)
    assert corner.heard("receipts")[-1]["contiguous_through"] == 51


def test_several_workers_are_started_again_when_they_are_killed_and_end_together(
    city: City, broker: Broker
) -> None:
    city.subscribe(2)
    dice = random.Random(7)
    workers = WorkerProcess(city, "--workers", "2")
    with workers, Corner(broker.port, "corner-1") as one, Corner(broker.port, "corner-2") as two:
        wait_until(lambda: len(workers.children()) == 2)
        number = 0
        for _ in range(3):
            for _ in range(20):
                number += 1
                one.see(number)
                two.see(number)
            wait_until(lambda: city.ask("SELECT 1 FROM event"))
            workers.kill_child(dice)
            wait_until(lambda: len(workers.children()) == 2)
        for device in ("corner-1", "corner-2"):
            wait_until(lambda: city.numbers(device) == list(range(1, 61)))  # noqa: B023
    everything(city, events=120)


def test_what_is_stored_is_told_before_a_worker_ends(city: City, corner: Corner) -> None:
    city.subscribe()
    with WorkerProcess(city, "--name", "platform-1"):
        corner.see(1, 2, 3)
        wait_until(lambda: city.numbers("corner-1") == [1, 2, 3])
    wait_until(lambda: corner.heard("receipts"))
    assert corner.heard("receipts")[-1]["contiguous_through"] == 3


def test_a_killed_parents_workers_end_and_their_names_are_free(city: City, corner: Corner) -> None:
    city.subscribe()
    orphaned = WorkerProcess(city, "--workers", "1")
    orphaned.start()
    wait_until(lambda: len(orphaned.children()) == 1)
    (child,) = orphaned.children()
    orphaned.kill()
    wait_until(lambda: not is_alive(child))
    with WorkerProcess(city, "--workers", "1"):
        corner.see(1)
        wait_until(lambda: city.numbers("corner-1") == [1])


def test_without_a_database_nothing_is_acknowledged_and_afterwards_everything_is_there(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    broker = start_broker(tls=False)
    with postgres() as database:
        city = City(database, broker.url, tmp_path)
        city.subscribe()
        with (
            Corner(broker.port, "corner-1") as corner,
            WorkerProcess(city, "--name", "platform-1"),
        ):
            corner.see(1)
            wait_until(lambda: city.numbers("corner-1") == [1])
            for turn in range(2):
                database.stop()
                corner.see(*range(10 * turn + 2, 10 * turn + 12))
                told = len(corner.heard("receipts"))
                database.start()
                corner.send(corner.birth(1, f"a{turn}1e2d3c4b5a6978"))
                wait_until(lambda: len(corner.heard("receipts")) > told)  # noqa: B023
                wait_until(lambda: len(city.numbers("corner-1")) == 12 + 11 * turn)  # noqa: B023
        everything(city, events=23)
