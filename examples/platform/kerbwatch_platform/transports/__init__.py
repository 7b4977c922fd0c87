"""How messages come and go: MQTT 5 shared subscriptions, or AMQP 0-9-1; behind one interface."""

from __future__ import annotations

from kerbwatch_platform.transports.interface import LARGEST_BYTES, WINDOW, Delivery, Transport
from kerbwatch_platform.transports.opening import EXPECTED, open_replay, open_transport

__all__ = [
    "EXPECTED",
    "LARGEST_BYTES",
    "WINDOW",
    "Delivery",
    "Transport",
    "open_replay",
    "open_transport",
]
