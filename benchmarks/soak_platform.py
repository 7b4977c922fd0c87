"""The platform of the soak: stores each event once, says by receipts what it has, counts the rest."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.protocol.downlink import Receipt
from agent.protocol.events import Message
from agent.protocol.signed import report_of
from provisioning.demo.consumer import unpacked
from tests.support.topics import DEVICE, EVENTS, PREFIX, TENANT

if TYPE_CHECKING:
    from agent.protocol.events import Event
    from tests.support.broker import Broker

NAME = "soak-platform"
RECEIPT_EVERY_S = 0.2
RECEIPTS = f"{PREFIX}/{TENANT}/{DEVICE}/receipts"


class SoakPlatform:
    """Subscribes with a lasting session; holds ids and numbers, never the events themselves."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lock = threading.Lock()
        self._ids: set[bytes] = set()
        self._stored: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._types: Counter[str] = Counter()
        self.duplicates = self.named_lost = 0
        self.invalid: list[str] = []
        self._over = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, NAME, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._teller = threading.Thread(target=self._tell_on, daemon=True)

    def __enter__(self) -> Self:
        certificate, key = self._broker.authority.issue(NAME)
        client = self._client
        client.reconnect_delay_set(1, 1)
        client.tls_set(str(self._broker.authority.certificate_file), str(certificate), str(key))
        client.on_connect = lambda c, *_: c.subscribe(EVENTS, qos=1)
        client.on_message = self._take
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 86_400
        client.connect("127.0.0.1", self._broker.port, clean_start=False, properties=lasting)
        client.loop_start()
        self._teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._teller.join()
        self._client.disconnect()
        self._client.loop_stop()

    def count(self, event_type: str) -> int:
        """How many events of a type came, each counted once."""
        return self._types[event_type]

    @property
    def events(self) -> int:
        return self._types.total()

    def missing(self, epoch: str, through: int) -> set[int]:
        """Numbers of an epoch that neither came nor were named in a loss report."""
        with self._lock:
            there = [set(range(first, last + 1)) for first, last in self._stored[epoch]]
        return set(range(1, through + 1)).difference(*there)

    def _take(self, _client: Client, _: Any, arrived: MQTTMessage) -> None:
        try:
            message = Message.model_validate_json(unpacked(bytes(arrived.payload)))
        except ValueError as error:
            self.invalid.append(str(error))
            return
        with self._lock:
            for event in message.events:
                self._store(event)

    def _store(self, event: Event) -> None:
        known = bytes.fromhex(event.event_id.replace("-", ""))
        if known in self._ids:
            self.duplicates += 1
            return
        self._ids.add(known)
        self._types[event.type] += 1
        self._settle(event.epoch, event.sequence, event.sequence)
        if event.type == "device.loss":
            for each in report_of(event).losses:
                for first, last in each.ranges:
                    self.named_lost += last - first + 1
                    self._settle(each.epoch, first, last)

    def _settle(self, epoch: str, first: int, last: int) -> None:
        """Add a range to those of the epoch; ranges that touch or overlap become one."""
        merged: list[tuple[int, int]] = []
        for begin, end in sorted([*self._stored[epoch], (first, last)]):
            if merged and begin <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        self._stored[epoch] = merged

    def _tell_on(self) -> None:
        told: dict[str, Receipt] = {}
        while not self._over.wait(RECEIPT_EVERY_S):
            with self._lock:
                receipts = {epoch: _receipt(epoch, spans) for epoch, spans in self._stored.items()}
            if not self._client.is_connected():
                told.clear()  # who came back may have lost what was said
                continue
            for epoch, receipt in receipts.items():
                if told.get(epoch) != receipt:
                    self._client.publish(RECEIPTS, receipt.model_dump_json(), qos=1)
                    told[epoch] = receipt


def _receipt(epoch: str, spans: list[tuple[int, int]]) -> Receipt:
    through = spans[0][1] if spans and spans[0][0] == 1 else 0
    further = [span for span in spans if span[0] > max(1, through)]
    return Receipt(epoch=epoch, contiguous_through=through, ranges=tuple(further[:1000]))
