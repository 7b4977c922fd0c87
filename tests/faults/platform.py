"""The judge: a platform that stores on disk under its key, says what it has, and counts."""

from __future__ import annotations

import queue
import random
import sqlite3
import threading
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.protocol.downlink import Receipt
from agent.protocol.events import CaseEvent, LossEvent, Message
from agent.protocol.signed import report_of
from provisioning.demo.consumer import unpacked
from tests.support.topics import PREFIX
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pydantic import BaseModel

    from agent.protocol.events import Event

COMMIT_EVERY_S = 0.05
ENDS = frozenset({"case.cleared", "case.withdrawn"})
_MAX_RANGES = 1000
_TABLES = """
CREATE TABLE IF NOT EXISTS events (device TEXT, epoch TEXT, sequence INTEGER, event_id TEXT,
  type TEXT, PRIMARY KEY (device, epoch, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS losses (device TEXT, epoch TEXT, first INTEGER, last INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the platform has, for a fault's outcome."""

    lost: int
    unexplained_gaps: int
    duplicates: int
    conflicts: int


class Storing:
    """Subscribes with a session that outlives its connection; acknowledges after its commit.

    Use as a context; it may be entered again on the same folder.

    Args:
        folder: Its database goes here.
        port: The broker's, without TLS.
        receipts: Whether it says what it has stored.
        losing: The share of what comes that it loses before its commit.
        silent: The share of its receipts that get lost.
        die: For what it loses.
        login: Its name and password, for a broker that asks.
    """

    commit_every_s, most_at_once = COMMIT_EVERY_S, 1_000_000
    """So often it stores, and so many messages at a time."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        receipts: bool = True,
        losing: float = 0.0,
        silent: float = 0.0,
        die: random.Random | None = None,
        login: tuple[str, str | None] = ("platform", None),
    ) -> None:
        self._login = login
        self._path, self._port, self._receipts = folder / "platform.db", port, receipts
        self._losing, self._silent, self._die = losing, silent, die or random.Random()
        self._came: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._stored: dict[tuple[str, str], dict[int, str]] = {}
        self._named: dict[tuple[str, str], set[int]] = {}
        self._ids: set[str] = set()
        self._conflicting: dict[tuple[str, str], dict[int, str]] = {}
        """Ids that came under the number of another event: each must come again under its own."""
        self._opened: dict[tuple[str, str], dict[str, str]] = {}
        """(place, kind) → each case that was told of there → the last that was told of it."""
        self.types: Counter[str] = Counter()
        """How many different events of each type are stored."""
        self.duplicates = 0
        self.fault: BaseException | None = None

    def __enter__(self) -> Self:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.executescript(f"PRAGMA journal_mode = WAL; {_TABLES}")
        subscribed = threading.Event()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            "platform",
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        client.username_pw_set(*self._login)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda c, *_: c.subscribe(f"{PREFIX}/+/+/events", qos=1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = lambda _c, _u, message: self._came.put(message)
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", self._port, clean_start=False, properties=lasting)
        client.loop_start()
        if not subscribed.wait(PATIENCE_S):
            raise RuntimeError("the platform could not subscribe")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, device: str, channel: str, told: BaseModel | str | bytes) -> None:
        """Publish on a channel of a device's (``tenant/device``)."""
        text = told if isinstance(told, str | bytes) else told.model_dump_json()
        self._client.publish(f"{PREFIX}/{device}/{channel}", text, qos=1)

    @property
    def ids(self) -> set[str]:
        """The ids of all events that are stored."""
        with self._lock:
            return set(self._ids)

    def has(self, accepted: Collection[str]) -> bool:
        """Whether every event of these ids is stored."""
        if self.fault:
            raise self.fault
        with self._lock:
            return self._ids.issuperset(accepted)

    def ledger(self, moved: Mapping[tuple[str, int], str] = MappingProxyType({})) -> Ledger:
        """Every number up to the highest that came must be here, or named.

        Args:
            moved: (epoch, number) → event, of what waited when its epoch ended: it comes under
                another number, with the same ``event_id``.
        """
        lost = gaps = 0
        with self._lock:
            for key in self._stored.keys() | self._named.keys():
                stored, named = self._stored.get(key, {}), self._named.get(key, set())
                highest = max(stored, default=0)
                missing = set(range(1, highest + 1)) - stored.keys() - named
                lost += len(named - stored.keys())
                gaps += sum(moved.get((key[1], each)) not in self._ids for each in missing)
            conflicts = sum(len(self._in_conflict(key)) for key in self._conflicting)
            return Ledger(lost, gaps, self.duplicates, conflicts)

    def named(self, epoch: str) -> set[int]:
        """Which numbers of an epoch loss reports have named."""
        with self._lock:
            return {n for (_, of), numbers in self._named.items() if of == epoch for n in numbers}

    def cases(self, place_id: str) -> dict[str, str]:
        """Each case that was told of at a place of this device, and the last that was told of it."""
        with self._lock:
            told = [
                cases
                for (place, _), cases in self._opened.items()
                if place.endswith(f".{place_id}")
            ]
            return {case_id: last for cases in told for case_id, last in cases.items()}

    def double_cases(self, without: Collection[str] = ()) -> int:
        """How many more than one are open of one place and kind, some cases left out."""
        with self._lock:
            still_open = (
                sum(last not in ENDS for each, last in cases.items() if each not in without)
                for cases in self._opened.values()
            )
            return sum(max(0, count - 1) for count in still_open)

    def _run(self) -> None:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                while not self._stop.wait(self.commit_every_s):
                    if messages := self._waiting():
                        self._take(connection, messages)
        except BaseException as error:  # noqa: BLE001 - shown to whoever asks what is stored
            self.fault = error

    def _waiting(self) -> list[MQTTMessage]:
        messages: list[MQTTMessage] = []
        with suppress(queue.Empty):
            while len(messages) < self.most_at_once:
                messages.append(self._came.get_nowait())
        return messages

    def _take(self, connection: sqlite3.Connection, messages: list[MQTTMessage]) -> None:
        connection.execute("BEGIN")
        with self._lock:
            for message in messages:
                if self._die.random() >= self._losing:
                    for event in Message.model_validate_json(
                        unpacked(bytes(message.payload))
                    ).events:
                        self._store(connection, event)
        connection.execute("COMMIT")
        for message in messages:
            self._client.ack(message.mid, message.qos)
        if self._receipts:
            self.tell()

    def _store(self, connection: sqlite3.Connection, event: Event) -> None:
        device = f"{event.tenant}/{event.device_id}"
        stored = self._stored.setdefault((device, event.epoch), {})
        known = stored.setdefault(event.sequence, event.event_id)
        if known == event.event_id:
            self.types[event.type] += known not in self._ids
            self._ids.add(known)
        else:
            numbers = self._conflicting.setdefault((device, event.epoch), {})
            numbers[event.sequence] = event.event_id
        inserted = connection.execute(
            "INSERT OR IGNORE INTO events (device, epoch, sequence, event_id, type)"
            " VALUES (?, ?, ?, ?, ?)",
            (device, event.epoch, event.sequence, event.event_id, event.type),
        ).rowcount
        self.duplicates += not inserted and known == event.event_id
        if isinstance(event, CaseEvent):
            self._note_case(event)
        if isinstance(event, LossEvent):
            for loss in report_of(event).losses:
                named = self._named.setdefault((device, loss.epoch), set())
                for first, last in loss.ranges:
                    named.update(range(first, last + 1))

    def _note_case(self, event: CaseEvent) -> None:
        """Live events overtake the backlog: what clears a case may come before what opened it."""
        place = event.body.place.place_id, event.body.kind
        cases = self._opened.setdefault(place, {})
        if cases.get(event.body.case_id) not in ENDS:
            cases[event.body.case_id] = event.type

    def receipts(self) -> list[tuple[str, Receipt]]:
        """For each device's epoch, what is committed; an event named as lost counts."""
        told = []
        with self._lock:
            for key, stored in self._stored.items():
                known = sorted(stored.keys() | self._named.get(key, set()))
                spans = _spans(known)
                through = spans.pop(0)[1] if spans and spans[0][0] == 1 else 0
                conflicts = tuple(_spans(self._in_conflict(key))[:_MAX_RANGES])
                for begin in range(0, max(1, len(spans)), _MAX_RANGES):
                    receipt = Receipt(
                        epoch=key[1],
                        contiguous_through=through,
                        ranges=tuple(spans[begin : begin + _MAX_RANGES]),
                        conflicts=conflicts,
                    )
                    told.append((key[0], receipt))
        return told

    def _in_conflict(self, key: tuple[str, str]) -> list[int]:
        """Numbers of an epoch under which another event came, which is not here under its own."""
        numbers = self._conflicting.get(key, {})
        return sorted(number for number, each in numbers.items() if each not in self._ids)

    def tell(self) -> None:
        """Send every receipt."""
        for device, receipt in self.receipts():
            if self._die.random() >= self._silent:
                self.say(device, "receipts", receipt)


def _spans(numbers: list[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for each in numbers:
        if spans and each == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], each
        else:
            spans.append((each, each))
    return spans
