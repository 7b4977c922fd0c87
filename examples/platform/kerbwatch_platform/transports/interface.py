"""What a worker needs of a broker, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kerbwatch_platform.contract.message import Message

WINDOW = 200
"""Messages that a broker has under way to one worker, at most: all that comes again if the worker dies."""
LARGEST_BYTES = 1_000_000
"""Of one message as it travels; a device sends at most 65,536. What is larger never reaches a worker over MQTT."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, until it is settled.

    Attributes:
        message: What came, and on which topic.
        token: What the transport knows it by: on the connection that brought it, and on no other.
        again: Whether the broker says that it may have been delivered before.
        size_bytes: Of its payload.
    """

    message: Message
    token: object = field(repr=False)
    again: bool = False

    @property
    def size_bytes(self) -> int:
        """Of its payload."""
        return len(self.message.payload)


class Transport(Protocol):
    """A connection to a broker, made again by itself whenever it is lost.

    What was delivered and not settled comes again after a lost connection, to this worker or to another. Every
    method may be called at any time, connected or not; none may be called from two threads at once.
    """

    def receive(self, most: int, wait_s: float) -> list[Delivery]:
        """At most so many messages of those that have come; waits so long for the first of them."""

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Tell the broker that these are done with: call it after the commit. Those of an earlier connection are left out."""

    def reject(self, delivery: Delivery) -> None:
        """Be rid of one that was put aside elsewhere: into the dead letters where the broker has them."""

    def publish(self, topic: str, payload: bytes, *, expiry_s: int | None = None) -> bool:
        """Send to a device; whether it was given to a broker that is connected, which is no proof that it arrives.

        Args:
            topic: In MQTT's form, with slashes.
            payload: What to send.
            expiry_s: When the broker shall forget it, from now.
        """

    def dead_letters(self, most: int) -> list[Delivery]:
        """What the broker has given up delivering; settled like all else. Always empty where it gives up nothing."""

    def close(self) -> None:
        """End the connection in order; what is not settled comes again."""
