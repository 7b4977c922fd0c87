"""How many events a second a worker of the platform stores: packed batches beside a consumer that goes row by row.

    python -m benchmarks.platform_intake [--runs 3] [--events 20000] [--devices 200]

Both store the same events into a real PostgreSQL of their own in one process each, one after the other in each run; both
read and check every event in the same way. The one that goes row by row takes one event a message and a transaction, and
inserts into the tables of `examples/platform/postgresql.sql` as they are there: it fills no typed tables. The batches are
messages of fifty events, packed, twenty to a transaction. Also told: batches with the receipts of every device that they
are of, and our own code with one event a message and a transaction.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message, place_of
from kerbwatch_platform.contract.reading import events_in, judged, number_of

from agent.domain.ids import uuid7
from agent.protocol.examples import examples
from benchmarks.machine import headline, spread
from tests.support.example_platform import PLATFORM
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

PACKED, AT_ONCE = 50, 20
MIX = {"message-changes": 70, "message-heartbeat": 6, "message-live": 12, "message-abstained": 12}
"""Of a hundred events: signs of life, and cases."""
EXAMPLES = examples()
_MINE = "(tenant, device, epoch, sequence) = (%s, %s, %s, %s)"
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def events_of(device: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Events of one device, each with an id, a number and a time of its own; of a case there are eight."""
    chance = random.Random(f"{device} {seed}")  # noqa: S311  a simulation
    found = []
    for nth, name in enumerate(chance.choices(list(MIX), list(MIX.values()), k=count), 1):
        event = copy.deepcopy(EXAMPLES[name]["events"][0])
        at = BEGAN + timedelta(seconds=60 * nth)
        own = {"event_id": uuid7(at, chance.getrandbits(74)), "device_id": device, "sequence": nth}
        event |= own | {"occurred_at": at.isoformat()}
        if "case_id" in event["body"]:
            case = uuid7(BEGAN + timedelta(hours=nth // 32), nth // 32)
            event["body"]["case_id"] = case
        found.append(event)
    return found


def messages(devices: int, count: int, size: int, seed: int) -> list[Message]:
    """All of it, the devices taking turns; packed where there are several events to a message."""
    by_device = {
        name: events_of(name, count // devices, seed)
        for name in (f"corner-{each}" for each in range(devices))
    }
    found = []
    for begin in range(0, count // devices, size):
        for device, events in by_device.items():
            text = json.dumps(
                {"contract": 2, "events": events[begin : begin + size]}, ensure_ascii=False
            ).encode()
            topic = f"kerbwatch/v2/example-city/{device}/events"
            found.append(Message(topic, gzip.compress(text) if size > 1 else text))
    return found


def row_by_row(connection: psycopg.Connection, told: list[Message]) -> None:
    """Each message in a transaction, each row by a statement of its own; psycopg prepares them."""
    for topic, payload in told:
        _, tenant, device, _ = place_of(topic)
        with connection.transaction(), connection.cursor() as cursor:
            for event in events_in(payload)[0]:
                number, (code, text) = number_of(event), judged(event, tenant, device)
                if number is None or code:
                    raise click.ClickException(f"a broken event: {code}")
                _row(cursor, (tenant, device), number, event, text)


def _row(
    cursor: psycopg.Cursor,
    of: tuple[str, str],
    number: tuple[str, int],
    event: dict[str, Any],
    text: str,
) -> None:
    event_id = event["event_id"]
    row = (*of, event_id, event["type"], event.get("test") is True, text)
    cursor.execute("INSERT INTO event VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", row)
    key = (*of, *number)
    numbered = "INSERT INTO numbered VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    cursor.execute(numbered, (*key, event_id))
    cursor.execute(f"DELETE FROM refused WHERE {_MINE}", key)  # noqa: S608  our own words
    cursor.execute(f"SELECT event_id FROM numbered WHERE {_MINE}", key)  # noqa: S608
    if cursor.fetchone() != (event_id,):
        raise click.ClickException("a conflict")


def in_batches(
    connection: psycopg.Connection, told: list[Message], *, receipts: bool = False
) -> None:
    """As a worker does it."""
    for begin in range(0, len(told), AT_ONCE):
        taken = store.take(connection, told[begin : begin + AT_ONCE])
        if receipts:
            for tenant, device, epoch in sorted(taken.epochs):
                store.receipts(connection, tenant, device, [epoch])


def one_by_one(connection: psycopg.Connection, told: list[Message]) -> None:
    """The worker's own code where nothing can be packed or gathered."""
    for each in told:
        store.take(connection, [each])


class Cost(NamedTuple):
    """Of one event: by the clock, and of the two processes' CPUs, which a busy machine does not lengthen."""

    wall_s: float
    client_s: float
    server_s: float

    @property
    def cpu_s(self) -> float:
        return self.client_s + self.server_s


def cpu_s(process: int) -> float:
    """What a process has had of the CPU: the fields utime and stime of proc(5)."""
    stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def cost(
    server: Postgres, model: str, work: Callable[[psycopg.Connection], None], count: int
) -> Cost:
    """What an event costs that something stores into an empty database of one of the two models."""
    server.script("DROP DATABASE IF EXISTS measured;")
    server.script(f"CREATE DATABASE measured TEMPLATE {model};")
    with store.connect(server.address("measured")) as connection:
        backend = connection.info.backend_pid
        begun = time.perf_counter(), time.process_time(), cpu_s(backend)
        work(connection)
        ended = time.perf_counter(), time.process_time(), cpu_s(backend)
        return Cost(*((end - begin) / count for begin, end in zip(begun, ended, strict=True)))


def measured(server: Postgres, devices: int, count: int, seed: int) -> Iterator[tuple[str, Cost]]:
    """What an event costs, for each way to store it."""
    packed, single = (messages(devices, count, size, seed) for size in (PACKED, 1))
    few = single[: len(single) // 10]
    ways: dict[str, tuple[str, int, Callable[[psycopg.Connection], None]]] = {
        "row by row": ("documented", len(single), lambda db: row_by_row(db, single)),
        "packed batches": ("platform", len(single), lambda db: in_batches(db, packed)),
        "packed batches, receipts": (
            "platform",
            len(single),
            lambda db: in_batches(db, packed, receipts=True),
        ),
        "one event a transaction": ("platform", len(few), lambda db: one_by_one(db, few)),
    }
    for name, (model, stored, work) in ways.items():
        yield name, cost(server, model, work, stored)


def tell(found: dict[str, list[Cost]]) -> None:
    """The figures of all runs."""
    for name, costs in found.items():
        rates = spread([1 / each.wall_s for each in costs], "events/s", 0)
        cpu = spread([each.cpu_s * 1e3 for each in costs], "ms of CPU an event")
        server = spread([each.server_s * 1e3 for each in costs], "of it PostgreSQL's")
        click.echo(f"{name:<26} {rates}; {cpu}; {server}")
    pairs = [*zip(found["row by row"], found["packed batches"], strict=True)]
    for what, ratios in {
        "by the clock": [row.wall_s / batch.wall_s for row, batch in pairs],
        "by the CPU": [row.cpu_s / batch.cpu_s for row, batch in pairs],
    }.items():
        click.echo(f"packed batches beside row by row, {what}: {spread(ratios, '×', 1)}")


@click.command()
@click.option("--runs", default=3, show_default=True)
@click.option("--events", default=20_000, show_default=True)
@click.option("--devices", default=200, show_default=True)
def main(runs: int, events: int, devices: int) -> None:
    """Measure, and say what it was measured on."""
    found: dict[str, list[Cost]] = {}
    with postgres(durable=True) as server:
        for name in ("documented", "platform"):
            server.script(f"CREATE DATABASE {name};")
        with store.connect(server.address("documented")) as connection:
            connection.execute((PLATFORM / "postgresql.sql").read_bytes())
        with store.connect(server.address("platform")) as connection:
            store.migrate(connection)
        for seed in range(runs):
            for name, each in measured(server, devices, events, seed):
                found.setdefault(name, []).append(each)
    click.echo(headline())
    click.echo("PostgreSQL waits for the disk at each commit (fsync on)")
    tell(found)


if __name__ == "__main__":
    main()
