"""What the broker and the platform have shown of each channel: the only proof of a right is its use.

A broker grants subscriptions that it never serves, and lets in whom it then lets say nothing. What counts is
the answer to the last thing that was really published, and that something really came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from drivers.clock import Clock


class Channels:
    """For the uplink's thread; read from any other.

    Args:
        clock: Says when something came.

    Attributes:
        codes: The reason code of the last PUBACK, by channel: ``events``, ``state``, ``answers``.
        heard: When something last came, by channel: ``receipts``, ``commands``.
        deaf: Why the broker refused a subscription; None if it did not, or something came since.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.codes: dict[str, int] = {}
        self.heard: dict[str, datetime] = {}
        self.deaf: str | None = None

    def answered(self, topic: str, code: int) -> None:
        """The broker has answered to what was published there."""
        self.codes[_channel(topic)] = code

    def hear(self, topic: str) -> None:
        """Something has come there, whatever it was."""
        self.heard[_channel(topic)] = self._clock.now()
        self.deaf = None


def _channel(topic: str) -> str:
    return topic.rpartition("/")[2]
