"""Workers that take from RabbitMQ's queue over AMQP, and are killed: everything is stored once."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from agent.config.schema import UplinkSection
from tests.faults.cluster import Cluster, rabbitmq_root
from tests.faults.network import namespace
from tests.support import red_bike_model, red_bike_site
from tests.support.corner_with_past import TENANT, Corner, PlatformProcess
from tests.support.hostile_messages import LIVE, TOPIC
from tests.support.lasting_client import LastingClient
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.booted
LOGIN = "guest"
PLATFORM, DEVICES = "platform", ("corner-1", "corner-2")
MORE_THAN_THE_LIMIT = 22
"""Times that a worker dies with a message: RabbitMQ 4 gives one up after 20 unless its queue says otherwise."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One RabbitMQ with the platform's queue and the rights of the example, in a network of its own."""
    for program in ("nft", "ip", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"workers over AMQP are NOT tested here: there is no {program}")
    running = Cluster(tmp_path / "cluster", rabbitmq_root(), nodes=(1,))
    with namespace():
        try:
            running.prepare()
            queue = ROOT / "examples" / "brokers" / "rabbitmq-queue.json"
            for file in (queue, queue.with_name("rabbitmq.sh")):
                shutil.copy(file, running.folder)
            running.control("import_definitions", f"/srv/cluster/{queue.name}")
            for user in (PLATFORM, *DEVICES):
                running.control("add_user", user, LOGIN)
            running.run_script("rabbitmq.sh", TENANT, PLATFORM, *DEVICES)
            yield running
        finally:
            running.end()


@pytest.fixture
def corners(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Corner]]:
    """Two devices that believe receipts alone."""
    red_bike_model.write_model(tmp_path / "models")
    red_bike_site.write_red_site(tmp_path / "site")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    (tmp_path / "password").write_text(LOGIN, encoding="ascii")
    settings = UplinkSection.model_validate(
        {
            "broker": f"mqtt://127.0.0.1:{cluster.port(1)}",
            "password_file": tmp_path / "password",
            "topic_prefix": "kerbwatch/v2",
            "confirm": "platform",
            "receipt_timeout_s": 5,
            "reconnect_max_s": 1,
        }
    )
    with ExitStack() as running:
        yield [
            running.enter_context(
                Corner(
                    name,
                    tmp_path / "site",
                    tmp_path / name,
                    settings.model_copy(update={"username": name}),
                )
            )
            for name in DEVICES
        ]


def worker(cluster: Cluster, file: Path, user: str = PLATFORM) -> PlatformProcess:
    url = f"amqp://{user}:{LOGIN}@127.0.0.1:{cluster.amqp_port(1)}/%2F"
    return PlatformProcess(file, url, program="amqp_consumer")


def stored(platform: PlatformProcess) -> int:
    rows = platform.ask("SELECT count(*) FROM event")
    return int(rows[0][0]) if rows else 0


def test_whoever_is_killed_over_amqp_every_number_is_there_and_every_event_once(
    cluster: Cluster, corners: list[Corner], tmp_path: Path
) -> None:
    """Two workers of one database, and the broker; when they are killed goes by how much is stored."""
    dice = random.Random(7)
    file = tmp_path / "platform.db"
    with worker(cluster, file) as platform, worker(cluster, file) as other:
        for turn in range(4):
            for each in corners:
                each.see(40)
            before = stored(platform)
            wait_until(lambda: stored(platform) >= before + dice.randint(1, 60))  # noqa: B023
            killed = dice.choice((platform, other))
            killed.kill()
            if turn == 2:
                cluster.kill(1)
            for each in corners:
                each.see(10)
            if turn == 2:
                cluster.start(1)
                cluster.wait_for(1)
            killed.start()
            if turn == 3:
                other.kill()
                platform.kill()
                platform.start(dies_at_acknowledging=True)
                corners[0].see(10)
                platform.wait_until_dead()
                platform.start()
                other.start()
        wait_until(lambda: all(each.has_delivered() for each in corners))
        given = [event_id for each in corners for event_id in each.accepted]
        there = Counter(event_id for (event_id,) in platform.ask("SELECT event_id FROM event"))
        assert {there[each] for each in given} == {1}
        for table in ("missing WHERE why <> 'moved'", "conflict", "refused", "set_aside", "cloned"):
            assert platform.ask(f"SELECT * FROM {table}") == [], table


def test_a_message_that_many_workers_died_with_is_still_in_the_queue(
    cluster: Cluster, tmp_path: Path
) -> None:
    """It is sent once, and never again: what the queue gives up is lost."""
    device = LastingClient(cluster.port(1), "corner-1", (LOGIN, LOGIN))
    device.connect()
    device.tell(TOPIC, LIVE)
    device.leave()
    platform = worker(cluster, tmp_path / "platform.db", LOGIN)  # the message is another tenant's
    listed = ("list_queues", "--no-table-headers", "name", "messages")
    for _ in range(MORE_THAN_THE_LIMIT):
        platform.start(dies_at_acknowledging=True)
        platform.wait_until_dead()
    wait_until(lambda: "platform-events\t1" in cluster.control(*listed))
    with platform:
        wait_until(lambda: "platform-events\t0" in cluster.control(*listed))
    assert stored(platform) > 0
