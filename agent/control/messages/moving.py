"""The unit was taken to another place."""

from __future__ import annotations

from typing import ClassVar

from agent.control.messages.base import Reply, Request


class MoveReply(Reply):
    """What ended with the old place.

    Attributes:
        withdrawn: So many open cases.
        pictures: So many commissioning pictures.
        zones: So many zones.
    """

    withdrawn: int
    pictures: int
    zones: int


class AskMove(Request[MoveReply]):
    """Forget the street that was watched: this is another place. ``keep_zones``: they are drawn for it already."""

    verb: ClassVar[str] = "move"
    answer: ClassVar[type[Reply]] = MoveReply

    keep_zones: bool = False
