"""Brokers as they are: what a platform may not rely on, seen on the brokers themselves."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.faults.cluster import Cluster, rabbitmq_root
from tests.faults.network import namespace
from tests.support.lasting_client import LastingClient
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.broker import Broker

EVENTS = "kerbwatch/v2/example-city/corner-1/events"
STATE = "kerbwatch/v2/example-city/corner-1/state"
SHARED = "$share/platform/kerbwatch/v2/+/+/events"


@pytest.mark.slow
def test_mosquitto_forgets_a_shared_subscription_at_a_restart(
    start_broker: Callable[..., Broker],
) -> None:
    broker = start_broker(tls=False)

    def worker(name: str) -> LastingClient:
        return LastingClient(broker.port, name, (name, None))

    sharing, plain, device = worker("platform-1"), worker("platform-2"), worker("corner-1")
    for each, topic in ((sharing, SHARED), (plain, EVENTS)):
        each.connect()
        each.listen(topic)
    device.connect()
    device.tell(EVENTS, "before")
    wait_until(lambda: sharing.got == plain.got == ["before"])
    for each in (sharing, plain, device):
        each.leave()
    broker.stop()
    broker.start()
    device.connect()
    device.tell(EVENTS, "while away")
    sharing.connect()
    plain.connect()
    wait_until(lambda: plain.got == ["before", "while away"])
    sharing.listen(SHARED)
    device.tell(EVENTS, "after")
    wait_until(lambda: "after" in sharing.got and "after" in plain.got)
    assert sharing.got == ["before", "after"]
    for each in (sharing, plain, device):
        each.leave()


@pytest.mark.booted
def test_on_rabbitmq_a_queue_takes_what_a_shared_subscription_does_not(tmp_path: Path) -> None:
    for program in ("nft", "ip", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"RabbitMQ is NOT tested here: there is no {program}")
    cluster = Cluster(tmp_path / "cluster", rabbitmq_root(), nodes=(1,))
    with namespace():
        try:
            cluster.prepare()
            queue = ROOT / "examples" / "brokers" / "rabbitmq-platform.json"
            shutil.copy(queue, cluster.folder)
            cluster.control("import_definitions", f"/srv/cluster/{queue.name}")
            login = ("guest", "guest")
            names = ("platform-shared", "platform-wild", "platform-exact", "corner-1")
            shared, wild, exact, device = (
                LastingClient(cluster.port(1), name, login) for name in names
            )
            for each in (shared, wild, exact, device):
                each.connect()
            device.tell(STATE, "retained", retain=True)
            shared.listen(SHARED)
            wild.listen("kerbwatch/v2/+/+/state")
            exact.listen(STATE)
            assert shared.granted == [True], "it says that it is granted"
            wait_until(lambda: exact.got == ["retained"])
            wild.listen("kerbwatch/v2/+/+/events")
            for text in ("1", "2", "3"):
                device.tell(EVENTS, text)
            wait_until(lambda: wild.got[-3:] == ["1", "2", "3"])
            assert wild.got == ["1", "2", "3"], "no retained state by a wildcard"
            assert shared.got == []
            listed = ("list_queues", "--no-table-headers", "name", "messages")
            # The queue takes what is retained as well.
            wait_until(lambda: "platform-events\t4" in cluster.control(*listed))
            for each in (shared, wild, exact, device):
                each.leave()
        finally:
            cluster.end()
