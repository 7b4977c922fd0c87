"""The rights that ``examples/brokers`` give on a real broker: receipts and commands are the platform's alone."""

from __future__ import annotations

import shutil
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.config.schema import UplinkSection
from agent.protocol.commands import Pace
from agent.protocol.downlink import Receipt
from agent.storage.database import Database
from drivers.testing import FakeClock
from tests.faults.cluster import Cluster, rabbitmq_root
from tests.faults.network import namespace
from tests.support.broker import Broker
from tests.support.delivering_device import uplink_of
from tests.support.outboxes import open_outbox
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode


FILES = ROOT / "examples" / "brokers"
CITY = "kerbwatch/v2/example-city"
OURS, THEIRS = f"{CITY}/corner-1", f"{CITY}/corner-2"
_PASSWORD = "of no use elsewhere"
PIECE = f"pictures/{'0a' * 32}/6/0"
TELLS, IS_TOLD = ("events", "state", "answers", PIECE), ("receipts", "commands")


@dataclass
class Party:
    """One client: what came to it, and what the broker said to what it published."""

    client: Client
    got: set[tuple[str, str]] = field(default_factory=set)
    answered: dict[int, bool] = field(default_factory=dict)
    subscribed: set[int] = field(default_factory=set)
    thrown_out: int = 0

    def __enter__(self) -> Self:
        self.client.on_message = lambda _c, _u, message: self.got.add(
            (message.topic, message.payload.decode())
        )
        self.client.on_publish = self._published
        self.client.on_subscribe = lambda _c, _u, mid, *_: self.subscribed.add(mid)
        self.client.on_disconnect = self._disconnected
        self.client.loop_start()
        wait_until(self.client.is_connected)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _published(self, _: Client, _u: Any, mid: int, reason: ReasonCode, _p: Properties) -> None:
        self.answered[mid] = not reason.is_failure

    def topics(self) -> set[str]:
        """On which something came."""
        return {topic for topic, _ in self.got}

    def _disconnected(self, *_: object) -> None:
        self.thrown_out += 1

    def listen(self, *filters: str) -> None:
        """Ask for each; whether the broker grants it is not its answer but what comes.

        RabbitMQ answers what it does not grant by throwing the client out.
        """
        for each in filters:
            wait_until(self.client.is_connected)
            before, mid = self.thrown_out, self.client.subscribe(each, qos=1)[1]
            wait_until(lambda mid=mid, n=before: mid in self.subscribed or self.thrown_out > n)  # type: ignore[misc]

    def tell(self, topic: str, text: str) -> bool:
        """Publish; whether the broker took it. RabbitMQ throws out who may not."""
        told = self.client.publish(topic, text, qos=1)
        wait_until(lambda: told.mid in self.answered or self.thrown_out)
        return self.answered.get(told.mid, False)


Connect = "Callable[[str, str], Party]"


def rights_hold(connect: Callable[[str, str], Party]) -> None:
    """Everybody tries everything; what comes is what may."""
    with (
        connect("platform", "platform-1") as platform,
        connect("corner-1", "example-city:corner-1") as device,
        connect("corner-2", "example-city:corner-2") as other,
    ):
        platform.listen(*(f"{CITY}/+/{channel}" for channel in TELLS))
        other.listen(*(f"{THEIRS}/{channel}" for channel in IS_TOLD))
        greedy: tuple[str, ...] = (
            "#",
            f"{CITY}/#",
            f"{CITY}/+/receipts",
            f"{CITY}/+/commands",
            f"{THEIRS}/#",
        )
        greedy += tuple(f"{THEIRS}/{channel}" for channel in (*TELLS, *IS_TOLD))
        device.listen(*greedy, f"{OURS}/#", "kerbwatch/v2/+/corner-2/receipts", "$share/g/#")
        device.listen(*(f"{OURS}/{channel}" for channel in IS_TOLD))
        forbidden = [f"{base}/{channel}" for base in (OURS, THEIRS) for channel in IS_TOLD]
        forbidden += [f"{THEIRS}/{channel}" for channel in TELLS]
        forbidden += ["kerbwatch/v2/other-city/corner-1/events", f"{CITY}/platform/commands"]
        forbidden += [
            f"{OURS}/events/more",
            f"{OURS}/pictures",
            f"{OURS}/{PIECE}/more",
            f"{CITY}/events",
            "kerbwatch/v1/example-city/corner-1/events",
        ]
        for topic in forbidden:
            with connect("corner-1", "example-city:corner-1.check") as forger:
                assert not forger.tell(topic, "forged"), topic
        with connect("platform", "platform-2") as forger:
            assert not forger.tell(f"{OURS}/events", "forged")
        device.thrown_out = 0
        for channel in TELLS:
            device.tell(f"{OURS}/{channel}", "from 1")
            other.tell(f"{THEIRS}/{channel}", "from 2")
        # What a connection sent before has gone to whom it may when what it sends after that is there.
        told = {(f"{OURS}/{each}", "from 1") for each in TELLS}
        told |= {(f"{THEIRS}/{each}", "from 2") for each in TELLS}
        wait_until(lambda: told <= platform.got)
        for channel in IS_TOLD:
            platform.tell(f"{OURS}/{channel}", "to 1")
            platform.tell(f"{THEIRS}/{channel}", "to 2")
        wait_until(lambda: len(device.got) >= 2 <= len(other.got))
        platform.tell(f"{OURS}/commands", "last")
        wait_until(lambda: (f"{OURS}/commands", "last") in device.got)
    assert platform.got == told
    assert other.got == {(f"{THEIRS}/{each}", "to 2") for each in IS_TOLD}
    to_us = {(f"{OURS}/{each}", "to 1") for each in IS_TOLD}
    assert device.got == to_us | {(f"{OURS}/commands", "last")}


def the_agent_can_do_its_work(
    connect: Callable[[str, str], Party], settings: UplinkSection, folder: Path
) -> None:
    """With these rights its state and events arrive, and it hears receipts and commands."""
    clock, stop = FakeClock(datetime(2026, 1, 1, tzinfo=UTC)), threading.Event()
    with Database(folder / "kerbwatch.sqlite3") as database:
        outbox = open_outbox(database, tenant="example-city")
        uplink = uplink_of(settings, database, outbox, clock, tenant="example-city")
        thread = threading.Thread(target=uplink.run, args=(stop,))
        with connect("platform", "platform-1") as platform:
            platform.listen(*(f"{CITY}/+/{channel}" for channel in TELLS))
            thread.start()
            wait_until(lambda: {f"{OURS}/events", f"{OURS}/state"} <= platform.topics())
            assert outbox.figures().rows == 1, "the birth waits for its receipt"
            receipt = Receipt(epoch=outbox.epoch, contiguous_through=1)
            platform.tell(f"{OURS}/receipts", receipt.model_dump_json(exclude_defaults=True))
            wait_until(lambda: outbox.figures().rows == 0)
            pace = Pace(command="pace", command_id="p-1", backlog_events_per_s=20)
            platform.tell(f"{OURS}/commands", pace.model_dump_json())
            wait_until(lambda: f"{OURS}/answers" in platform.topics())
            stop.set()
            thread.join(60)


@pytest.mark.parametrize("page", ["brokers.md", "brokers.zh-CN.md"])
def test_the_page_shows_the_file_that_is_tested(page: str) -> None:
    text = (ROOT / "docs" / "platform" / page).read_text(encoding="utf-8")
    for line in (FILES / "mosquitto.acl").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or f"\n{line}\n" in text, line
    for name in ("mosquitto.acl", "emqx-acl.conf", "rabbitmq.sh"):
        assert f"../../examples/brokers/{name}" in text


def party(name: str, client_id: str) -> Party:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        # It would publish again what it was thrown out for.
        reconnect_on_failure=not client_id.endswith((".check", "-2")),
    )
    client.username = name
    return Party(client)


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "example-city/"], ids=["device", "tenant/device"])
def test_on_mosquitto_receipts_and_commands_are_the_platforms_alone(
    start_broker: Callable[..., Broker], tmp_path: Path, before: str
) -> None:
    broker = start_broker(f"acl_file {FILES / 'mosquitto.acl'}", "allow_anonymous false")
    files = {name: broker.authority.issue(f"{before}{name}") for name in ("corner-1", "corner-2")}
    files["platform"] = broker.authority.issue("platform")

    def connect(name: str, client_id: str) -> Party:
        made = party(name, client_id)
        context = ssl.create_default_context(cafile=broker.authority.certificate_file)
        context.load_cert_chain(*files[name])
        made.client.tls_set_context(context)
        made.client.connect("localhost", broker.port)
        return made

    rights_hold(connect)
    mine = dict(zip(("certificate_file", "key_file"), files["corner-1"], strict=True))
    the_agent_can_do_its_work(connect, broker.settings(confirm="platform", **mine), tmp_path)


@contextmanager
def one_node(folder: Path, *devices: str) -> Iterator[Cluster]:
    """A RabbitMQ with the users that the script is for."""
    cluster = Cluster(folder / "cluster", rabbitmq_root(), nodes=(1,))
    with namespace():
        try:
            cluster.prepare()
            for name in ("platform", *devices):
                cluster.control("add_user", name, _PASSWORD)
            cluster.control("delete_user", "guest")
            shutil.copy(FILES / "rabbitmq.sh", cluster.folder)
            yield cluster
        finally:
            cluster.end()


@pytest.mark.booted
@pytest.mark.parametrize("before", ["", "example-city/"], ids=["device", "tenant/device"])
def test_on_rabbitmq_receipts_and_commands_are_the_platforms_alone(
    tmp_path: Path, before: str
) -> None:
    for program in ("nft", "ip", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"RabbitMQ's rights are NOT tested here: there is no {program}")
    devices = [f"{before}{name}" for name in ("corner-1", "corner-2")]
    with one_node(tmp_path, *devices) as cluster:
        cluster.run_script("rabbitmq.sh", "example-city", "platform", *devices)

        def connect(name: str, client_id: str) -> Party:
            made = party(name, client_id)
            made.client.username_pw_set(
                name if name == "platform" else f"{before}{name}", _PASSWORD
            )
            made.client.connect("127.0.0.1", cluster.port(1))
            return made

        rights_hold(connect)
        (tmp_path / "password").write_text(_PASSWORD, encoding="ascii")
        settings = UplinkSection.model_validate(
            {
                "broker": f"mqtt://127.0.0.1:{cluster.port(1)}",
                "username": devices[0],
                "password_file": tmp_path / "password",
                "confirm": "platform",
            }
        )
        the_agent_can_do_its_work(connect, settings, tmp_path)
