"""Limits on MQTT packets from the broker, checked by each packet's header before its body is read.

paho-mqtt announces a Maximum Packet Size but then reads packets of any size into memory, and stores messages
with QoS 2 until they are released.
"""

from __future__ import annotations

from paho.mqtt.client import Client

from wording.messages import said

LARGEST_PACKET_BYTES = 65_536
"""What we announce, and hold the broker to."""

MALFORMED, PROTOCOL_ERROR, RECEIVE_MAXIMUM_EXCEEDED, TOO_LARGE = 0x81, 0x82, 0x93, 0x95
"""Reason codes of the DISCONNECT that tells the broker why (MQTT 5, 3.14.2.1)."""

_CONNACK, _PUBLISH = 2, 3
_FROM_BROKERS = frozenset({_CONNACK, _PUBLISH, 4, 9, 11, 13, 14})
"""CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT. What belongs to QoS 2 or to an
authentication that we never began is none of them."""
_MAX_LENGTH_BYTES = 4


class BrokenRuleError(Exception):
    """The broker broke the protocol; the connection has to end.

    Attributes:
        code: The reason code for the DISCONNECT.
        reason: In words.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class PacketLimits:
    """Parses the headers of one connection's incoming packets."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._body_bytes = 0
        """What is still to come of the packet that has begun."""
        self._accepted = False

    def take(self, arrived: bytes) -> None:
        """Check the next bytes received.

        Raises:
            BrokenRuleError: A packet has begun that is not allowed.
        """
        at = 0
        while at < len(arrived):
            skipped = min(self._body_bytes, len(arrived) - at)
            self._body_bytes -= skipped
            at += skipped
            if at < len(arrived):
                self._take_head(arrived[at])
                at += 1

    def _take_head(self, byte: int) -> None:
        if not self._head:
            self._judge_kind(byte)
        self._head.append(byte)
        if len(self._head) == 1:
            return
        if len(self._head) > 1 + _MAX_LENGTH_BYTES:
            raise BrokenRuleError(MALFORMED, said("the broker sent something that is not MQTT"))
        if byte & 0x80:
            return
        length = sum((each & 0x7F) << 7 * place for place, each in enumerate(self._head[1:]))
        if len(self._head) + length > LARGEST_PACKET_BYTES:
            raise BrokenRuleError(
                TOO_LARGE,
                said(
                    "the broker sent a packet of {bytes} bytes, though at most {most} were asked for",
                    bytes=len(self._head) + length,
                    most=LARGEST_PACKET_BYTES,
                ),
            )
        self._body_bytes = length
        self._head.clear()

    def _judge_kind(self, first: int) -> None:
        kind, qos = first >> 4, first >> 1 & 3
        if kind not in _FROM_BROKERS or (kind == _CONNACK and self._accepted):
            reason = said("the broker sent a packet that it may not send here: {kind}", kind=kind)
            raise BrokenRuleError(PROTOCOL_ERROR, reason)
        if kind == _PUBLISH and qos > 1:
            reason = said("the broker sent a message with QoS {qos}, asked for was 1", qos=qos)
            raise BrokenRuleError(PROTOCOL_ERROR, reason)
        self._accepted = self._accepted or kind == _CONNACK


class StrictClient(Client):
    """A paho client that enforces :class:`PacketLimits`; for one connection."""

    framing: PacketLimits

    def _sock_recv(self, bufsize: int) -> bytes:
        """Everything that paho reads passes here; a packet's header comes byte by byte."""
        arrived = super()._sock_recv(bufsize)
        self.framing.take(arrived)
        return arrived
