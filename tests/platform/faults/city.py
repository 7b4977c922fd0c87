"""What the faults strike: three devices, a broker, two workers, PostgreSQL, and whoever listens to the receipts."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from agent.config.schema import UplinkSection
from tests.faults.balancer import Balancer
from tests.faults.cluster import Cluster, cluster_root
from tests.faults.network import namespace
from tests.faults.suite import require, wait_for
from tests.platform.faults.devices import DEVICES, TENANT, Device, corner
from tests.platform.faults.proofs import judged
from tests.platform.faults.server import Server
from tests.platform.faults.watcher import Watcher
from tests.platform.faults.workers import Worker, run_command, write_settings
from tests.support.broker import Broker
from tests.support.paths import ROOT
from tests.support.programs import program
from tests.support.topics import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.faults.suite import Run
    from tests.platform.faults.suite import Found

RIGHTS = ROOT / "examples" / "brokers" / "mosquitto.acl"
_JUDGE = """
# The judge of the fault suite hears all receipts, and speaks to itself.
user judge
topic read kerbwatch/v2/+/+/receipts
topic readwrite kerbwatch/v2/judge/judge/receipts
"""
_RECEIPTS = f"topic write {PREFIX}/{TENANT}/+/receipts\n"
WORKERS = ("worker-1", "worker-2")
ARRIVES_WITHIN_S = 600.0
_UPLINK: dict[str, Any] = {
    "confirm": "platform",
    "receipt_timeout_s": 10,
    "reconnect_max_s": 1,
    "heartbeat_s": 2,
    "heartbeat_full_s": 0,
    "keep_arrived": 100_000,
}
_GOES_ON_S = (1.0, 4.0)


@dataclass(slots=True)
class City:
    """All of it.

    Attributes:
        run: Whose folder and dice are used.
        server: PostgreSQL.
        workers: Two of them.
        devices: Three.
        watcher: The judge of receipts.
        recover_s: How long each return took.
    """

    run: Run
    server: Server
    workers: list[Worker]
    devices: list[Device]
    watcher: Watcher
    recover_s: list[float] = field(default_factory=list)

    def goes_on(self) -> None:
        """Let the devices report for a while."""
        until_s = time.monotonic() + self.run.random.uniform(*_GOES_ON_S)
        while time.monotonic() < until_s:
            for each in self.devices:
                require(each.agent is None or not each.agent.over, f"{each.name} lives")
            time.sleep(0.1)

    def recovers(self) -> None:
        """The blow is over: take the time until all that the devices had accepted is stored and receipted."""
        self.recover_s.append(self.arrives())
        for each in self.workers:
            each.assert_lives()
        self.run.progress()

    def arrives(self) -> float:
        """Wait until all that is accepted now is stored, and the devices know; how long that took, in seconds."""
        wanted = {each.name: each.know() for each in self.devices}
        waiting = {
            each.name: {given.event_id for given in each.accepted.values() if given.waits}
            for each in self.devices
        }
        took_s = wait_for(
            lambda: not self.lacks(wanted), "what was accepted is stored", ARRIVES_WITHIN_S
        )

        def known() -> bool:
            for each in self.devices:
                each.know()
            return not any(
                given.waits and given.event_id in waiting[each.name]
                for each in self.devices
                for given in each.accepted.values()
            )

        return took_s + wait_for(known, "the devices know that it is stored", ARRIVES_WITHIN_S)

    def lacks(self, wanted: Mapping[str, set[str]]) -> int:
        """How many of these events (by device) the platform has not; all of them while it does not answer."""
        for each in self.workers:
            each.assert_lives()
        lacking = 0
        try:
            with psycopg.connect(self.server.database, connect_timeout=5) as connection:
                for name, ids in wanted.items():
                    rows = connection.execute(
                        "SELECT event_id::text FROM event WHERE tenant = %s AND device = %s",
                        (TENANT, name),
                    )
                    lacking += len(ids - {event_id for (event_id,) in rows})
        except psycopg.OperationalError:
            return sum(map(len, wanted.values()))
        return lacking

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What a query of the platform's database gives."""
        with psycopg.connect(self.server.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def judged(self, *, without: tuple[str, ...] = (), notes: str = "") -> Found:
        """Let all arrive, end the devices and run the proofs."""
        self.arrives()
        for each in self.devices:
            each.stop()
        told = {
            e.name: {g.event_id for g in e.accepted.values() if not g.waits} for e in self.devices
        }
        wait_for(lambda: not self.lacks(told), "the last words are stored", ARRIVES_WITHIN_S)
        self.watcher.catch_up()
        return judged(
            self.server.database,
            self.devices,
            ahead=self.watcher.ahead,
            receipts=self.watcher.checked,
            times=self.run.times,
            recover_s=self.recover_s,
            without=without,
            notes=notes,
        )


@dataclass(slots=True)
class OnMosquitto(City):
    """One over a Mosquitto with TLS, certificates, and the rights of ``examples/brokers``."""

    broker: Broker = field(kw_only=True)
    rights: Path = field(kw_only=True)

    def cut_receipts(self, *, cut: bool) -> None:
        """Take the platform's right to send receipts, or give it back; the broker reads its rights again."""
        write_rights(self.rights, cut=cut)
        self.broker.reload()


def write_rights(path: Path, *, cut: bool = False) -> None:
    """The rights of a city's broker, and those of the judge."""
    text = RIGHTS.read_text(encoding="utf-8")
    require(_RECEIPTS in text, "the platform has a right to send receipts")
    path.write_text((text.replace(_RECEIPTS, "") if cut else text) + _JUDGE, encoding="utf-8")


@contextmanager
def on_mosquitto(run: Run) -> Iterator[OnMosquitto]:
    """Start everything over Mosquitto, and wait until all three devices have been heard."""
    rights = run.folder / "rights"
    write_rights(rights)
    options = (f"acl_file {rights}", "allow_anonymous false")
    broker = Broker(program("mosquitto"), run.folder / "broker", *options)

    def uplink(name: str) -> UplinkSection:
        certificate_file, key_file = broker.authority.issue(f"{TENANT}/{name}")
        told = _UPLINK | {"certificate_file": certificate_file, "key_file": key_file}
        return broker.settings(**told)

    with ExitStack() as stack:
        stack.callback(broker.kill)
        broker.start()
        made = stack.enter_context(_city(run, broker.url, broker.url_of("judge"), uplink))
        yield OnMosquitto(**made, broker=broker, rights=rights)


@dataclass(slots=True)
class OnCluster(City):
    """One over three RabbitMQ nodes."""

    cluster: Cluster = field(kw_only=True)


_LOGIN = "guest"


@contextmanager
def on_cluster(run: Run) -> Iterator[OnCluster]:
    """Start everything over RabbitMQ: devices and judge by MQTT, workers by AMQP, each to any living node."""
    root = cluster_root()
    secret = run.folder / "password"
    secret.write_text(_LOGIN, encoding="ascii")
    with ExitStack() as stack:
        stack.enter_context(namespace())
        cluster = Cluster(run.folder / "cluster", root)
        stack.callback(cluster.end)
        cluster.prepare()
        mqtt, amqp = (
            stack.enter_context(Balancer([port(node) for node in cluster.nodes], run.random))
            for port in (cluster.port, cluster.amqp_port)
        )
        login = {"username": _LOGIN, "password_file": secret, "topic_prefix": PREFIX}
        login |= {"broker": f"mqtt://127.0.0.1:{mqtt.port}"}

        def uplink(_name: str) -> UplinkSection:
            return UplinkSection.model_validate(_UPLINK | login)

        worker = f"amqp://{_LOGIN}:{_LOGIN}@127.0.0.1:{amqp.port}/%2F"
        judge = f"mqtt://{_LOGIN}:{_LOGIN}@127.0.0.1:{mqtt.port}"
        made = stack.enter_context(_city(run, worker, judge, uplink))
        yield OnCluster(**made, cluster=cluster)


@contextmanager
def _city(
    run: Run, broker: str, judge: str, uplink: Callable[[str], UplinkSection]
) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        settings = write_settings(run.folder, server.database, broker)
        run_command(settings, "migrate")
        workers = [stack.enter_context(Worker(name, settings)) for name in WORKERS]
        watcher = stack.enter_context(Watcher(judge, server.database))
        devices = [Device(name, corner(name, run.folder / name, uplink(name))) for name in DEVICES]
        made = {
            "run": run,
            "server": server,
            "workers": workers,
            "devices": devices,
            "watcher": watcher,
        }
        for each in devices:
            stack.callback(each.kill)
            each.start()
        city = City(**made)  # type: ignore[arg-type]
        city.arrives()
        yield made
