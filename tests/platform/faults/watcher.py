"""Holds every receipt against the store, the moment it comes: none may name what is not committed."""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg
from kerbwatch_platform.contract.reach import place
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.faults.suite import wait_for
from tests.support.topics import PREFIX

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

_AGAIN_S = 1.0
_JUDGE = f"{PREFIX}/judge/judge/receipts"
_AHEAD = """
SELECT claimed.first, claimed.last FROM unnest(%(first)s::bigint[], %(last)s::bigint[]) AS claimed (first, last)
WHERE claimed.last >= claimed.first AND NOT EXISTS (
  SELECT 1 FROM stretch s WHERE (s.tenant, s.device, s.epoch) = (%(tenant)s, %(device)s, %(epoch)s)
    AND s.first <= claimed.first AND s.last >= claimed.last)
"""


class Watcher:
    """A listener to all receipts. Use as a context.

    Attributes:
        checked: How many were held against the store.
        ahead: What was named and is not there.
    """

    def __init__(self, url: str, database: str) -> None:
        self._database = database
        self.checked = 0
        self.ahead: list[str] = []
        self.fault: Exception | None = None
        self._came: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._seen: set[str] = set()
        self._over = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, "judge", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._host, self._port = place(self._client, url, "judge")
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{PREFIX}/+/+/receipts", 1)
        self._client.on_message = self._take
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        self._thread.start()
        self.catch_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._over.set()
        self._thread.join(60)

    def catch_up(self) -> None:
        """Wait until all that was said before is held against the store; the broker is there."""
        word, due_s = secrets.token_hex(8), 0.0

        def heard() -> bool:
            nonlocal due_s
            if time.monotonic() >= due_s:  # again: a connection that was cut has forgotten it
                self._client.publish(_JUDGE, word, qos=1)
                due_s = time.monotonic() + _AGAIN_S
            if self.fault is not None:
                raise self.fault
            return word in self._seen

        wait_for(heard, "the judge has heard all receipts")

    def forget(self) -> None:
        """The store was set back: from now on a receipt may say less than an earlier one."""
        self._seen.clear()

    def _take(self, _client: Client, _told: Any, message: MQTTMessage) -> None:
        self._came.put((message.topic, bytes(message.payload)))

    def _run(self) -> None:
        try:
            self._hold_all()
        except Exception as error:  # noqa: BLE001 - shown to whoever waits
            self.fault = error

    def _hold_all(self) -> None:
        connection: psycopg.Connection | None = None
        while not self._over.is_set():
            with suppress(queue.Empty):
                topic, payload = self._came.get(timeout=0.2)
                text = payload.decode()
                if topic == _JUDGE:
                    self._seen.add(text)
                    continue
                self.checked += 1
                while f"{topic} {text}" not in self._seen and not self._over.is_set():
                    try:
                        connection = connection or psycopg.connect(
                            self._database, autocommit=True, connect_timeout=5
                        )
                        self._hold(connection, topic, text)
                    except (
                        psycopg.OperationalError
                    ):  # it was stopped: what it had committed will be there
                        connection = None
                        self._over.wait(0.1)
        if connection is not None:
            connection.close()

    def _hold(self, connection: psycopg.Connection, topic: str, text: str) -> None:
        told = json.loads(text)
        tenant, device = topic.split("/")[-3:-1]
        claimed = [(1, told.get("contiguous_through", 0)), *told.get("ranges", [])]
        given: dict[str, Any] = {"tenant": tenant, "device": device, "epoch": told["epoch"]}
        given |= {"first": [first for first, _ in claimed], "last": [last for _, last in claimed]}
        for first, last in connection.execute(_AHEAD, given).fetchall():
            self.ahead.append(f"{device} {told['epoch']} {first}-{last}")
        self._seen.add(f"{topic} {text}")
