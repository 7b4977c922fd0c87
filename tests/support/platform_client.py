"""The platform's end of a broker: it keeps what it receives."""

from __future__ import annotations

import functools
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.delivery.link_errors import Secured
from agent.protocol.commands import Answer
from agent.protocol.events import DeviceState, Event, Message
from provisioning.demo.consumer import unpacked
from tests.support.topics import DEVICE, EVENTS, PREFIX, STATE, TENANT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from tests.support.broker import Broker


@dataclass(frozen=True)
class Received:
    """One publish as the platform got it."""

    topic: str
    payload: bytes
    retained: bool
    content_type: str | None
    correlation: bytes | None = None


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
                getattr(message.properties, "CorrelationData", None),
            )
        )
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600 if self.lasting else 0
        client.connect(
            "127.0.0.1", self.broker.port, clean_start=not self.lasting, properties=session
        )
        client.loop_start()
        assert self._subscribed.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(
        self,
        channel: str,
        told: BaseModel | str | bytes,
        *,
        retain: bool = False,
        correlation: bytes | None = None,
    ) -> None:
        """Publish on a channel of the device's; it is on its way when this returns."""
        text = told if isinstance(told, str | bytes) else told.model_dump_json()
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/{channel}"
        more = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if correlation is not None:
            more.CorrelationData = correlation
        self._client.publish(topic, text, qos=1, retain=retain, properties=more).wait_for_publish(
            60
        )

    def say_at_once(self, channel: str, told: Sequence[str]) -> None:
        """Publish one after the other without waiting; all are with the broker when this returns."""
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/{channel}"
        for each in [self._client.publish(topic, text, qos=1) for text in told]:
            each.wait_for_publish(60)

    def answers(self) -> list[Answer]:
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/answers"
        return [
            Answer.model_validate_json(o.payload) for o in list(self.received) if o.topic == topic
        ]

    def correlations(self) -> list[bytes | None]:
        """The correlation data of each answer."""
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/answers"
        return [each.correlation for each in list(self.received) if each.topic == topic]

    def states(self) -> list[DeviceState]:
        return [
            DeviceState.model_validate_json(one.payload)
            for one in list(self.received)
            if one.topic == STATE
        ]

    @property
    def messages(self) -> list[Message]:
        return [_message(one.payload) for one in list(self.received) if one.topic == EVENTS]

    @property
    def events(self) -> list[Event]:
        return [event for message in self.messages for event in message.events]

    def sequences(self, event_type: str = "case.opened") -> list[int]:
        """What arrived of the type, in the order of its first arrival."""
        return list(dict.fromkeys(e.sequence for e in self.events if e.type == event_type))


@functools.lru_cache(maxsize=10_000)
def _message(payload: bytes) -> Message:
    """Who waits for something to arrive reads all that has come again and again."""
    return Message.model_validate_json(unpacked(payload))
