"""A message of a device, whichever broker brought it, and whose it is."""

from __future__ import annotations

import re
from typing import NamedTuple

PREFIX = "kerbwatch/v2"
"""Of all topics, unless the site says otherwise."""
_NAME = "[A-Za-z0-9_-]{1,64}"
_PLACE = re.compile(
    rf"(?P<tenant>{_NAME})/(?P<device>{_NAME})/"
    "(?P<channel>events|answers|state|receipts|commands|"
    "pictures/[0-9a-f]{64}/[0-9]{1,7}/[0-9]{1,7})"
)


class Message(NamedTuple):
    """What came, as it came."""

    topic: str
    payload: bytes


class Place(NamedTuple):
    """What a topic says. ``channel`` is ``events``, ``answers``, ``state``, … or ``pictures/SHA256/SIZE/FIRST``."""

    prefix: str
    tenant: str
    device: str
    channel: str


def place_of(topic: str, prefix: str = PREFIX) -> Place:
    """Whose message it is.

    The prefix has to be known: a device may publish anything below its own ``pictures/``, and a reader that looks for
    tenant and device from the end of the topic would believe ``…/pictures/another/device/events``.

    Raises:
        ValueError: It is no topic of the contract below this prefix.
    """
    before, rest = topic[: len(prefix) + 1], topic[len(prefix) + 1 :]
    told = _PLACE.fullmatch(rest) if before == f"{prefix}/" else None
    if told is None:
        raise ValueError("no topic of a device")
    return Place(prefix, told["tenant"], told["device"], told["channel"])
