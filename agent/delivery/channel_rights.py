"""Which MQTT channels have been shown to work, by publishing and receiving on them.

A broker may grant subscriptions that it never serves, and accept clients that it then lets publish nothing.
What counts is the PUBACK for the last message published, and that a message was received.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.protocol.topics import channel_of

if TYPE_CHECKING:
    from datetime import datetime

    from drivers.clock import Clock


class ChannelRights:
    """The state of each channel. Written by the uplink's thread, read from any.

    Args:
        clock: For the time of the last message.

    Attributes:
        codes: The reason code of the last PUBACK, by channel: ``events``, ``state``, ``answers``,
            ``pictures``.
        heard: When a message last came, by channel: ``receipts``, ``commands``.
        deaf: Why the broker refused a subscription; None if it did not, or a message came since.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.codes: dict[str, int] = {}
        self.heard: dict[str, datetime] = {}
        self.deaf: str | None = None

    def answered(self, topic: str, code: int) -> None:
        """Note the broker's reason code for a publish on a channel."""
        self.codes[channel_of(topic)] = code

    def hear(self, topic: str) -> None:
        """Note that a message came on a channel."""
        self.heard[channel_of(topic)] = self._clock.now()
        self.deaf = None
