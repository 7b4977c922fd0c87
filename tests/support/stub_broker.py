"""A broker that is none: it answers as a test says, and counts what is under way."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from agent.config.schema import UplinkSection
from agent.protocol.events import Message
from provisioning.demo.consumer import unpacked
from tests.support.topics import DEVICE, PREFIX, TENANT

if TYPE_CHECKING:
    from collections.abc import Callable


class StubBroker:
    """Speaks just enough MQTT 5 to answer as it is told, and counts what is under way.

    It answers only when nothing more has come for a moment, so that what a client is ready to
    have under way is seen.

    Args:
        answer: Gives the reason code for a payload; None: it says nothing.
        greets: Says whether it answers the next CONNECT.
        receive_maximum: As in its CONNACK.
        hangs_up: After a refusal, and without a word to what came after it.
        refuses_to_tell: Each subscription.
        tells: Raw bytes that it sends after each subscription, as :func:`published` makes them.
        limits: Further properties of its CONNACK, as they stand on the wire.

    Attributes:
        ended_with: The reason code of each DISCONNECT that it was told.
        retained: Of each state that it was told, whether it was to keep it.
    """

    def __init__(
        self,
        answer: Callable[[bytes], int | None] = lambda _: 0,
        *,
        greets: Callable[[], bool] = lambda: True,
        receive_maximum: int = 65_535,
        hangs_up: bool = False,
        refuses_to_tell: bool = False,
        tells: bytes = b"",
        limits: bytes = b"",
    ) -> None:
        self._limits = limits
        self.ended_with: list[int] = []
        self.retained: list[bool] = []
        self._refuses, self._tells = refuses_to_tell, tells
        self._answer, self._receive_maximum = answer, receive_maximum
        self._hangs_up, self._greets = hangs_up, greets
        self.connections: list[None] = []
        self.subscribed = 0
        self.cases: list[int] = []
        self.most_under_way = self.most_bytes_under_way = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def settings(self, **changes: Any) -> UplinkSection:
        port = self._server.getsockname()[1]
        values = {"broker": f"mqtt://127.0.0.1:{port}", "reconnect_max_s": 0.2}
        return UplinkSection.model_validate(values | changes)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):  # the end of the test
            while True:
                client, _ = self._server.accept()
                self.connections.append(None)
                with client, suppress(ConnectionError):
                    client.settimeout(0.02)
                    self._converse(client)

    def _converse(self, client: socket.socket) -> None:
        unanswered: list[tuple[bytes, bytes]] = []
        buffer = bytearray()
        while True:
            try:
                arrived = client.recv(65_536)
            except TimeoutError:
                for packet_id, payload in unanswered:
                    code = self._answer(unpacked(payload))
                    if code is None:
                        continue
                    client.sendall(b"\x40\x04" + packet_id + bytes([code, 0]))
                    if code and self._hangs_up:
                        return
                unanswered.clear()
                continue
            if not arrived:
                return
            buffer += arrived
            while packet := _cut_packet(buffer):
                kind, body = packet
                self._let_in(client, kind, body)
                if kind >> 4 == 3:
                    if b"/state" in body:
                        self.retained.append(bool(kind & 1))
                    unanswered.append(self._note(body))
                    self.most_under_way = max(self.most_under_way, len(unanswered))
                    under_way_bytes = sum(len(payload) for _, payload in unanswered)
                    self.most_bytes_under_way = max(self.most_bytes_under_way, under_way_bytes)

    def _let_in(self, client: socket.socket, kind: int, body: bytes) -> None:
        if kind >> 4 == 1 and self._greets():
            properties = b"\x21" + self._receive_maximum.to_bytes(2) + self._limits
            body = b"\0\0" + bytes([len(properties)]) + properties
            client.sendall(b"\x20" + bytes([len(body)]) + body)
        if kind >> 4 == 14:
            self.ended_with.append(body[0] if body else 0)
        if kind >> 4 == 8:
            self.subscribed += 1
            if self._refuses:
                client.sendall(b"\x90\x05" + body[:2] + b"\0\x87\x87")
            client.sendall(self._tells)

    def _note(self, body: bytes) -> tuple[bytes, bytes]:
        topic_end = 2 + int.from_bytes(body[:2])
        packet_id = body[topic_end : topic_end + 2]
        payload = body[topic_end + 3 + body[topic_end + 2] :]
        if body[2:topic_end].endswith(b"/events"):
            message = Message.model_validate_json(unpacked(payload))
            self.cases += [e.sequence for e in message.events if e.type == "case.opened"]
        return packet_id, payload


def published(channel: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bytes:
    """A PUBLISH of MQTT 5 on a channel of the device's, as a broker sends it."""
    topic = f"{PREFIX}/{TENANT}/{DEVICE}/{channel}".encode()
    packet_id = b"\0\x01" if qos else b""
    body = len(topic).to_bytes(2) + topic + packet_id + b"\0" + payload
    return bytes([0x30 | qos << 1 | retained]) + variable_length(len(body)) + body


def variable_length(length: int) -> bytes:
    """A length as MQTT writes it (MQTT 5, 1.5.5)."""
    written = bytearray()
    while True:
        length, low = divmod(length, 128)
        written.append(low | (0x80 if length else 0))
        if not length:
            return bytes(written)


def _cut_packet(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take the first whole packet: its first byte, and what follows its length."""
    length, shift = 0, 0
    for index, byte in enumerate(buffer[1:5], start=1):
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            end = index + 1 + length
            if len(buffer) < end:
                return None
            packet = buffer[0], bytes(buffer[index + 1 : end])
            del buffer[:end]
            return packet
    return None
