"""The MQTT channels between device and platform: one row each, and their topics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

from agent.protocol.picture_transfer import MAX_PICTURE_BYTES, PIECE_BYTES

ChannelName = Literal["events", "state", "receipts", "commands", "answers", "pictures"]

PIECE_LEVELS_BYTES: Final = 128
"""A piece's topic is so much longer than that of the events, at most, with all else that differs."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel.

    Attributes:
        name: The topic's level behind the device's.
        sent: Whether the device publishes on it; else it subscribes to it.
        retain: Whether the broker keeps the last message.
        description: For the contract.
        schema: The name of the messages' schema; None: they are bytes, and no JSON.
        title: What one message is.
        examples: How the names of its examples begin.
        levels: Further levels of the topic, and what stands there.
    """

    name: ChannelName
    sent: bool
    retain: bool
    description: str
    schema: str | None
    title: str
    examples: str
    levels: tuple[tuple[str, str], ...] = ()


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
    Channel(
        "pictures",
        sent=True,
        retain=False,
        description="Redacted pictures in pieces: bytes, and no JSON.",
        schema=None,
        title=f"At most {PIECE_BYTES} bytes of a picture, from the offset on",
        examples="piece-",
        levels=(
            ("sha256", "The SHA-256 of the whole picture, in hexadecimal."),
            ("size", f"How many bytes the whole picture has; at most {MAX_PICTURE_BYTES}."),
            ("offset", "Where in the picture the piece begins: how many bytes are before it."),
        ),
    ),
)


def channel_of(topic: str) -> str:
    """On which channel a topic of the device's is: what stands behind the device, as no further level is called so."""
    names = {each.name for each in CHANNELS}
    levels = topic.split("/")
    return next((level for level in reversed(levels) if level in names), levels[-1])


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device: ``{prefix}/{tenant}/{device_id}/{channel}``, and further levels where it has any.

    Attributes:
        prefix: As the site has it, such as ``kerbwatch/v2``.
        tenant: Whose device it is.
        device_id: The device.
    """

    prefix: str
    tenant: str
    device_id: str

    def of(self, channel: ChannelName) -> str:
        """The topic of one channel; of one with further levels how it begins."""
        return f"{self.prefix}/{self.tenant}/{self.device_id}/{channel}"

    def piece(self, sha256: str, size_bytes: int, offset: int) -> str:
        """The topic of one piece of a picture."""
        return f"{self.of('pictures')}/{sha256}/{size_bytes}/{offset}"

    @classmethod
    def pattern(cls, version: int) -> Self:
        """As the contract writes them, with parameters for tenant and device."""
        return cls(f"kerbwatch/v{version}", "{tenant}", "{device}")
