"""One MQTT 5 connection, from CONNECT to its end, driven by the thread that owns it.

paho-mqtt does the protocol and nothing else: no thread of its own, no queue, no reconnecting.
Each connection is a fresh client, because a paho client that reconnects forgets the broker's
limits and keeps the old certificate. Its callbacks only queue what comes: an exception there
would end the loop silently, and a lock there would deadlock with ``publish``.
"""

from __future__ import annotations

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
from agent.delivery.link_errors import (
    NO_QOS,
    Complaints,
    LinkError,
    Secured,
    in_words,
    refused,
    stays_here,
    told_to_go,
)
from agent.delivery.packet_limits import (
    LARGEST_PACKET_BYTES,
    BrokenRuleError,
    PacketLimits,
    StrictClient,
)
from agent.delivery.reason_codes import know_every_code
from agent.delivery.received_messages import MAX_DELIVERIES, ReceivedMessages
from agent.identity import client_certificate, server_trust
from agent.identity.credentials import CredentialsError
from agent.identity.credentials import read as read_credentials
from wording.messages import said, text_of

if TYPE_CHECKING:
    from agent.config.schema import UplinkSection
    from agent.delivery.received_messages import Delivery

_LOST = said("connection lost")
_FIXED_HEADER_BYTES, _LENGTH_BYTES, _PACKET_ID_BYTES = 5, 2, 2
_PROPERTY_HEAD_BYTES = 5
"""Of one more property of any length: what it is, how long it is, and by how much that prolongs the length of all."""

_MIN_PACKET_BYTES = 2048
"""A broker that takes less would have us put almost every event aside."""
_MAX_REFUSALS = 8

know_every_code()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in the broker's CONNACK; ``retains``: whether it supports retained messages."""

    receive_maximum: int
    packet_bytes: int | None
    retains: bool = True


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
        self.acknowledged: deque[Acknowledgement] = deque()
        self._received = ReceivedMessages()
        self.refused_topics: deque[str] = deque(maxlen=_MAX_REFUSALS)
        self.limits = Limits(receive_maximum=0, packet_bytes=None)
        self._complaints = Complaints()
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
        self._raw = _PackedOnce(PacketTypes.PUBLISH, ContentType="application/octet-stream")

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
        client.on_message = lambda _c, _u, message: self._received.take(message)
        client.on_subscribe = lambda _c, _u, _mid, codes, _properties: self.refused_topics.extend(
            str(code) if code.is_failure else "only with QoS 0, asked for was 1"
            for code in codes
            if code.value != 1
        )
        client.on_disconnect = lambda _c, _u, flags, code, _properties: self._ended.append(
            told_to_go(code)
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
            raise LinkError(refusal or in_words(error)) from error
        while not self._accepted:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise LinkError(said("the broker does not answer the connect request"))
            self.turn(left_s)
        code, properties = self._accepted.popleft()
        if code.is_failure:
            raise refused(code)
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
        raw: bool = False,
        correlation: bytes | None = None,
    ) -> int:
        """Send with QoS 1.

        Args:
            topic: Where to.
            payload: JSON, JSON packed with gzip, or bytes.
            retain: Whether the broker retains it for later subscribers.
            packed: Whether the content type says gzip.
            raw: Whether it says that these are bytes.
            correlation: Of the message that this answers.

        Returns:
            The packet identifier, which appears in :attr:`acknowledged` later.

        Raises:
            LinkError: The connection was lost.
        """
        content = self._raw if raw else self._packed if packed else self._plain
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
        if self._received.broken is not None:
            self._hang_up(self._received.broken)
        if writable:
            self._client.loop_write()
        self._client.loop_misc()
        if self._client.socket() is None:
            raise self._lost()

    def next_delivery(self) -> Delivery | None:
        """The next message received; acknowledges it, so that the broker may send another one."""
        delivery = self._received.next()
        if delivery is not None and delivery.packet_id:
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
                ReceiveMaximum=MAX_DELIVERIES,
                MaximumPacketSize=LARGEST_PACKET_BYTES,
            ),
        )
        channel = cast("socket.socket", self._client.socket())
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if settings.password_file is not None and credentials.context is None:
            stays_here(channel.getpeername()[0])
        # A half-open link is found by the kernel before the keep-alive finds it.
        timeout_ms = int(settings.acknowledge_timeout_s * 1000)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

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
            return refused(self._accepted[0][0])
        ended = self._ended[0] if self._ended else LinkError(_LOST, unexplained=True)
        reason, unexplained = ended.reason, ended.unexplained
        complaint = self._complaints.last
        if not complaint:
            return ended
        if refusal := client_certificate.refusal(complaint, self._settings):
            return LinkError(refusal)
        told = said("{reason}: {complaint}", reason=reason, complaint=complaint)
        return LinkError(told, unexplained=unexplained)


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
        raise LinkError(NO_QOS)
    if limits.packet_bytes is not None and limits.packet_bytes < _MIN_PACKET_BYTES:
        raise LinkError(
            said(
                "the broker takes packets of {bytes} bytes at most; set it to {least} or more",
                bytes=limits.packet_bytes,
                least=_MIN_PACKET_BYTES,
            )
        )
    return limits
