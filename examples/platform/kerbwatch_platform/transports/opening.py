"""Which transport an URL means."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kerbwatch_platform.transports.amqp import AmqpTransport
from kerbwatch_platform.transports.mqtt import MqttTransport
from kerbwatch_platform.transports.replay import ReplayTransport

if TYPE_CHECKING:
    from kerbwatch_platform.transports.interface import Transport

EXPECTED = (
    "mqtt[s]://[USER:PASSWORD@]HOST[:PORT][?ca=FILE][&certificate=FILE&key=FILE] (Mosquitto, EMQX), "
    "or amqp[s]://USER:PASSWORD@HOST[:PORT]/%2F (RabbitMQ 4)"
)


def open_transport(url: str, share: str, prefix: str, name: str) -> Transport:
    """A worker's way to and from the devices; it connects by itself, now and whenever it is cut off.

    Args:
        url: Where the broker is: ``EXPECTED``.
        share: The group of workers that take turns: of the shared subscription, or of the queue's name.
        prefix: Of all topics, such as ``kerbwatch/v2``.
        name: The worker's own and lasting: MQTT's session is known by it.

    Raises:
        ValueError: The URL says something else, or a file that it names cannot be used.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("amqp", "amqps"):
        return AmqpTransport(url, share, prefix, name)
    if scheme in ("mqtt", "mqtts"):
        return MqttTransport(url, share, prefix, name)
    raise ValueError(f"no broker: {scheme}://…; expected is {EXPECTED}")


def open_replay(url: str, share: str, prefix: str, offset: str) -> ReplayTransport:
    """What came lately, once more, from a broker that keeps it.

    Args:
        url: Where the broker is; RabbitMQ alone keeps what was acknowledged.
        share: The group of workers whose stream it is.
        prefix: Of all topics.
        offset: From when on: ``first``, an age such as ``12h``, or a time in ISO 8601 with its offset.

    Raises:
        ValueError: The broker keeps nothing, or ``offset`` is none of these.
    """
    if urlsplit(url).scheme not in ("amqp", "amqps"):
        raise ValueError(
            "this broker keeps nothing of what was acknowledged: ask the devices with a `resend`"
        )
    return ReplayTransport(url, share, prefix, offset)
