"""Brokers as they are: what a platform may not rely on, seen on the brokers themselves."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.faults.cluster import Cluster, rabbitmq_root
from tests.faults.network import namespace
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.broker import Broker

EVENTS = "kerbwatch/v2/example-city/corner-1/events"
STATE = "kerbwatch/v2/example-city/corner-1/state"
SHARED = "$share/platform/kerbwatch/v2/+/+/events"


class Worker:
    """One client whose session outlives its connection."""

    def __init__(self, port: int, name: str, login: tuple[str, str | None]) -> None:
        self.got: list[str] = []
        self.granted: list[bool] = []
        self._port, self._name, self._login = port, name, login

    def connect(self) -> None:
        self.client = Client(
            CallbackAPIVersion.VERSION2, self._name, protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.username_pw_set(*self._login)
        self.client.on_message = lambda _c, _u, message: self.got.append(message.payload.decode())
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.granted.extend(
            not code.is_failure for code in codes
        )
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        self.client.connect("127.0.0.1", self._port, clean_start=False, properties=lasting)
        self.client.loop_start()
        wait_until(self.client.is_connected)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def listen(self, topic: str) -> None:
        before = len(self.granted)
        self.client.subscribe(topic, qos=1)
        wait_until(lambda: len(self.granted) > before)

    def tell(self, topic: str, text: str, **more: Any) -> None:
        self.client.publish(topic, text, qos=1, **more).wait_for_publish(60)


@pytest.mark.slow
def test_mosquitto_forgets_a_shared_subscription_at_a_restart(
    start_broker: Callable[..., Broker],
) -> None:
    broker = start_broker(tls=False)

    def worker(name: str) -> Worker:
        return Worker(broker.port, name, (name, None))

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
            queue = ROOT / "examples" / "brokers" / "rabbitmq-queue.json"
            shutil.copy(queue, cluster.folder)
            cluster.control("import_definitions", f"/srv/cluster/{queue.name}")
            login = ("guest", "guest")
            names = ("platform-shared", "platform-wild", "platform-exact", "corner-1")
            shared, wild, exact, device = (Worker(cluster.port(1), name, login) for name in names)
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
            wait_until(lambda: "platform-events\t3" in cluster.control(*listed))
            for each in (shared, wild, exact, device):
                each.leave()
        finally:
            cluster.end()
