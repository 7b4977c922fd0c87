"""The ways to get an event to a broker that are held against each other, each as a process.

    python -m benchmarks.delivery.ways WAY --folder DIR --port PORT --count N --per-s RATE

It makes events and hands each to its way; a line with the event's id is printed when the way has
*taken* it: when ``publish`` returned (plain paho), when ``put`` returned (ThingsBoard's storage), when
the local broker acknowledged (the bridge), when the transaction was on the disk (Kerbwatch). What was
taken and never reaches the platform's store is lost. The process goes on delivering until it is killed.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.config.schema import UplinkSection
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane
from drivers.clock import SystemClock
from tests.support.delivering_device import uplink_of
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.topics import DEVICE, EVENTS, PREFIX, TENANT

if TYPE_CHECKING:
    from collections.abc import Callable

PACK_WAIT_S = 10.0
"""The gateway waits so long for each confirmation of a pack before it sends the pack again."""


def told(event_id: str) -> None:
    """Say that the way has taken an event."""
    sys.stdout.write(event_id + "\n")
    sys.stdout.flush()


def message() -> tuple[str, str]:
    """An event as a message of the contract has it, and its id: the same for every way."""
    draft = case_opened(SystemClock())
    event = {
        "event_id": draft.event_id,
        "tenant": TENANT,
        "device_id": DEVICE,
        "epoch": "0",
        "sequence": 1,
        "occurred_at": draft.occurred_at.isoformat(timespec="milliseconds"),
        "clock": draft.clock.model_dump(mode="json"),
        "purpose": "test",
        "type": draft.type,
        "body": draft.body.model_dump(mode="json"),
    }
    text = json.dumps(
        {"contract": 2, "historical": False, "events": [event]},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return draft.event_id, text


def connected(port: int, name: str) -> Client:
    """A paho client as its documentation shows it; it keeps trying from a thread of its own."""
    client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
    client.reconnect_delay_set(1, 1)
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    return client


def paho(_folder: Path, port: int) -> Callable[[], None]:
    """``publish`` at QoS 1, as in most programs."""
    client = connected(port, DEVICE)

    def hand() -> None:
        event_id, text = message()
        client.publish(EVENTS, text, qos=1)
        told(event_id)

    return hand


def bridge(_folder: Path, port: int) -> Callable[[], None]:
    """To a Mosquitto on the same machine, which forwards; ``port`` is that one's."""
    client = connected(port, DEVICE)
    waiting: dict[int, str] = {}
    # A lock around publish that its callback also takes is a deadlock with paho's own.
    acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(_c: Any, _u: Any, packet_id: int, reason: Any, _p: Any) -> None:
        if not reason.is_failure:
            acknowledged.put(packet_id)

    def tell() -> None:
        while True:
            packet_id = acknowledged.get()
            while packet_id not in waiting:  # the acknowledgement was faster than ``publish``
                time.sleep(0.001)
            told(waiting.pop(packet_id))

    client.on_publish = note
    threading.Thread(target=tell, daemon=True).start()

    def hand() -> None:
        event_id, text = message()
        waiting[client.publish(EVENTS, text, qos=1).mid] = event_id

    return hand


def thingsboard(folder: Path, port: int) -> Callable[[], None]:
    """The gateway's own storage, emptied by the gateway's own rule: a pack, its confirmations, done.

    The rule is that of ``TBGatewayService.__read_data_from_storage`` in thingsboard-gateway 3.8.
    """
    from thingsboard_gateway.storage.sqlite.sqlite_event_storage import (  # noqa: PLC0415
        SQLiteEventStorage,
    )

    log = logging.getLogger("storage")
    log.trace = log.debug  # type: ignore[attr-defined]  # the gateway adds that level itself
    storage = SQLiteEventStorage({"data_file_path": f"{folder}/"}, log, threading.Event())
    client = connected(port, DEVICE)

    def drain() -> None:
        while True:
            pack = storage.get_event_pack() if client.is_connected() else []
            if not pack:
                time.sleep(0.2)
            elif _confirmed([client.publish(EVENTS, each, qos=1) for each in pack]):
                storage.event_pack_processing_done()

    threading.Thread(target=drain, daemon=True).start()

    def hand() -> None:
        event_id, text = message()
        storage.put(text)
        told(event_id)

    return hand


def _confirmed(published: list[MQTTMessageInfo]) -> bool:
    for each in published:
        try:
            each.wait_for_publish(PACK_WAIT_S)
        except (RuntimeError, ValueError):
            return False
        if not each.is_published():
            return False
    return True


def outbox(folder: Path, port: int, confirm: str = "broker") -> Callable[[], None]:
    """Kerbwatch's outbox and uplink."""
    clock = SystemClock()
    database = Database(folder / "outbox.sqlite3")
    queue = open_outbox(database, boot_id=clock.boot_id)
    settings = UplinkSection.model_validate(
        {
            "broker": f"mqtt://127.0.0.1:{port}",
            "topic_prefix": PREFIX,
            "reconnect_max_s": 1,
            "confirm": confirm,
            "receipt_timeout_s": 5,
        }
    )
    uplink = uplink_of(settings, database, queue, clock)
    threading.Thread(target=uplink.run, args=(threading.Event(),), daemon=True).start()

    def hand() -> None:
        draft = case_opened(clock)
        done = database.write(lambda connection: queue.add(connection, draft, Lane.CASE))
        done.add_done_callback(lambda each: told(draft.event_id) if not each.exception() else None)

    return hand


def receipts(folder: Path, port: int) -> Callable[[], None]:
    """The same, with the platform's receipt as the confirmation."""
    return outbox(folder, port, "platform")


WAYS: dict[str, Callable[[Path, int], Callable[[], None]]] = {
    "paho": paho,
    "thingsboard": thingsboard,
    "bridge": bridge,
    "outbox": outbox,
    "receipts": receipts,
}


@click.command()
@click.argument("way", type=click.Choice(sorted(WAYS)))
@click.option("--folder", type=click.Path(path_type=Path), required=True)
@click.option("--port", type=int, required=True)
@click.option("--count", type=int, required=True)
@click.option("--per-s", type=float, required=True)
def main(way: str, folder: Path, port: int, count: int, per_s: float) -> None:
    """Hand over so many events at a steady pace, then go on delivering."""
    hand = WAYS[way](folder, port)
    begin_s = time.monotonic()
    for number in range(count):
        hand()
        ahead_s = begin_s + (number + 1) / per_s - time.monotonic()
        if ahead_s > 0:
            time.sleep(ahead_s)
    threading.Event().wait()


if __name__ == "__main__":
    main()
