"""How many devices a platform takes: `kerbwatch simulate` against a broker, workers and PostgreSQL on one machine.

    python -m benchmarks.fleet_size mosquitto [--devices 200] [--rate 20] [--minutes 1] [--out fleet-size]
    python -m benchmarks.fleet_size rabbitmq  [--devices 200]

Four stretches, each of so many minutes: steady; a quarter of the devices cut off while a day passes for them; their
return; and workers killed with SIGKILL every few seconds, which begins in the return. In the end every outbox is held
against the database by SQL. RabbitMQ is three nodes in a network namespace of their own, over which nftables spreads
the devices; workers take from a quorum queue there. PostgreSQL writes each commit to the disk. Devices run with
nice 15: the platform has the machine first.

How long an event took is from when it was drawn to when the transaction began that stored it, by one clock.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psycopg
from kerbwatch_platform import store
from kerbwatch_platform.local.postgres import Cluster as Database
from kerbwatch_platform.local.postgresql_programs import programs
from kerbwatch_platform.local.users import somebody_else

from benchmarks.fleet_check import held_against
from benchmarks.fleet_processes import PARTS, Watch, command_of
from benchmarks.machine import headline
from tests.faults.cluster import Cluster, rabbitmq_root
from tests.faults.network import namespace
from tests.support.broker import Broker
from tests.support.paths import ROOT
from tests.support.programs import program
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.fleet_check import Found

TENANT, LOGIN = "simulation", "guest"
KILL_EVERY_S = 20.0
SPREAD_PORT = 18_830
_BIN_S = 5


@dataclass(frozen=True, slots=True)
class Way:
    """Where devices and workers find the broker, and more options of the devices."""

    devices: str
    workers: str
    options: tuple[str, ...] = ()


@contextmanager
def mosquitto(folder: Path) -> Iterator[Way]:
    """One Mosquitto, without TLS."""
    broker = Broker(program("mosquitto"), folder, tls=False)
    broker.start()
    try:
        yield Way(broker.url, broker.url)
    finally:
        broker.kill()


@contextmanager
def rabbitmq(folder: Path) -> Iterator[Way]:
    """Three RabbitMQ 4 nodes with quorum queues."""
    root = rabbitmq_root()
    secret = folder / "password"
    secret.write_text(LOGIN, encoding="ascii")
    with namespace(), ExitStack() as stack:
        cluster = Cluster(folder / "cluster", root)
        stack.callback(cluster.end)
        cluster.prepare()
        ports = ", ".join(f"{n - 1} : {cluster.port(n)}" for n in cluster.nodes)
        for rule in (
            "add table ip spread",
            "add chain ip spread out { type nat hook output priority -100; }",
            f"add rule ip spread out tcp dport {SPREAD_PORT} "
            f"dnat to 127.0.0.1 : numgen inc mod {len(cluster.nodes)} map {{ {ports} }}",
        ):
            subprocess.run([program("nft"), rule], check=True)
        yield Way(
            f"mqtt://127.0.0.1:{SPREAD_PORT}",
            f"amqp://{LOGIN}:{LOGIN}@127.0.0.1:{cluster.amqp_port(1)}/%2F",
            ("--username", LOGIN, "--password-file", str(secret)),
        )


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The desk's PostgreSQL, with the platform's tables; how it is reached."""
    user = somebody_else("postgres")
    folder.mkdir()
    if user is not None:
        user.own(folder)
    database = Database(folder, programs(folder, None, click.echo), user)
    database.prepare()
    told: dict[str, Any] = {}
    if user is not None:
        told = {"user": user.uid, "group": user.gid, "extra_groups": []}
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            database.program.command, cwd=folder, stdout=log, stderr=log, **told
        )
    try:
        wait_until(database.ready)
        with store.connect(database.database) as connection:
            store.migrate(connection)
        yield database.database
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()


@contextmanager
def working(folder: Path, database: str, broker: str, workers: int) -> Iterator[None]:
    """The platform's workers; whichever is killed is started again by the command itself."""
    settings = folder / "settings.toml"
    told = {
        "database": database,
        "broker": broker,
        "evidence_folder": str(folder / "evidence"),
        "signing_key_file": str(folder / "key.pem"),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in told.items()]
    settings.write_text("\n".join([*lines, f"workers = {workers}", ""]), encoding="utf-8")
    command = [sys.executable, "-m", "kerbwatch_platform", "--settings", str(settings), "work"]
    with (folder / "workers.log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        running.terminate()
        running.wait(120)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some of the run, in seconds of the wall clock; how long events took is told of devices from this number on."""

    name: str
    from_s: float
    until_s: float
    first: int = 0


class Run:
    """The devices' command, and workers killed while it goes on."""

    def __init__(
        self, command: list[str], watch: Watch, kill_s: tuple[float, float], seed: int
    ) -> None:
        self._command, self._watch, self._kill_s = command, watch, kill_s
        self._die = random.Random(seed)  # noqa: S311  a benchmark
        self._over = threading.Event()
        self.killed = 0

    def result(self) -> dict[str, Any]:
        """What the command says in the end."""
        running = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=os.environ | {"KERBWATCH_LANGUAGE": "en"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert running.stdout is not None
        assert running.stderr is not None
        killing = threading.Thread(target=self._kill, daemon=True)
        for line in running.stderr:
            click.echo(f"  {line}", nl=False)
            if line.startswith("measured:"):
                killing.start()
        text = running.stdout.read()
        running.wait()
        self._over.set()
        if not text:
            raise click.ClickException("the devices' command ended without a result")
        told: dict[str, Any] = json.loads(text)
        return told

    def _kill(self) -> None:
        """Kill one worker after the other, from one moment after the begin to another."""
        began_s = time.monotonic()
        while not self._over.wait(KILL_EVERY_S):
            at_s = time.monotonic() - began_s
            # One has a name; the command that starts it again has none.
            workers = [pid for pid in self._watch.pids("consumer") if b"--name" in command_of(pid)]
            if self._kill_s[0] <= at_s <= self._kill_s[1] and workers:
                with suppress(ProcessLookupError):
                    os.kill(self._die.choice(workers), signal.SIGKILL)
                    self.killed += 1


@click.command()
@click.argument("broker", type=click.Choice(["mosquitto", "rabbitmq"]))
@click.option("--devices", default=200, show_default=True)
@click.option(
    "--rate", default=20.0, show_default=True, help="Events of cases per device and hour."
)
@click.option("--minutes", default=1.0, show_default=True, help="Of each of the four stretches.")
@click.option("--workers", default=2, show_default=True)
@click.option("--hours", default=24.0, show_default=True, help="Of the outage, as devices live.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("fleet-size"))
def main(
    broker: str,
    devices: int,
    rate: float,
    minutes: float,
    workers: int,
    hours: float,
    seed: int,
    out: Path,
) -> None:
    """Measure, and judge by SQL."""
    lines = [headline()]
    click.echo(lines[0])
    out = out.absolute()
    out.mkdir(parents=True)
    (out / "broker").mkdir()
    # The platform has this machine first: with thousands of threads of devices it would get hardly any of it.
    told = [program("nice"), "-n", "15", sys.executable, "-m", "provisioning.cli"]
    told += ["simulate", str(out / "fleet"), "--json"]
    told += ["--tenant", TENANT, "--devices", str(devices), "--rate", str(rate)]
    told += ["--minutes", str(4 * minutes), "--settle", "1800", "--seed", str(seed)]
    told += ["--outage-at", str(minutes), "--outage-for", str(minutes)]
    told += ["--outage-hours", str(hours), "--confirm", "platform"]
    with ExitStack() as stack:
        way = stack.enter_context(
            (mosquitto if broker == "mosquitto" else rabbitmq)(out / "broker")
        )
        database = stack.enter_context(postgresql(out / "database"))
        stack.enter_context(working(out, database, way.workers, workers))
        watch = stack.enter_context(Watch())
        kill_s = (minutes * 60 * 2.25, minutes * 60 * 4)
        with store.connect(database) as connection:
            empty_bytes = _size_bytes(connection)
        run = Run([*told, "--broker", way.devices, *way.options], watch, kill_s, seed)
        result = run.result()
        with store.connect(database) as connection:
            lines += _figures(connection, watch, result, minutes * 60)
            lines += [f"{run.killed} workers killed", _size_line(connection, empty_bytes)]
            found = held_against(
                out / "fleet", TENANT, lambda query: connection.execute(query).fetchall()
            )
    lines.append(found.line)
    text = "\n".join(lines)
    click.echo(text.partition("\n")[2])
    (out / "fleet-size.txt").write_text(f"{text}\n", encoding="utf-8")
    _judge(found)


def _judge(found: Found) -> None:
    if not found.holds or found.waiting:
        raise click.ClickException("not everything is as it should be")


def _figures(
    connection: psycopg.Connection, watch: Watch, result: dict[str, Any], each_s: float
) -> list[str]:
    # Of those that were cut off the backlog tells: what they draw waits until they are connected again.
    began_s = datetime.fromisoformat(result["began_at"]).timestamp()
    names = ("steady", "quarter cut off", "its return", "workers killed")
    stretches = [
        Stretch(
            name,
            began_s + index * each_s,
            began_s + (index + 1) * each_s,
            result["outage"]["devices"] if index else 0,
        )
        for index, name in enumerate(names)
    ]
    one, kept = result["each"], result["kept"]
    lines = [
        f"a device: {one['memory_bytes'] / 1e6:.2f} MB, {one['threads']} threads, {one['files']} files; "
        f"{result['disk_bytes'] / result['devices'] / 1e6:.1f} MB of disk in the end",
        f"{kept['events']} events, drawn up to {result['late_s']:.1f} s late",
    ]
    lines += [_line(connection, watch, each) for each in stretches]
    lines.append(_return_line(connection, stretches[2].from_s, each_s))
    memory = ", ".join(f"{part} {watch.most_memory(part) / 1e6:.0f} MB" for part in PARTS)
    return [*lines, f"most memory: {memory}"]


def _line(connection: psycopg.Connection, watch: Watch, stretch: Stretch) -> str:
    """One stretch: what was stored, how long the live events of it took, and what each part was busy with."""
    given = {"from": stretch.from_s, "until": stretch.until_s, "bin": _BIN_S}
    bins = [
        count / _BIN_S
        for (count,) in connection.execute(
            "SELECT count(event_id) FROM generate_series(0, floor((%(until)s - %(from)s) / %(bin)s)::int - 1) AS b"
            " LEFT JOIN event ON floor((extract(epoch FROM received_at) - %(from)s) / %(bin)s) = b"
            " GROUP BY b",
            given,
        )
    ]
    [(live, half_s, most_s)] = connection.execute(
        "SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY took_s),"
        " percentile_cont(0.95) WITHIN GROUP (ORDER BY took_s) FROM"
        " (SELECT extract(epoch FROM received_at) - occurred_s AS took_s, device FROM event"
        "  WHERE occurred_s >= %(from)s AND occurred_s < %(until)s) AS took"
        " WHERE substr(device, 5)::int >= %(first)s",
        given | {"first": stretch.first},
    ).fetchall()
    cores = ", ".join(
        f"{part} {watch.cores(part, stretch.from_s, stretch.until_s):.2f}" for part in PARTS
    )
    took = (
        ""
        if half_s is None
        else f"; {live} drawn, half stored in {half_s:.2f} s, 95 % in {most_s:.2f} s"
    )
    mean = sum(bins) / max(1, len(bins))
    return (
        f"{stretch.name}: {mean:.0f} events/s stored ({min(bins):.0f}–{max(bins):.0f} in {_BIN_S} s){took}; "
        f"processors: {cores}"
    )


def _return_line(connection: psycopg.Connection, mended_s: float, each_s: float) -> str:
    """How long the backlog of the outage took to arrive."""
    [(count, last_s)] = connection.execute(
        "SELECT count(*), max(extract(epoch FROM received_at)) - %(mended)s FROM event"
        " WHERE occurred_s >= %(cut)s AND occurred_s < %(mended)s AND extract(epoch FROM received_at) > %(mended)s"
        " AND extract(epoch FROM received_at) - occurred_s > 1",
        {"mended": mended_s, "cut": mended_s - each_s},
    ).fetchall()
    if not count:
        return "no backlog came"
    return f"the backlog: {count} events, stored {last_s:.0f} s after the link was there again ({count / float(last_s):.0f}/s)"


def _size_bytes(connection: psycopg.Connection) -> int:
    [(size,)] = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    return int(size)


def _size_line(connection: psycopg.Connection, empty_bytes: int) -> str:
    [(count, text)] = connection.execute(
        "SELECT count(*), avg(length(raw::text)) FROM event"
    ).fetchall()
    each = (_size_bytes(connection) - empty_bytes) / count
    return f"{count} events stored, {text:.0f} bytes of JSON each; the database grew by {each:.0f} bytes for each"


if __name__ == "__main__":
    main()
