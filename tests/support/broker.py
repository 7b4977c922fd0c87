"""A real Mosquitto on loopback, with TLS and client certificates made for the occasion."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.config.schema import Uplink as UplinkSettings
from agent.delivery.mqtt_connection import Secured
from agent.protocol.downlink import Answer
from agent.protocol.events import Event, Message
from provisioning.demo.consumer import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import BaseModel

PREFIX, TENANT, DEVICE = "kerbwatch/v1", "city", "corner-1"
PORTS = 12_000, 32_000
EVENTS, STATE = f"{PREFIX}/{TENANT}/{DEVICE}/events", f"{PREFIX}/{TENANT}/{DEVICE}/state"


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate_file = folder / "ca.pem"
        self.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        *,
        server: bool = False,
        days: float = 1,
        host: str = "localhost",
        in_days: float = -3,
    ) -> tuple[Path, Path]:
        """Make a certificate for so many days, valid in so many, and its key; returns the two files."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), days, in_days).add_extension(
            x509.ExtendedKeyUsage([purpose]), critical=False
        )
        if server:
            names: list[x509.GeneralName] = [x509.DNSName(host)]
            if host == "localhost":
                names.append(x509.IPAddress(IPv4Address("127.0.0.1")))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate_file, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate = builder.sign(self._key, hashes.SHA256())
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate_file, key_file

    def _builder(
        self,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        days: float = 1,
        in_days: float = -3,
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        ours = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=in_days))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        )


class Broker:
    """One Mosquitto: started, stopped, killed and started again on the same port."""

    def __init__(self, program: str, folder: Path, *options: str, tls: bool = True) -> None:
        self._program, self._folder, self.tls = program, folder, tls
        self.authority = Authority(folder / "pki", "Test CA")
        self.port = free_port()
        certificate_file, key_file = self.authority.issue("broker", server=True)
        self.device_files = self.authority.issue(DEVICE)
        self._platform_files = self.authority.issue("platform")
        self._configuration = folder / "mosquitto.conf"
        secured = [
            f"cafile {self.authority.certificate_file}",
            f"certfile {certificate_file}",
            f"keyfile {key_file}",
            "require_certificate true",
            "use_identity_as_username true",
        ]
        lines = [
            f"listener {self.port} 127.0.0.1",
            *(secured if tls else ["allow_anonymous true"]),
            "user root",
            "persistence true",
            f"persistence_location {folder}/",
            # 0 would be "no limit", but then 2.0.11 drops whom it has refused a publish.
            "max_queued_messages 1000000",
            *options,
        ]
        self._configuration.write_text("\n".join(lines) + "\n", encoding="ascii")
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._running = subprocess.Popen(
                [self._program, "-c", self._configuration], stdout=log, stderr=log
            )
        wait_until(self._listens)

    def stop(self) -> None:
        """End it in order: it keeps what it has acknowledged."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.send_signal(number)

    def log(self) -> str:
        return (self._folder / "mosquitto.log").read_text(encoding="utf-8")

    def settings(self, **changes: Any) -> UplinkSettings:
        """What a device needs to reach it; impatient, so that the tests are not long."""
        certificate_file, key_file = self.device_files
        values: dict[str, Any] = {
            "topic_prefix": PREFIX,
            "reconnect_max_s": 0.2,
            "connect_timeout_s": 5,
        }
        if self.tls:
            values |= {
                "broker": f"mqtts://127.0.0.1:{self.port}",
                "ca_file": self.authority.certificate_file,
                "certificate_file": certificate_file,
                "key_file": key_file,
            }
        else:
            values |= {"broker": f"mqtt://127.0.0.1:{self.port}", "username": DEVICE}
        return UplinkSettings.model_validate(values | changes)

    def platform(self, name: str = "platform", *, lasting: bool = False) -> Platform:
        """A subscriber to everything; ``lasting``: its session outlives its connection."""
        return Platform(self, name, self._platform_files, lasting=lasting)

    def _end(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.send_signal(number)
            self._running.wait(10)
            self._running = None

    def _listens(self) -> bool:
        assert self._running is not None
        assert self._running.poll() is None, self.log()
        return listens(self.port)


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

    def settings(self, **changes: Any) -> UplinkSettings:
        port = self._server.getsockname()[1]
        values = {"broker": f"mqtt://127.0.0.1:{port}", "reconnect_max_s": 0.2}
        return UplinkSettings.model_validate(values | changes)

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


@dataclass(frozen=True)
class Received:
    """One publish as the platform got it."""

    topic: str
    payload: bytes
    retained: bool
    content_type: str | None


@dataclass
class Platform:
    """The other end: keeps what it receives, in order."""

    broker: Broker
    name: str
    files: tuple[Path, Path]
    lasting: bool = False
    received: list[Received] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._subscribed = threading.Event()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, self.name, protocol=MQTTProtocolVersion.MQTTv5
        )
        client.reconnect_delay_set(1, 1)
        client.username_pw_set(self.name)
        if self.broker.tls:
            context = ssl.create_default_context(cafile=self.broker.authority.certificate_file)
            context.load_cert_chain(*self.files)
            context.sslsocket_class = Secured  # a broker that dies in the handshake leaks nothing
            client.tls_set_context(context)
        client.on_connect = lambda c, *_: c.subscribe(f"{PREFIX}/#", qos=1)
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = lambda _c, _u, message: self.received.append(
            Received(
                message.topic,
                bytes(message.payload),
                message.retain,
                getattr(message.properties, "ContentType", None),
            )
        )
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600 if self.lasting else 0
        client.connect(
            "127.0.0.1", self.broker.port, clean_start=not self.lasting, properties=session
        )
        client.loop_start()
        assert self._subscribed.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, channel: str, told: BaseModel | str | bytes, *, retain: bool = False) -> None:
        """Publish on a channel of the device's; it is on its way when this returns."""
        text = told if isinstance(told, str | bytes) else told.model_dump_json()
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/{channel}"
        self._client.publish(topic, text, qos=1, retain=retain).wait_for_publish(10)

    def say_at_once(self, channel: str, told: Sequence[str]) -> None:
        """Publish one after the other without waiting; all are with the broker when this returns."""
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/{channel}"
        for each in [self._client.publish(topic, text, qos=1) for text in told]:
            each.wait_for_publish(30)

    def answers(self) -> list[Answer]:
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/answers"
        return [
            Answer.model_validate_json(o.payload) for o in list(self.received) if o.topic == topic
        ]

    @property
    def messages(self) -> list[Message]:
        return [
            Message.model_validate_json(unpacked(one.payload))
            for one in list(self.received)
            if one.topic == EVENTS
        ]

    @property
    def events(self) -> list[Event]:
        return [event for message in self.messages for event in message.events]

    def sequences(self, event_type: str = "case.opened") -> list[int]:
        """What arrived of the type, in the order of its first arrival."""
        return list(dict.fromkeys(e.sequence for e in self.events if e.type == event_type))


def wait_until(condition: Callable[[], object], timeout_s: float = 90) -> None:
    """Wait for something that is bound to happen; how long it takes decides nothing."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def mosquitto() -> str:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("no mosquitto here; ./check installs it (apt package mosquitto)")
    return program


@pytest.fixture
def start_broker(mosquitto: str, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Start a broker with further lines of configuration, or without TLS."""
    brokers: list[Broker] = []

    def start(*options: str, tls: bool = True) -> Broker:
        broker = Broker(mosquitto, tmp_path / f"broker-{len(brokers)}", *options, tls=tls)
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.kill()


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker()


def free_port() -> int:
    """One that nobody listens on, below those that the kernel gives to who connects.

    Who tries again and again to reach a port of that range on loopback is once given the very port as
    his own, is connected with himself, and the broker cannot listen there any more.
    """
    while True:
        with (
            suppress(OSError),
            socket.create_server(("127.0.0.1", random.randint(*PORTS))) as server,
        ):
            return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections on loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
