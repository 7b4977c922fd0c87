"""MQTT 5: shared subscriptions with lasting sessions, acknowledged by hand after the commit (Mosquitto, EMQX).

Each connection is a client of its own. What an earlier one brought is acknowledged on that one, which is closed: it
can hit no other message, and comes again.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
from typing import TYPE_CHECKING, Any, cast

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.contract.reach import place
from kerbwatch_platform.transports.interface import LARGEST_BYTES, WINDOW, Delivery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paho.mqtt.reasoncodes import ReasonCode

CHANNELS = ("events", "pictures/#", "answers", "state")
SESSION_S = 7 * 24 * 3600
"""How long a broker keeps what is due to a worker that stays away."""
AGAIN_S = (0.5, 10.0)
"""Between one connection and the next: anything in between, so that workers do not come all at once."""
_KEEP_ALIVE_S = 30
_log = logging.getLogger(__name__)


class MqttTransport:
    """A worker's session on a broker: ``transports.Transport``."""

    def __init__(self, url: str, share: str, prefix: str, name: str) -> None:
        """Connect by itself from now on.

        Raises:
            ValueError: The URL is none of a broker's, or a file of it cannot be used.
        """
        self._url, self._name = url, name
        self._topics = [(f"$share/{share}/{prefix}/+/+/{channel}", 1) for channel in CHANNELS]
        self._came: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._client, self._host, self._port = self._fresh()
        self._thread = threading.Thread(target=self._run, name=f"mqtt {name}", daemon=True)
        self._thread.start()

    def receive(self, most: int, wait_s: float) -> list[Delivery]:
        """What has come: ``Transport.receive``."""
        found: list[Delivery] = []
        try:
            found.append(self._came.get(timeout=wait_s))
            while len(found) < most:
                found.append(self._came.get_nowait())
        except queue.Empty:
            pass
        return found

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge, each on the connection that brought it."""
        for delivery in deliveries:
            client, number = _known_by(delivery)
            client.ack(number, 1)

    def reject(self, delivery: Delivery) -> None:
        """Acknowledge it: MQTT has no dead letters."""
        self.settle([delivery])

    def publish(self, topic: str, payload: bytes, *, expiry_s: int | None = None) -> bool:
        """Send with QoS 1, if there is a connection."""
        client = self._client
        if not client.is_connected():
            return False
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if expiry_s is not None:
            properties.MessageExpiryInterval = max(1, expiry_s)
        return client.publish(topic, payload, qos=1, properties=properties).rc == MQTT_ERR_SUCCESS

    def dead_letters(self, most: int) -> list[Delivery]:  # noqa: ARG002
        """None: a broker delivers until it is acknowledged."""
        return []

    def close(self) -> None:
        """End the connection; the session lasts."""
        self._closing.set()
        self._client.disconnect()
        self._thread.join()

    def _fresh(self) -> tuple[Client, str, int]:
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._name,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        host, port = place(client, self._url, self._name)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = lambda _client, _told, message: self._take(client, message)
        return client, host, port

    def _run(self) -> None:
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = SESSION_S
        lasting.ReceiveMaximum = WINDOW
        lasting.MaximumPacketSize = LARGEST_BYTES
        while not self._closing.is_set():
            try:
                self._client.connect(
                    self._host, self._port, _KEEP_ALIVE_S, clean_start=False, properties=lasting
                )
                if self._closing.is_set():  # what close() told came before there was a connection
                    self._client.disconnect()
                self._client.loop_forever()
            except Exception as error:  # noqa: BLE001 - whatever a network does costs one connection
                _log.warning("%s: %s:%d: %r", self._name, self._host, self._port, error)
            if not self._closing.is_set():
                self._closing.wait(random.uniform(*AGAIN_S))  # noqa: S311 - no secret
                self._client, self._host, self._port = self._fresh()

    def _connected(
        self, client: Client, _told: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            _log.warning("%s: the broker refuses it: %s", self._name, reason)
        else:  # each time: Mosquitto forgets a shared subscription when it starts again
            client.subscribe(self._topics)

    def _subscribed(
        self, _client: Client, _told: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        for (topic, _), reason in zip(self._topics, reasons, strict=False):
            if reason.is_failure:
                _log.error("%s: it may not subscribe to %s: %s", self._name, topic, reason)

    def _take(self, client: Client, message: MQTTMessage) -> None:
        if message.qos == 0:  # nothing to acknowledge: a device sends none of these
            return
        told = Message(message.topic, bytes(message.payload))
        self._came.put(Delivery(told, (client, message.mid), again=message.dup))


def _known_by(delivery: Delivery) -> tuple[Client, int]:
    return cast("tuple[Client, int]", delivery.token)
