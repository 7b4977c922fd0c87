"""How fast a backlog drains, how long a live event waits behind one, what a durable event costs."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.config.schema import UplinkSection
from agent.delivery.uplink import Uplink
from agent.storage.database import Database
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import Lane
from agent.storage.picture_table import queue_picture
from benchmarks.delivery.losses import central
from benchmarks.delivery.slow_link import SlowLink
from benchmarks.delivery.ways import message
from benchmarks.machine import spread
from drivers.clock import SystemClock
from drivers.disk import written_bytes
from drivers.testing import FakeClock
from provisioning.demo.consumer import unpacked
from tests.support.delivering_device import uplink_of
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.redacted_pictures import picture_in
from tests.support.topics import EVENTS, PREFIX
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from drivers.clock import Clock

ROWS_AT_ONCE = 1000
RAW_WINDOW = 100
"""What paho does best with: with more under way its bookkeeping grows with the square."""
PIECES = f"{EVENTS.removesuffix('events')}pictures/#"
LINKS = {"one a message": 1, "batched": 50}


@contextmanager
def device(folder: Path) -> Iterator[tuple[Database, Outbox]]:
    """A database and its outbox."""
    with Database(folder / "outbox.sqlite3") as database:
        yield (
            database,
            open_outbox(database),
        )


def fill(database: Database, outbox: Outbox, count: int, clock: Clock) -> None:
    """Let so many cases wait."""
    for begin in range(0, count, ROWS_AT_ONCE):
        drafts = [case_opened(clock) for _ in range(min(ROWS_AT_ONCE, count - begin))]
        database.write(
            lambda connection, drafts=drafts: [  # type: ignore[misc]
                outbox.add(connection, draft, Lane.CASE) for draft in drafts
            ]
        ).result()


@contextmanager
def delivering(
    database: Database,
    outbox: Outbox,
    clock: Clock,
    port: int,
    folder: Path | None = None,
    **settings: Any,
) -> Iterator[Uplink]:
    """An uplink at work; ``folder`` is that of its pictures."""
    told = {"broker": f"mqtt://127.0.0.1:{port}", "topic_prefix": PREFIX, "keep_arrived": 0}
    section = UplinkSection.model_validate(told | settings)
    uplink = uplink_of(section, database, outbox, clock, pictures=folder)
    stop = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(stop,))
    thread.start()
    try:
        yield uplink
    finally:
        stop.set()
        thread.join(30)


def old_clock() -> FakeClock:
    """Now, but a day after everything was written: all of it is backlog."""
    real = SystemClock()
    return FakeClock(real.now(), monotonic_s=86_400.0 + real.monotonic_s(), boot_id=real.boot_id)


def raw_rate(port: int, count: int) -> float:
    """Messages a second of plain paho: one thread, one connection, QoS 1, acknowledged."""
    texts = [message()[1] for _ in range(200)]
    client = Client(CallbackAPIVersion.VERSION2, "raw", protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(0)
    acknowledged = [0]
    connected = threading.Event()

    def count_one(*_: Any) -> None:
        acknowledged[0] += 1

    client.on_publish = count_one
    client.on_connect = lambda *_: connected.set()
    client.connect("127.0.0.1", port)
    while not connected.is_set():
        client.loop(1)
    began_s, sent = time.perf_counter(), 0
    while acknowledged[0] < count:
        while sent < count and sent - acknowledged[0] < RAW_WINDOW:
            client.publish(EVENTS, texts[sent % len(texts)], qos=1)
            sent += 1
        client.loop(0.01)
    return count / (time.perf_counter() - began_s)


def drain_rate(port: int, count: int, per_message: int) -> float:
    """Events a second of a full outbox, from the first to the last confirmation, deletes included."""
    with tempfile.TemporaryDirectory() as made:
        clock = SystemClock()
        with device(Path(made)) as (database, outbox):
            fill(database, outbox, count, clock)
            settings = {
                "backlog_events_per_message": per_message,
                "pack_backlog": per_message > 1,
                "window_bytes": 32_768 if per_message == 1 else 262_144,
            }
            with delivering(database, outbox, old_clock(), port, **settings) as uplink:
                wait_until(lambda: uplink.figures.connected_since, 30)
                began_s = time.perf_counter()
                wait_until(lambda: uplink.figures.confirmed >= count, 600)
                return count / (time.perf_counter() - began_s)


@contextmanager
def someone_listening(port: int) -> Iterator[None]:
    """A subscriber in a process of its own that reads and forgets: the broker works as in life."""
    command = [sys.executable, "-m", "benchmarks.delivery.speed", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


def listen(port: int) -> None:
    """Subscribe at QoS 0, then read bytes without looking at them, until killed."""
    client = Client(CallbackAPIVersion.VERSION2, "listener", protocol=MQTTProtocolVersion.MQTTv5)
    ready = threading.Event()
    client.on_connect = lambda c, *_: c.subscribe(f"{PREFIX}/#", qos=0)
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", port, keepalive=0)
    while not ready.is_set():
        client.loop(1)
    click.echo("ready")
    sock = client.socket()
    assert sock is not None
    sock.setblocking(True)
    while sock.recv(1 << 20):
        pass


def drain(count: int, runs: int) -> None:
    """Print the drain rates beside plain paho's, measured in turn."""
    rates: dict[str, list[float]] = {"plain paho": [], **{name: [] for name in LINKS}}
    with tempfile.TemporaryDirectory() as made:
        broker = central(Path(made) / "central")
        broker.start()
        with someone_listening(broker.port):
            for _ in range(runs):
                rates["plain paho"].append(raw_rate(broker.port, count))
                for name, per_message in LINKS.items():
                    rates[name].append(drain_rate(broker.port, count, per_message))
        broker.kill()
    for name, measured in rates.items():
        line = f"  {name:14s} {spread(measured, 'events/s', 0)}"
        if name != "plain paho":
            pairs = zip(measured, rates["plain paho"], strict=True)
            line += f", of plain paho {spread([a / b for a, b in pairs], '×')}"
        click.echo(line)


PICTURES, PICTURE_BYTES = 400, 60_000
"""More than go during a measurement, each as large as one of the two that go by default may be."""


def live(
    backlog: int, cases: int, seed: int, *, pictures: bool = False, per_s: float | None = None
) -> None:
    """Print how long live cases take to the platform while a backlog drains over a slow link.

    Args:
        backlog: How many events wait at first.
        cases: How many cases open meanwhile.
        seed: Of when they do.
        pictures: Whether pictures wait as well.
        per_s: The rate that the platform lets the backlog have; None: as fast as it goes.
    """
    die = random.Random(seed)  # noqa: S311 - when cases open, not a secret
    came_s: dict[str, float] = {}
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        broker = central(Path(made) / "central")
        broker.start()
        stack.callback(broker.kill)
        stack.enter_context(_arrivals(broker.port, came_s))
        link = stack.enter_context(SlowLink(broker.port))
        database, outbox = stack.enter_context(device(Path(made)))
        # Written under another boot, so that it is backlog from the first moment on.
        before = FakeClock(clock.now(), boot_id="an-earlier-boot")
        fill(database, outbox, backlog, before)
        folder = Path(made) / "evidence"
        if pictures:
            queue_pictures(database, folder, clock)
        uplink = stack.enter_context(
            delivering(
                *(database, outbox, clock, link.port),
                folder=folder,
                backlog_events_per_s=per_s,
            )
        )
        wait_until(lambda: uplink.figures.confirmed > 0, 60)
        began_s, confirmed = time.monotonic(), uplink.figures.confirmed
        sent_bytes = uplink.budget.spent.get("evidence", 0)
        opened_s: dict[str, float] = {}
        for _ in range(cases):
            time.sleep(die.uniform(0.2, 0.8))
            draft = case_opened(clock)
            opened_s[draft.event_id] = time.monotonic()
            database.write(
                lambda connection, draft=draft: outbox.add(connection, draft, Lane.CASE)  # type: ignore[misc]
            ).result()
        wait_until(lambda: opened_s.keys() <= came_s.keys(), 120)
        lasted_s = time.monotonic() - began_s
        rate = (uplink.figures.confirmed - confirmed) / lasted_s
        sent_bytes = uplink.budget.spent.get("evidence", 0) - sent_bytes
        left = outbox.figures().rows
    waited_s = sorted(came_s[each] - opened_s[each] for each in opened_s)
    if pictures:
        click.echo(f"  pictures: {sent_bytes / lasted_s / 1000:.1f} kB/s meanwhile")
    click.echo(
        f"  {cases} live cases, {backlog:,} waiting at first, {left:,} at last, {rate:.0f} events/s"
        f" meanwhile:\n  from the case to the platform: median {statistics.median(waited_s):.3f} s,"
        f" p95 {_share(waited_s, 0.95):.3f} s, most {waited_s[-1]:.3f} s"
    )


def queue_pictures(database: Database, folder: Path, clock: Clock) -> None:
    """Let pictures wait."""
    waiting = [picture_in(folder, PICTURE_BYTES, f"p{number}") for number in range(PICTURES)]

    def write(connection: sqlite3.Connection) -> None:
        for each in waiting:
            queue_picture(connection, each, clock.now())

    database.write(write).result()


@contextmanager
def _arrivals(port: int, came_s: dict[str, float]) -> Iterator[None]:
    """Note when each event reaches the platform, beside the broker: behind the slow link."""
    client = Client(CallbackAPIVersion.VERSION2, "platform", protocol=MQTTProtocolVersion.MQTTv5)
    subscribed = threading.Event()

    def note(_c: Any, _u: Any, arrived: Any) -> None:
        if arrived.topic != EVENTS:
            return
        now_s = time.monotonic()
        for event in json.loads(unpacked(bytes(arrived.payload)))["events"]:
            came_s.setdefault(event["event_id"], now_s)

    client.on_connect = lambda c, *_: c.subscribe([(EVENTS, 1), (PIECES, 0)])
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = note
    client.connect("127.0.0.1", port)
    client.loop_start()
    subscribed.wait(10)
    yield
    client.disconnect()
    client.loop_stop()


def enqueue(count: int, per_s: float) -> None:
    """Print how long an event waits until it is on the disk, and what it costs there."""
    clock, waits_s, calls_s = SystemClock(), [], []
    futures: list[Future[int]] = []
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as made,
        device(Path(made)) as (database, outbox),
    ):
        drafts = [case_opened(clock) for _ in range(count)]
        size_bytes = 0
        before_bytes = written_bytes() or 0
        begin_s = time.perf_counter()
        for number, draft in enumerate(drafts):
            asked_s = time.perf_counter()
            done = database.write(
                lambda connection, draft=draft: outbox.add(connection, draft, Lane.CASE)  # type: ignore[misc]
            )
            calls_s.append(time.perf_counter() - asked_s)
            done.add_done_callback(
                lambda _, asked_s=asked_s: waits_s.append(time.perf_counter() - asked_s)  # type: ignore[misc]
            )
            futures.append(done)
            if (ahead_s := begin_s + (number + 1) / per_s - time.perf_counter()) > 0:
                time.sleep(ahead_s)
        wait(futures)
        added_bytes = (written_bytes() or 0) - before_bytes
        size_bytes = outbox.figures().size_bytes
        for begin in range(1, count + 1, 20):
            outbox.confirm(range(begin, min(begin + 20, count + 1)))
        database.write(lambda _: None).result()
        all_bytes = (written_bytes() or 0) - before_bytes
    waits_s.sort()
    click.echo(
        f"  {count} events, {per_s:.0f} a second, {size_bytes / count:.0f} bytes each:"
        f" durable p50 {_share(waits_s, 0.5) * 1e3:.1f} ms, p99 {_share(waits_s, 0.99) * 1e3:.1f} ms,"
        f" the call itself {statistics.median(calls_s) * 1e3:.3f} ms\n"
        f"  written to the disk: {added_bytes / count:,.0f} bytes an event to keep it,"
        f" {all_bytes / count:,.0f} with letting it go ({all_bytes / size_bytes:.1f} × its size)"
    )


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    listen(int(sys.argv[1]))
