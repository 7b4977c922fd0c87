"""One MQTT 5 connection, from CONNECT to its end, driven by the thread that owns it.

paho-mqtt does the protocol and nothing else: no thread of its own, no queue, no reconnecting.
Each connection is a fresh client, because a paho client that reconnects forgets the broker's
limits and keeps the old certificate. Its callbacks only append to a deque: an exception there
would end the loop silently, and a lock there would deadlock with ``publish``.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.config.broker_address import host_and_port
from agent.delivery.packet_limits import (
    LARGEST_PACKET_BYTES,
    MALFORMED,
    RECEIVE_MAXIMUM_EXCEEDED,
    BrokenRuleError,
    PacketLimits,
    StrictClient,
)
from agent.delivery.reason_codes import know_every_code
from agent.identity import client_certificate, server_trust
from agent.identity.credentials import CredentialsError
from agent.identity.credentials import read as read_credentials
from drivers.network import is_loopback
from wording.harmless import harmless
from wording.known_errors import reason_of, recognised
from wording.messages import said, text_of

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from agent.config.schema import UplinkSection

_LOST = said("connection lost")
_NO_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_EOF_WHILE_READING"}
_OLD_TLS = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"}
"""Reasons of OpenSSL why a handshake fails."""
_FIXED_HEADER_BYTES, _LENGTH_BYTES, _PACKET_ID_BYTES = 5, 2, 2
_PROPERTY_HEAD_BYTES = 5
"""Of one more property of any length: what it is, how long it is, and by how much that prolongs the length of all."""

_MAX_DELIVERIES = 64
"""What the platform may send us at once; the broker keeps the rest until we have read these."""
_MAX_WAITING_BYTES = _MAX_DELIVERIES * LARGEST_PACKET_BYTES
_DELIVERY_BYTES = 1024
"""What one is reckoned at beside its payload: so a few thousand small ones may wait, and 4 MiB in all.
Mosquitto 2.0 counts the acknowledgement of what *we* publish as one of what it sent us, and so sends more
than 64 at once to a device that answers: that is no reason to hang up."""
_MIN_PACKET_BYTES = 2048
"""A broker that takes less would have us put almost every event aside."""
_MAX_REFUSALS = 8
_QOS_NOT_SUPPORTED, _RETAIN_NOT_SUPPORTED = 0x9B, 0x9A

know_every_code()


class LinkError(ConnectionError):
    """There is no connection, or it was lost.

    Attributes:
        reason: In words, escaped; holds no secret.
        unexplained: It was open, and ended without a reason from the broker.
    """

    def __init__(self, reason: str, *, unexplained: bool = False) -> None:
        self.reason, self.unexplained = harmless(reason), unexplained
        super().__init__(self.reason)


class NoRetainError(LinkError):
    """The broker does not support retained messages, and refuses a will that asks for one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in the broker's CONNACK; ``retains``: whether it supports retained messages."""

    receive_maximum: int
    packet_bytes: int | None
    retains: bool = True


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


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The broker's PUBACK for one publish."""

    packet_id: int
    code: int
    text: str


class Wake:
    """Wakes the thread that owns a connection, from any other."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def set(self) -> None:
        with suppress(OSError):  # full: it is set already; closed: nobody waits
            self._writer.send(b"!")

    def clear(self) -> None:
        with suppress(OSError):
            while self._reader.recv(4096):
                pass

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class Connection:
    """One connection to the broker. Open it, call ``turn``, close it; all in one thread.

    Args:
        settings: The broker's address and our credentials; certificates and password are
            read again here, so that a rotated one is used from the next connection on.
        client_id: The MQTT client identifier.
        will: Topic and payload that the broker publishes if the connection is lost.
        retain: Whether the will is retained.
    """

    def __init__(
        self,
        settings: UplinkSection,
        *,
        client_id: str,
        will: tuple[str, bytes],
        retain: bool = True,
    ) -> None:
        self._settings = settings
        self.address = host_and_port(settings.broker or "")
        self._accepted: deque[tuple[ReasonCode, Properties]] = deque()
        self._ended: deque[LinkError] = deque()
        self._broken_rules: deque[BrokenRuleError] = deque(maxlen=1)
        self.acknowledged: deque[Acknowledgement] = deque()
        self._received: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self.refused_topics: deque[str] = deque(maxlen=_MAX_REFUSALS)
        self.limits = Limits(receive_maximum=0, packet_bytes=None)
        self._complaints = _Complaints()
        self._client = client = StrictClient(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        client.framing = PacketLimits()
        client.max_inflight_messages_set(0)  # the window is ours
        client.enable_logger(self._complaints.logger)
        client.will_set(
            will[0],
            will[1],
            qos=1,
            retain=retain,
            properties=_PackedOnce(PacketTypes.WILLMESSAGE, WillDelayInterval=0),
        )
        self._take_what_comes(client)
        self._plain = _PackedOnce(PacketTypes.PUBLISH, ContentType="application/json")
        self._packed = _PackedOnce(PacketTypes.PUBLISH, ContentType="application/gzip")

    def _take_what_comes(self, client: StrictClient) -> None:
        """Put what paho calls back with into queues, to be read after the turn."""
        # With this set, paho writes in our turns only. There we read first: the answers of a
        # broker that hung up are lost once a write has failed.
        client.on_socket_register_write = lambda *_: None
        client.on_connect = lambda _c, _u, _flags, code, properties: self._accepted.append(
            (code, cast("Properties", properties))
        )
        client.on_publish = lambda _c, _u, packet_id, code, _properties: self.acknowledged.append(
            Acknowledgement(packet_id, code.value, str(code))
        )
        client.on_message = lambda _c, _u, message: self._take(message)
        client.on_subscribe = lambda _c, _u, _mid, codes, _properties: self.refused_topics.extend(
            str(code) if code.is_failure else "only with QoS 0, asked for was 1"
            for code in codes
            if code.value != 1
        )
        client.on_disconnect = lambda _c, _u, flags, code, _properties: self._ended.append(
            _told_to_go(code)
            if flags.is_disconnect_packet_from_server
            else LinkError(_LOST, unexplained=True)
        )

    def open(self) -> None:
        """Connect and wait for the broker's CONNACK.

        Raises:
            LinkError: It cannot be reached, is not trusted, refuses, does not answer, or its limits are too low.
        """
        deadline_s = time.monotonic() + self._settings.connect_timeout_s
        try:
            self._connect()
        except ssl.SSLCertVerificationError as error:
            raise LinkError(server_trust.in_words(error, self._settings, *self.address)) from error
        except CredentialsError as error:
            raise LinkError(text_of(error)) from error
        except (OSError, ValueError) as error:
            refusal = client_certificate.refusal(str(error), self._settings)
            raise LinkError(refusal or _in_words(error)) from error
        while not self._accepted:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise LinkError(said("the broker does not answer the connect request"))
            self.turn(left_s)
        code, properties = self._accepted.popleft()
        if code.is_failure:
            raise _refused(code)
        self.limits = _limits(properties)

    def subscribe(self, *topics: str) -> None:
        """Subscribe to the platform's channels; a refusal is found in :attr:`refused_topics`.

        Raises:
            LinkError: The connection was lost.
        """
        now_only = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        code, _ = self._client.subscribe([(topic, now_only) for topic in topics])
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._lost()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        packed: bool = False,
        correlation: bytes | None = None,
    ) -> int:
        """Send with QoS 1.

        Args:
            topic: Where to.
            payload: JSON, or JSON packed with gzip.
            retain: Whether the broker retains it for later subscribers.
            packed: Whether the content type says gzip.
            correlation: Of the message that this answers.

        Returns:
            The packet identifier, which appears in :attr:`acknowledged` later.

        Raises:
            LinkError: The connection was lost.
        """
        content = self._packed if packed else self._plain
        if correlation is not None:
            content = _PackedOnce(
                PacketTypes.PUBLISH, ContentType="application/json", CorrelationData=correlation
            )
        sent = self._client.publish(topic, payload, qos=1, retain=retain, properties=content)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._lost()
        return sent.mid

    def packet_bytes(self, topic: str, payload: bytes, correlation: bytes | None = None) -> int:
        """Maximum size of a publish on the wire in bytes, without TLS."""
        properties_bytes = len(self._plain.pack())
        if correlation is not None:
            properties_bytes += _PROPERTY_HEAD_BYTES + len(correlation)
        head = _FIXED_HEADER_BYTES + _LENGTH_BYTES + len(topic.encode()) + _PACKET_ID_BYTES
        return int(head + properties_bytes + len(payload))

    def turn(self, timeout_s: float, wake: Wake | None = None) -> None:
        """Wait until there is something to read or write, or until woken; then read and write.

        Raises:
            LinkError: The connection was lost, or the broker broke the protocol.
        """
        channel = self._client.socket()
        if channel is None:
            raise self._lost()
        # TLS may have decrypted more than paho has read: select would not see that.
        if isinstance(channel, ssl.SSLSocket) and channel.pending():
            timeout_s = 0
        writers = [channel] if self._client.want_write() else []
        readers: list[Any] = [channel] if wake is None else [channel, wake]
        readable, writable, _ = select.select(readers, writers, [], timeout_s)
        if wake is not None and wake in readable:
            wake.clear()
        try:
            self._client.loop_read()
        except BrokenRuleError as error:
            self._hang_up(error)
        if self._broken_rules:
            self._hang_up(self._broken_rules[0])
        if writable:
            self._client.loop_write()
        self._client.loop_misc()
        if self._client.socket() is None:
            raise self._lost()

    def next_delivery(self) -> Delivery | None:
        """The next message received; acknowledges it, so that the broker may send another one."""
        if not self._received:
            return None
        delivery = self._received.popleft()
        self._waiting_bytes -= _cost_bytes(delivery.payload, delivery.correlation)
        if delivery.packet_id:
            self._client.ack(delivery.packet_id, 1)
        return delivery

    def say_goodbye(self, timeout_s: float) -> None:
        """End the connection so that the broker does not publish the will."""
        deadline_s = time.monotonic() + timeout_s
        self._client.disconnect()
        with suppress(LinkError):
            while time.monotonic() < deadline_s:
                self.turn(deadline_s - time.monotonic())

    def close(self) -> None:
        """Close the socket; unacknowledged messages may or may not have arrived."""
        channel = self._client.socket()
        if channel is not None:
            channel.close()

    def _connect(self) -> None:
        settings = self._settings
        credentials = read_credentials(settings)
        if credentials.context is not None:
            credentials.context.sslsocket_class = Secured
            self._client.tls_set_context(credentials.context)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, credentials.password)
        self._client.connect_timeout = settings.connect_timeout_s
        self._client.connect(
            *self.address,
            keepalive=settings.keepalive_s,
            clean_start=True,
            properties=_PackedOnce(
                PacketTypes.CONNECT,
                SessionExpiryInterval=0,
                ReceiveMaximum=_MAX_DELIVERIES,
                MaximumPacketSize=LARGEST_PACKET_BYTES,
            ),
        )
        channel = cast("socket.socket", self._client.socket())
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if settings.password_file is not None and credentials.context is None:
            _stays_here(channel.getpeername()[0])
        # A half-open link is found by the kernel before the keep-alive finds it.
        timeout_ms = int(settings.acknowledge_timeout_s * 1000)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

    def _take(self, message: MQTTMessage) -> None:
        """Queue a received message until it is asked for, within our Receive Maximum."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            text = said("the broker sent something that is not MQTT")
            self._broken_rules.append(BrokenRuleError(MALFORMED, text))
            return
        cost = _cost_bytes(message.payload, getattr(message.properties, "CorrelationData", None))
        if message.qos == 0 and len(self._received) >= _MAX_DELIVERIES:
            return  # the broker waits for nothing, and the message may get lost
        if self._waiting_bytes + cost <= _MAX_WAITING_BYTES:
            self._waiting_bytes += cost
            packet_id = message.mid if message.qos else 0
            self._received.append(
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
            self._broken_rules.append(BrokenRuleError(RECEIVE_MAXIMUM_EXCEEDED, text))

    def _hang_up(self, broken: BrokenRuleError) -> NoReturn:
        """Send the broker a DISCONNECT with the reason, if possible, and end the connection.

        Raises:
            LinkError: Always.
        """
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=broken.code))
        self._client.loop_write()
        self.close()
        raise LinkError(broken.reason) from broken

    def _lost(self) -> LinkError:
        if self._accepted and self._accepted[0][0].is_failure:
            return _refused(self._accepted[0][0])
        ended = self._ended[0] if self._ended else LinkError(_LOST, unexplained=True)
        reason, unexplained = ended.reason, ended.unexplained
        complaint = self._complaints.last
        if not complaint:
            return ended
        if refusal := client_certificate.refusal(complaint, self._settings):
            return LinkError(refusal)
        told = said("{reason}: {complaint}", reason=reason, complaint=complaint)
        return LinkError(told, unexplained=unexplained)


def _cost_bytes(payload: bytes | bytearray, correlation: bytes | None) -> int:
    return _DELIVERY_BYTES + len(payload) + len(correlation or b"")


class NoHandshakeError(ConnectionError):
    """The other side did not answer with TLS."""


class Secured(ssl.SSLSocket):
    """A TLS socket that is closed when the handshake fails; paho would leave it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError as error:
            self.close()
            if isinstance(error, ConnectionError) or getattr(error, "reason", None) in _NO_TLS:
                raise NoHandshakeError(*error.args) from error
            raise


class _Complaints(logging.Handler):
    """Keeps paho's last log message: paho logs why a socket failed, but tells its caller only that it did."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        # In no tree of loggers: it lives as long as its connection.
        self.logger = logging.Logger("paho", logging.WARNING)  # noqa: LOG001
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


class _PackedOnce(Properties):
    """Properties packed once; paho would pack them for each packet, a seventh of its time."""

    _on_the_wire: bytes

    def __init__(self, packet_type: int, **values: int | str | bytes) -> None:
        super().__init__(packet_type)  # type: ignore[no-untyped-call]
        for name, value in values.items():
            setattr(self, name, value)
        packed = super().pack()  # type: ignore[no-untyped-call]
        object.__setattr__(self, "_on_the_wire", packed)  # paho's own takes only names it knows

    def pack(self) -> bytes:
        return self._on_the_wire


_NO_QOS = said(
    "the broker acknowledges no messages (its Maximum QoS is 0); choose one that takes QoS 1"
)


def _stays_here(address: str) -> None:
    """Refuse to send a password unencrypted to another host, whatever the broker's name resolves to.

    Raises:
        LinkError: It would be sent. Nothing has been sent yet: paho writes only in ``turn``.
    """
    if not is_loopback(address):
        text = said("the password would be sent to {host} unencrypted; use mqtts://", host=address)
        raise LinkError(text)


def _limits(properties: Properties) -> Limits:
    """Read the broker's limits from its CONNACK.

    Raises:
        LinkError: They are too low to deliver anything safely.
    """
    limits = Limits(
        receive_maximum=getattr(properties, "ReceiveMaximum", 65_535),
        packet_bytes=getattr(properties, "MaximumPacketSize", None),
        retains=getattr(properties, "RetainAvailable", 1) == 1,
    )
    if getattr(properties, "MaximumQoS", 1) < 1:
        raise LinkError(_NO_QOS)
    if limits.packet_bytes is not None and limits.packet_bytes < _MIN_PACKET_BYTES:
        raise LinkError(
            said(
                "the broker takes packets of {bytes} bytes at most; set it to {least} or more",
                bytes=limits.packet_bytes,
                least=_MIN_PACKET_BYTES,
            )
        )
    return limits


def _told_to_go(code: ReasonCode) -> LinkError:
    kind = NoRetainError if code.value == _RETAIN_NOT_SUPPORTED else LinkError
    return kind(said("the broker ended the connection: {reason}", reason=recognised(str(code))))


def _refused(code: ReasonCode) -> LinkError:
    if code.value == _QOS_NOT_SUPPORTED:
        return LinkError(_NO_QOS)
    reason = recognised(str(code))
    if code.value == _RETAIN_NOT_SUPPORTED:
        return NoRetainError(said("the broker refuses the connection: {reason}", reason=reason))
    return LinkError(said("the broker refuses the connection: {reason}", reason=reason))


def _in_words(error: Exception) -> str:
    reason = reason_of(error)
    if isinstance(error, NoHandshakeError):
        return said(
            "the broker ended the connection before TLS began ({reason}): TLS may not be enabled "
            "at this port; correct it in broker (usually 8883 for mqtts://, 1883 for mqtt://)",
            reason=reason,
        )
    if isinstance(error, ssl.SSLError) and error.reason in _OLD_TLS:
        return said(
            "the broker does not support TLS 1.2 or newer: update its software or its settings"
        )
    if isinstance(error, socket.gaierror):
        return said("the broker's name cannot be resolved: {reason}", reason=reason)
    return said("the broker cannot be reached: {reason}", reason=reason)
