"""Workers at a real RabbitMQ, with the rights of the example: killed with the broker, and nothing is lost."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.intake import worker as workers
from kerbwatch_platform.transports import topology

from agent.config.schema import UplinkSection
from tests.faults.rabbitmq import DEVICES, LOGIN, TENANT, amqp, rabbitmq
from tests.support import corner_with_past, red_bike_model, red_bike_site
from tests.support.city import City, Corner, WorkerProcess, turn_until
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.cluster import Cluster
    from tests.support.postgres import Postgres

pytestmark = pytest.mark.booted
NOTHING_LIES_IN = ("conflict", "refused", "set_aside", "quarantine")
DIES_BETWEEN = """
import os
from kerbwatch_platform.transports.amqp import AmqpTransport
AmqpTransport.settle = lambda self, deliveries: os._exit(9) if list(deliveries) else None
"""
"""After its next commit, before it acknowledges."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as running:
        yield running


@pytest.fixture
def city(intake_server: Postgres, cluster: Cluster, tmp_path: Path) -> City:
    return City(intake_server, amqp(cluster), tmp_path)


def corner(cluster: Cluster, name: str = DEVICES[0]) -> Corner:
    return Corner(cluster.port(1), name, (name, LOGIN))


@pytest.fixture
def agents(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[corner_with_past.Corner]]:
    """Two devices with the agent's own outbox and uplink, which believe receipts alone."""
    red_bike_model.write_model(tmp_path / "models")
    red_bike_site.write_red_site(tmp_path / "site")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    (tmp_path / "password").write_text(LOGIN, encoding="ascii")
    told = {
        "broker": f"mqtt://127.0.0.1:{cluster.port(1)}",
        "password_file": tmp_path / "password",
        "topic_prefix": "kerbwatch/v2",
        "confirm": "platform",
        "receipt_timeout_s": 5,
        "reconnect_max_s": 1,
    }
    with ExitStack() as running:
        yield [
            running.enter_context(
                corner_with_past.Corner(
                    name,
                    tmp_path / "site",
                    tmp_path / name,
                    UplinkSection.model_validate(told | {"username": name}),
                    TENANT,
                )
            )
            for name in DEVICES
        ]
    cluster.control("purge_queue", topology.events("platform"))  # what they sent once more


def test_whoever_is_killed_over_amqp_every_number_is_there_and_every_event_once(
    city: City, cluster: Cluster
) -> None:
    """Two workers of one database, and the broker; a device sends again what the broker did not take."""
    dice = random.Random(7)
    many = WorkerProcess(city, "--workers", "2")
    with many:
        wait_until(lambda: len(many.children()) == 2)
        for turn in range(3):
            for name in DEVICES:
                with corner(cluster, name) as device:
                    device.see(*range(20 * turn + 1, 20 * turn + 21))
            many.kill_child(dice)
            if turn == 1:
                cluster.kill(1)
                cluster.start(1)
                cluster.wait_for(1)
        for name in DEVICES:
            wait_until(lambda: city.numbers(name) == list(range(1, 61)))  # noqa: B023
    assert city.ask("SELECT count(*) FROM event") == [(120,)]
    dying = WorkerProcess(city, "--name", "platform-1")
    with corner(cluster) as device:
        device.see(61, 62)
        dying.start(DIES_BETWEEN)
        assert dying.wait_until_dead() == 9
        with WorkerProcess(city, "--name", "platform-1"):
            device.send(device.birth(63))
            wait_until(lambda: device.heard("receipts"))
            wait_until(lambda: city.numbers(device.name) == list(range(1, 64)))
            wait_until(lambda: city.ask("SELECT count(*) FROM attempt") == [(0,)])
    assert city.ask("SELECT count(*) FROM event") == [(123,)]
    for table in ("missing", *NOTHING_LIES_IN):
        assert city.ask(f"SELECT * FROM {table}") == [], table


def test_receipts_over_amqp_empty_the_agents_outboxes_whoever_is_killed(
    city: City, cluster: Cluster, agents: list[corner_with_past.Corner]
) -> None:
    dice = random.Random(7)
    many = WorkerProcess(city, "--workers", "2")
    with many:
        wait_until(lambda: len(many.children()) == 2)
        for turn in range(3):
            for each in agents:
                each.see(40)
            many.kill_child(dice)
            if turn == 1:
                cluster.kill(1)
            for each in agents:
                each.see(10)
            if turn == 1:
                cluster.start(1)
                cluster.wait_for(1)
        wait_until(lambda: all(each.has_delivered() for each in agents))
    there = Counter(event_id for (event_id,) in city.ask("SELECT event_id FROM event"))
    assert {there[event_id] for each in agents for event_id in each.accepted} == {1}
    for table in ("missing WHERE why <> 'moved'", "cloned", *NOTHING_LIES_IN):
        assert city.ask(f"SELECT * FROM {table}") == [], table


def test_a_dead_letter_is_told_at_the_desk(city: City, cluster: Cluster) -> None:
    transport = city.transport()
    with closing(city.worker(transport)) as worker, corner(cluster) as device:
        device.see(1)
        came = []

        def reject() -> object:
            came.extend(transport.receive(1, 0.1))
            return came

        wait_until(reject)
        transport.reject(came[0])
        device.see(2)
        turn_until(worker, lambda: city.numbers(device.name) == [2])

        def told() -> object:
            city.clock.now_s += workers.UPKEEP_S
            return city.ask("SELECT 1 FROM quarantine")

        turn_until(worker, told)
        rows = city.ask("SELECT kind, device, topic FROM quarantine")
        assert rows == [("dead_letter", device.name, f"{device.base}/events")]
    transport.close()


def test_what_a_restored_database_lacks_is_replayed_from_the_stream(
    city: City, cluster: Cluster
) -> None:
    with WorkerProcess(city, "--name", "platform-1"), corner(cluster, "corner-2") as device:
        device.see(*range(101, 111))
        wait_until(lambda: city.numbers("corner-2") == list(range(101, 111)))
    city.run("TRUNCATE event, numbered, receipted")
    told = [sys.executable, "-m", "kerbwatch_platform", "--settings", str(city.settings_file())]
    again = [*told, "replay", "--from", "1h"]
    done = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 10
    assert set(range(101, 111)) <= set(city.numbers("corner-2"))
