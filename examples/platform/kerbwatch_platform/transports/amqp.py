"""AMQP 0-9-1: a quorum queue on RabbitMQ 4, acknowledged by hand after the commit, with dead letters.

The connection lives in a thread of its own, so that heartbeats go while a long transaction runs. A delivery is known by
its channel: on that of an earlier connection nothing can be acknowledged, and the message comes again.
"""

from __future__ import annotations

import functools
import logging
import queue
import random
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pika
from pika.exceptions import AMQPError, ConnectionWrongStateError

from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.transports import topology
from kerbwatch_platform.transports.interface import WINDOW, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

AGAIN_S = (0.5, 10.0)
_HEARTBEAT_S = 30
_ASKED_WITHIN_S = 10.0
SWAPPED = str.maketrans("/.", "./")
"""MQTT's levels are words of the routing key; the broker writes a dot within a level as a slash."""
_log = logging.getLogger(__name__)


class AmqpTransport:
    """A worker's place at the queue: ``transports.Transport``."""

    def __init__(self, url: str, share: str, prefix: str, name: str) -> None:
        """Connect by itself from now on.

        Raises:
            ValueError: The URL is none of a broker's.
        """
        try:
            self._parameters = pika.URLParameters(url)
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError("amqp[s]://USER:PASSWORD@HOST[:PORT]/%2F is expected") from error
        self._parameters.heartbeat = _HEARTBEAT_S
        self._parameters.client_properties = {"connection_name": name}
        self._share, self._prefix, self._name = share, prefix, name
        self._came: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._link: tuple[Any, Any] | None = None
        self._thread = threading.Thread(target=self._run, name=f"amqp {name}", daemon=True)
        self._thread.start()

    def receive(self, most: int, wait_s: float) -> list[Delivery]:
        """What has come: ``Transport.receive``."""
        found: list[Delivery] = []
        with suppress(queue.Empty):
            found.append(self._came.get(timeout=wait_s))
            while len(found) < most:
                found.append(self._came.get_nowait())
        return found

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge, each on the channel that brought it."""
        self._answer(deliveries, lambda channel, tag: channel.basic_ack(tag))

    def reject(self, delivery: Delivery) -> None:
        """Into the dead letters; a worker puts them into quarantine from there."""
        self._answer([delivery], lambda channel, tag: channel.basic_reject(tag, requeue=False))

    def publish(self, topic: str, payload: bytes, *, expiry_s: int | None = None) -> bool:
        """Send to the topic's key, as a message that the broker keeps (QoS 1), if there is a connection."""
        link = self._link
        if link is None:
            return False
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            expiration=None if expiry_s is None else str(max(1, expiry_s) * 1000),
        )
        key = topic.translate(SWAPPED)
        return self._soon(
            link[0],
            functools.partial(link[1].basic_publish, topology.EXCHANGE, key, payload, properties),
        )

    def dead_letters(self, most: int) -> list[Delivery]:
        """What the queue has given up, or a worker rejected."""
        link, found = self._link, Future[list[Delivery]]()
        if link is None:
            return []
        connection, channel = link

        def look() -> None:
            found.set_result(self._dead(connection, channel, most))

        try:
            return found.result(_ASKED_WITHIN_S) if self._soon(connection, look) else []
        except TimeoutError:  # the connection was lost meanwhile
            return []

    def close(self) -> None:
        """End the connection once what was settled has been told."""
        self._closing.set()
        link = self._link
        if link is not None:
            self._soon(link[0], lambda: None)  # wakes it
        self._thread.join()

    def _answer(self, deliveries: Iterable[Delivery], told: Callable[[Any, int], object]) -> None:
        by_link: dict[Any, list[tuple[Any, int]]] = {}
        for delivery in deliveries:
            connection, channel, tag = _known_by(delivery)[:3]
            by_link.setdefault(connection, []).append((channel, tag))
        for connection, tags in by_link.items():
            self._soon(connection, functools.partial(_each, told, tags))

    def _soon(self, connection: Any, work: Callable[[], object]) -> bool:
        """Have something done by the connection's thread; whether that connection is still there."""
        try:
            connection.add_callback_threadsafe(work)
        except ConnectionWrongStateError:
            return False
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with pika.BlockingConnection(self._parameters) as connection:
                    channel = self._prepared(connection)
                    self._link = connection, channel
                    while channel.is_open and not self._closing.is_set():
                        connection.process_data_events(time_limit=1)
                    connection.process_data_events(time_limit=0)
                    if not self._closing.is_set():  # it was asked for what it is not allowed
                        _log.warning("%s: the broker has closed the channel", self._name)
            except (AMQPError, OSError) as error:
                _log.warning("%s: %r; connecting again", self._name, error)
            except Exception:  # noqa: BLE001 - whatever it is, it costs one connection
                _log.exception("%s: connecting again", self._name)
            self._link = None
            if not self._closing.is_set():
                self._closing.wait(random.uniform(*AGAIN_S))  # noqa: S311 - no secret

    def _prepared(self, connection: Any) -> Any:
        """A channel on which messages come; raises what pika raises where the queue is not there."""
        for step, why in topology.declare(connection, self._share, self._prefix):
            _log.warning("%s: not declared, taken as it is: %s: %s", self._name, step, why)
        channel = connection.channel()
        channel.basic_qos(prefetch_count=WINDOW)

        def take(_channel: Any, how: Any, _more: Any, body: bytes) -> None:
            message = Message(how.routing_key.translate(SWAPPED), body)
            token = connection, channel, how.delivery_tag
            self._came.put(Delivery(message, token, again=how.redelivered))

        channel.basic_consume(topology.events(self._share), take)
        return channel

    def _dead(self, connection: Any, channel: Any, most: int) -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < most:
            how, more, body = channel.basic_get(topology.dead(self._share))
            if how is None:
                break
            topic = _first_key(more.headers) or how.routing_key
            token = connection, channel, how.delivery_tag
            found.append(Delivery(Message(topic.translate(SWAPPED), body), token, again=True))
        return found


def _first_key(headers: dict[str, Any] | None) -> str:
    """The key that a dead letter was published with, as the broker notes it."""
    for death in (headers or {}).get("x-death") or ():
        for key in death.get("routing-keys") or ():
            return str(key)
    return ""


def _known_by(delivery: Delivery) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", delivery.token)


def _each(told: Callable[[Any, int], object], tags: list[tuple[Any, int]]) -> None:
    for channel, tag in tags:
        if channel.is_open:  # an earlier one of this connection: what it brought comes again
            told(channel, tag)
