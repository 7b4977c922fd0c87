"""A client of a broker whose session outlives its connection."""

from __future__ import annotations

from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.waiting import wait_until


class LastingClient:
    """What it got, and what it was granted."""

    def __init__(self, port: int, name: str, login: tuple[str, str | None]) -> None:
        self.got: list[str] = []
        self.granted: list[bool] = []
        self._port, self._name, self._login = port, name, login

    def connect(self) -> None:
        self.client = Client(
            CallbackAPIVersion.VERSION2, self._name, protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.username_pw_set(*self._login)
        self.client.on_message = lambda _c, _u, message: self.got.append(message.payload.decode())
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.granted.extend(
            not code.is_failure for code in codes
        )
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        self.client.connect("127.0.0.1", self._port, clean_start=False, properties=lasting)
        self.client.loop_start()
        wait_until(self.client.is_connected)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def listen(self, topic: str) -> None:
        before = len(self.granted)
        self.client.subscribe(topic, qos=1)
        wait_until(lambda: len(self.granted) > before)

    def tell(self, topic: str, text: str, **more: Any) -> None:
        self.client.publish(topic, text, qos=1, **more).wait_for_publish(60)
