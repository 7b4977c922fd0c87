"""The MQTT channels between device and platform: one row each, and their topics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

ChannelName = Literal["events", "state", "receipts", "commands", "answers"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel.

    Attributes:
        name: The topic's last level.
        sent: Whether the device publishes on it; else it subscribes to it.
        retain: Whether the broker keeps the last message.
        description: For the contract.
        schema: The name of the messages' schema.
        title: What one message is.
        examples: How the names of its examples begin.
    """

    name: ChannelName
    sent: bool
    retain: bool
    description: str
    schema: str
    title: str
    examples: str


CHANNELS: tuple[Channel, ...] = (
    Channel(
        "events",
        sent=True,
        retain=False,
        description="Cases and the device's own news, each with a sequence number.",
        schema="message",
        title="Events, oldest first",
        examples="message-",
    ),
    Channel(
        "state",
        sent=True,
        retain=True,
        description="Whether the device is connected. Retained; also the will.",
        schema="device-state",
        title="The device's state",
        examples="state-",
    ),
    Channel(
        "receipts",
        sent=False,
        retain=False,
        description="What the platform has stored for good.",
        schema="receipt",
        title="A receipt",
        examples="receipt",
    ),
    Channel(
        "commands",
        sent=False,
        retain=False,
        description="What the platform asks of the device.",
        schema="command",
        title="A command",
        examples="command-",
    ),
    Channel(
        "answers",
        sent=True,
        retain=False,
        description="What became of a command.",
        schema="answer",
        title="An answer",
        examples="answer",
    ),
)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device: ``{prefix}/{tenant}/{device_id}/{channel}``.

    Attributes:
        prefix: As the site has it, such as ``kerbwatch/v2``.
        tenant: Whose device it is.
        device_id: The device.
    """

    prefix: str
    tenant: str
    device_id: str

    def of(self, channel: ChannelName) -> str:
        """The topic of one channel."""
        return f"{self.prefix}/{self.tenant}/{self.device_id}/{channel}"

    @classmethod
    def pattern(cls, version: int) -> Self:
        """As the contract writes them, with parameters for tenant and device."""
        return cls(f"kerbwatch/v{version}", "{tenant}", "{device}")
