"""Whether the agent runs, and how it is."""

from __future__ import annotations

from typing import ClassVar

from agent.control.messages.base import Reply, Request
from agent.telemetry.status_file import Status


class StatusReply(Reply):
    """What ``status.json`` of the agent's own folder says, which others cannot read."""

    status: Status


class AskStatus(Request[StatusReply]):
    """How are you?"""

    verb: ClassVar[str] = "status"
    answer: ClassVar[type[Reply]] = StatusReply
