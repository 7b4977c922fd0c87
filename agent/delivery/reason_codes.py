"""MQTT reason codes: what a PUBACK means for the message published."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

NO_SUBSCRIBERS = 0x10
_FAILURE = 0x80
_NOT_NOW = frozenset({0x80, 0x83, 0x87, 0x88, 0x89, 0x8B, 0x91, 0x93, 0x96, 0x97, 0x98})
"""Unspecified, implementation specific, not authorised, server unavailable, server busy, shutting
down, packet identifier in use, receive maximum exceeded, message rate too high, quota exceeded,
administrative action: these are about the broker, the connection or our rights, not about the one
message. (MQTT 5, 2.4; not all of them may stand in a PUBACK, but brokers have sent others.)"""

Meaning = Literal["taken", "not now", "refused"]


def meaning(code: int) -> Meaning:
    """What to do with a message after its PUBACK.

    A code below 0x80 that is not 0 says neither that the message was stored nor that it never will
    be (0x10: nobody subscribes); it is kept.
    """
    if code == 0:
        return "taken"
    return "not now" if code < _FAILURE or code in _NOT_NOW else "refused"


def name_of(code: int) -> str:
    """MQTT's name of a reason code, such as ``Not authorized``."""
    return next(iter(ReasonCode.names.get(code, ())), f"0x{code:02X}")


def know_every_code() -> None:
    """Make paho accept any reason code in the broker's acknowledgements.

    MQTT 5 allows few codes for each packet, but brokers use others (Mosquitto answers a publish beyond
    its ``message_size_limit`` with 0x95). paho raises on those: it would disconnect, connect, send the
    same again, and so on endlessly.
    """
    packets = (PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.SUBACK, PacketTypes.DISCONNECT)
    known = {code: dict(names) for code, names in ReasonCode.names.items()}
    for code in range(256):
        names = known.setdefault(code, {})
        for packet in packets:
            if not any(packet in foreseen for foreseen in names.values()):
                name = next(iter(names), f"Unknown reason 0x{code:02X}")
                names[name] = [*names.get(name, ()), packet]
    ReasonCode.names = MappingProxyType(known)
