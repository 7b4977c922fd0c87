"""What the two pictures of a case that go by themselves cost on the wire.

    kerbwatch replay SITE --out FOLDER
    python -m benchmarks.delivery.case_bytes FOLDER

Sends what the replay queued to a Mosquitto, over TLS and through a proxy that counts what passes, with the example
platform that confirms it. What the events of the same cases cost is counted before, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.storage.database import Database
from agent.storage.paths import DATABASE, EVIDENCE
from agent.storage.picture_table import queued
from benchmarks.delivery.forwarder import Link
from benchmarks.machine import headline
from drivers.clock import SystemClock
from tests.support.broker import Broker
from tests.support.corner_with_past import PlatformProcess
from tests.support.delivering_device import uplink_of
from tests.support.outboxes import open_outbox
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.storage.outbox import Outbox


class Counting(Link):
    """Passes everything on at once; ``passed_bytes`` counts both ways, without TCP's and IP's headers."""

    passed_bytes = 0

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                self.passed_bytes += len(piece)
                writer.write(piece)
        writer.close()


def owner(database: Database) -> dict[str, str]:
    """Tenant and device of what is kept."""
    with closing(database.read()) as reader:
        [text] = reader.execute("SELECT event FROM outbox LIMIT 1").fetchone()
    event = json.loads(text)
    return {"tenant": event["tenant"], "device": event["device_id"]}


@contextmanager
def delivering(
    broker: Broker,
    port: int,
    database: Database,
    outbox: Outbox,
    whose: dict[str, str],
    pictures: Path | None,
) -> Iterator[None]:
    """An uplink at work, through the proxy."""
    settings = broker.settings(
        broker=f"mqtts://localhost:{port}", topic_prefix="kerbwatch/v2", confirm="platform"
    )
    clock = SystemClock()
    uplink = uplink_of(settings, database, outbox, clock, pictures=pictures, **whose)
    stop = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(30)


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
def main(folder: Path) -> None:
    """Print what the pictures that a replay queued cost."""
    click.echo(headline())
    with (
        tempfile.TemporaryDirectory() as made,
        Database(folder / "state" / DATABASE) as database,
    ):
        whose = owner(database)
        outbox = open_outbox(database, **whose)
        broker = Broker("mosquitto", Path(made) / "broker")
        broker.start()
        certificate, key = broker.authority.issue("platform")
        place = f"ca={broker.authority.certificate_file}&certificate={certificate}&key={key}"
        url = f"mqtts://localhost:{broker.port}?{place}"

        def waiting() -> int:
            with closing(database.read()) as reader:
                return len(queued(reader))

        with closing(database.read()) as reader:
            rows = queued(reader)
        with PlatformProcess(Path(made) / "platform.db", url), Counting(broker.port) as link:
            counted = []
            for pictures in (None, folder / EVIDENCE):
                before = link.passed_bytes
                with delivering(broker, link.port, database, outbox, whose, pictures):
                    if pictures is not None:
                        wait_until(lambda: waiting() == 0)
                    wait_until(lambda: outbox.figures().rows == 0)
                counted.append(link.passed_bytes - before)
        broker.kill()
    cases = len({row.case_id for row in rows})
    content = sum(row.size_bytes for row in rows)
    click.echo(
        f"  {cases} cases, {len(rows)} pictures, {content:,} bytes: {content / cases:,.0f} a case\n"
        f"  events on a connection of their own: {counted[0]:,} bytes\n"
        f"  pictures on a connection of their own, confirmed: {counted[1]:,} bytes,"
        f" {counted[1] / cases:,.0f} a case, {counted[1] / content - 1:.1%} more than their content"
    )


if __name__ == "__main__":
    main()
