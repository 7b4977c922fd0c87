"""How messages come and go: MQTT 5 shared subscriptions, or AMQP 0-9-1; behind one interface."""

from __future__ import annotations

from kerbwatch_platform.transports.interface import Delivery, Transport, TransportError
from kerbwatch_platform.transports.opening import EXPECTED, open_replay, open_transport

__all__ = ["EXPECTED", "Delivery", "Transport", "TransportError", "open_replay", "open_transport"]
