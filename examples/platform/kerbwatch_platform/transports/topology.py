"""The queues of a platform on RabbitMQ: what `examples/brokers/rabbitmq-platform.json` declares, declared by a worker.

All names begin with the group's, so that one pattern gives its user the rights to them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pika.exceptions import ChannelClosedByBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXCHANGE = "amq.topic"
"""Where RabbitMQ's MQTT publishes."""
DELIVERIES = 20
"""Workers that may die with a message before the queue gives it up, into the dead letters. RabbitMQ 4 has the same
limit where none is told, and then throws the message away."""
REPLAY_AGE, REPLAY_BYTES = "7D", 20_000_000_000
"""How long the stream keeps what came, and how much of it on each node at most."""
KEYS = ("events", "answers", "state", "pictures.#")
_REPLAYED = ("events", "pictures.#")


def events(share: str) -> str:
    """The queue that workers take from."""
    return f"{share}-events"


def dead(share: str) -> str:
    """The queue of what was given up, and the exchange before it."""
    return f"{share}-dead"


def stream(share: str) -> str:
    """The stream of what came lately, acknowledged or not."""
    return f"{share}-replay"


def mark(share: str) -> str:
    """The exchange by which a replay finds the end of the stream."""
    return f"{share}-mark"


def arguments(share: str) -> dict[str, dict[str, Any]]:
    """Each queue's arguments.

    Dead letters are moved at least once: they are in the second queue before the first forgets them.
    """
    given_up = {
        "x-delivery-limit": DELIVERIES,
        "x-dead-letter-exchange": dead(share),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    kept = {"x-max-age": REPLAY_AGE, "x-max-length-bytes": REPLAY_BYTES}
    return {
        events(share): {"x-queue-type": "quorum"} | given_up,
        dead(share): {"x-queue-type": "quorum", "x-delivery-limit": -1},
        stream(share): {"x-queue-type": "stream"} | kept,
    }


def bindings(share: str, prefix: str) -> list[tuple[str, str, str]]:
    """(exchange, queue, key) of each."""
    base = prefix.replace("/", ".")
    taken = [(EXCHANGE, events(share), f"{base}.*.*.{key}") for key in KEYS]
    kept = [(EXCHANGE, stream(share), f"{base}.*.*.{key}") for key in _REPLAYED]
    return [*taken, *kept, (dead(share), dead(share), ""), (mark(share), stream(share), "")]


def declare(connection: Any, share: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Declare all of it; gives what the broker would not have, and why.

    A refusal closes a channel and nothing else: an administrator may have declared it in another way, and a worker
    may lack the right to.
    """
    steps: list[tuple[str, Callable[[Any], object]]] = [
        (name, functools.partial(_exchange, name)) for name in (dead(share), mark(share))
    ]
    steps += [
        (name, functools.partial(_queue, name, told)) for name, told in arguments(share).items()
    ]
    steps += [
        (f"{exchange} → {queue} ({key})", functools.partial(_binding, exchange, queue, key))
        for exchange, queue, key in bindings(share, prefix)
    ]
    for what, step in steps:
        channel = connection.channel()
        try:
            step(channel)
        except ChannelClosedByBroker as why:
            yield what, f"{why.reply_code} {why.reply_text}"
        else:
            channel.close()


def _exchange(name: str, channel: Any) -> None:
    channel.exchange_declare(name, "fanout", durable=True)


def _queue(name: str, told: dict[str, Any], channel: Any) -> None:
    channel.queue_declare(name, durable=True, arguments=told)


def _binding(exchange: str, queue: str, key: str, channel: Any) -> None:
    channel.queue_bind(queue, exchange, key)
