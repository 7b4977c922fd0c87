"""What came lately, once more, from the stream: after a backup was restored, or a reader learnt to read more."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.transports import topology
from kerbwatch_platform.transports.amqp import SWAPPED, AmqpTransport
from kerbwatch_platform.transports.interface import WINDOW, Delivery

if TYPE_CHECKING:
    from collections.abc import Iterable

_AGE = re.compile(r"[1-9][0-9]{0,5}[YMDhms]")
OFFSETS = "first, an age such as 12h or 3D, or a time such as 2026-01-01T02:00:00+08:00"


class ReplayTransport(AmqpTransport):
    """Reads the stream from a time on until where it ended when the reading began.

    Settled is what the reader is done with: after a lost connection it goes on behind that. Nothing is taken out of
    the stream, so several may read it, each all of it.
    """

    def __init__(self, url: str, share: str, prefix: str, offset: str) -> None:
        """Connect by itself from now on.

        Raises:
            ValueError: ``offset`` is none of ``OFFSETS``, or the URL is none of a broker's.
        """
        self._from: str | int | datetime = offset_of(offset)
        self._end = uuid.uuid4().hex
        self._marked = self._finished = False
        super().__init__(url, share, prefix, f"{share}-replay-{self._end[:8]}")

    @property
    def is_finished(self) -> bool:
        """Whether all was received that was there when the reading began."""
        return self._finished and self._came.empty()

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Done with these: a new connection goes on behind them."""
        told = list(deliveries)
        for delivery in told:
            token: Any = delivery.token
            self._from = token[3] + 1
        super().settle(told)

    def reject(self, delivery: Delivery) -> None:
        """As settled: a stream has no dead letters."""
        self.settle([delivery])

    def dead_letters(self, most: int) -> list[Delivery]:  # noqa: ARG002
        """None: workers look after them."""
        return []

    def _prepared(self, connection: Any) -> Any:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=WINDOW)

        def take(_channel: Any, how: Any, more: Any, body: bytes) -> None:
            if how.exchange == topology.mark(self._share):
                self._finished |= body == self._end.encode()
                channel.basic_ack(how.delivery_tag)
                return
            message = Message(how.routing_key.translate(SWAPPED), body)
            token = connection, channel, how.delivery_tag, more.headers["x-stream-offset"]
            self._came.put(Delivery(message, token))

        told = {"x-stream-offset": self._from}
        channel.basic_consume(topology.stream(self._share), take, arguments=told)
        if not self._marked:  # once: a second one would move the end
            channel.confirm_delivery()
            channel.basic_publish(
                topology.mark(self._share), "", self._end.encode(), mandatory=True
            )
            self._marked = True
        return channel


def offset_of(told: str) -> str | datetime:
    """Where to begin, in the broker's terms.

    Raises:
        ValueError: It is none of ``OFFSETS``.
    """
    if told == "first" or _AGE.fullmatch(told):
        return told
    try:
        at = datetime.fromisoformat(told)
    except ValueError as error:
        raise ValueError(f"{told[:40]!r}: expected is {OFFSETS}") from error
    if at.tzinfo is None:
        raise ValueError(f"{told[:40]!r}: a time needs its offset from UTC; expected is {OFFSETS}")
    return at
