"""What the platform has sent, until it is asked for: within the Receive Maximum that we announce."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.delivery.packet_limits import (
    LARGEST_PACKET_BYTES,
    MALFORMED,
    RECEIVE_MAXIMUM_EXCEEDED,
    BrokenRuleError,
)
from wording.messages import said

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

MAX_DELIVERIES = 64
"""What the platform may send us at once; the broker keeps the rest until we have read these."""
_MAX_WAITING_BYTES = MAX_DELIVERIES * LARGEST_PACKET_BYTES
_DELIVERY_BYTES = 1024
"""What one is reckoned at beside its payload: so a few thousand small ones may wait, and 4 MiB in all.
Mosquitto 2.0 counts the acknowledgement of what *we* publish as one of what it sent us, and so sends more
than 64 at once to a device that answers: that is no reason to hang up."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message received from the platform; untrusted until validated.

    ``retained``: the broker had stored it, for an unknown time. ``packet_id`` is 0 where the
    broker expects no acknowledgement. ``correlation`` is whatever the sender wants to have again with the
    answer (MQTT 5, 3.3.2.3.6).
    """

    topic: str
    payload: bytes
    retained: bool = False
    packet_id: int = 0
    correlation: bytes | None = None


class ReceivedMessages:
    """One connection's received messages, the oldest first. For one thread.

    Attributes:
        broken: The rule that the broker broke last; the connection has to end. None: none.
    """

    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self.broken: BrokenRuleError | None = None

    def take(self, message: MQTTMessage) -> None:
        """Queue a received message until it is asked for, within our Receive Maximum."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            text = said("the broker sent something that is not MQTT")
            self.broken = BrokenRuleError(MALFORMED, text)
            return
        cost = _cost_bytes(message.payload, getattr(message.properties, "CorrelationData", None))
        if message.qos == 0 and len(self._waiting) >= MAX_DELIVERIES:
            return  # the broker waits for nothing, and the message may get lost
        if self._waiting_bytes + cost <= _MAX_WAITING_BYTES:
            self._waiting_bytes += cost
            packet_id = message.mid if message.qos else 0
            self._waiting.append(
                Delivery(
                    topic,
                    bytes(message.payload),
                    message.retain,
                    packet_id,
                    getattr(message.properties, "CorrelationData", None),
                )
            )
        else:
            text = said("the broker sent more at once than was allowed")
            self.broken = BrokenRuleError(RECEIVE_MAXIMUM_EXCEEDED, text)

    def next(self) -> Delivery | None:
        """Take the oldest message out; None: there is none."""
        if not self._waiting:
            return None
        delivery = self._waiting.popleft()
        self._waiting_bytes -= _cost_bytes(delivery.payload, delivery.correlation)
        return delivery


def _cost_bytes(payload: bytes | bytearray, correlation: bytes | None) -> int:
    return _DELIVERY_BYTES + len(payload) + len(correlation or b"")
