"""The platform's side: a store on disk that says what it has, and knows what came twice."""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.protocol.downlink import Receipt
from agent.storage.loss_table import joined
from provisioning.demo.consumer import unpacked
from tests.support.topics import DEVICE, EVENTS, PREFIX, TENANT

if TYPE_CHECKING:
    from pathlib import Path

COMMIT_EVERY_S = 0.05
MAX_RANGES = 1000


class Store:
    """Subscribes with a session that outlives its connection, commits, and sends receipts.

    Args:
        path: The database.
        port: The broker's.
    """

    def __init__(self, path: Path, port: int) -> None:
        self._path, self._port = path, port
        self._came: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_committing, daemon=True)
        self.stored: set[str] = set()
        self.duplicates = 0
        self._sequences: dict[str, set[int]] = defaultdict(set)
        self._through: dict[str, int] = defaultdict(int)

    def __enter__(self) -> Self:
        subscribed = threading.Event()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, "platform", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.reconnect_delay_set(1, 1)
        client.max_inflight_messages_set(100)
        client.on_connect = lambda c, *_: c.subscribe(EVENTS, qos=1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = lambda _c, _u, message: self._came.put(bytes(message.payload))
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", self._port, clean_start=False, properties=lasting)
        client.loop_start()
        if not subscribed.wait(10):
            raise RuntimeError("the platform could not subscribe")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._client.disconnect()
        self._client.loop_stop()

    def _keep_committing(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE events (event_id TEXT PRIMARY KEY) WITHOUT ROWID")
        while not self._stop.wait(COMMIT_EVERY_S):
            if events := self._waiting():
                self._commit(connection, events)
                self._say_what_is_stored()
        connection.close()

    def _waiting(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        while not self._came.empty():
            told = json.loads(unpacked(self._came.get()))["events"]
            events += (event for event in told if event["type"].startswith(("case.", "device.")))
        return events

    def _commit(self, connection: sqlite3.Connection, events: list[dict[str, Any]]) -> None:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT OR IGNORE INTO events VALUES (?)", [(event["event_id"],) for event in events]
        )
        connection.execute("COMMIT")
        for event in events:
            self.duplicates += event["event_id"] in self.stored
            self.stored.add(event["event_id"])
            self._sequences[event["epoch"]].add(event["sequence"])

    def _say_what_is_stored(self) -> None:
        """A receipt for each epoch, of what is committed."""
        for epoch, stored in self._sequences.items():
            through = self._through[epoch]
            while through + 1 in stored:
                through += 1
                stored.discard(through)
            self._through[epoch] = through
            above = joined([(each, each) for each in sorted(stored) if each > through])
            receipt = Receipt(
                epoch=epoch, contiguous_through=through, ranges=tuple(above[:MAX_RANGES])
            )
            topic = f"{PREFIX}/{TENANT}/{DEVICE}/receipts"
            # The newest says all: one that is lost is made up for by the next. At QoS 1 paho would
            # send what it had kept beyond the broker's Receive Maximum, and be thrown out for it.
            if self._client.is_connected():
                self._client.publish(topic, receipt.model_dump_json(), qos=0)
