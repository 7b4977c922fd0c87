"""Cases in plain words: one line for each event, for a person who watches a replay or the demo."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.events import CaseEvent
from provisioning.wording import kind_in_words, label_in_words, say

if TYPE_CHECKING:
    from datetime import datetime

    from agent.events import CaseBody, Event


def duration(seconds: float) -> str:
    """A length of time as people say it: ``42 s``, ``3 min 05 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def position(seconds: float) -> str:
    """A place in footage: ``07:05``, ``1:07:05``."""
    whole = round(seconds)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole % 3600 // 60:02d}:{whole % 60:02d}"


def in_words(event: Event, began_at: datetime | None = None) -> str | None:
    """One event as one line; None for an event that is about no case.

    The time shown is the place in the footage: in a replay the clock counts from its beginning.

    Args:
        event: Any event of the contract.
        began_at: When the footage began, if it was not replayed but shown to a device.
    """
    if not isinstance(event, CaseEvent):
        return None
    body = event.body
    return say(
        f"case.{event.type.removeprefix('case.')}",
        time=_time(event, began_at),
        kind=kind_in_words(body.kind, body.count),
        zone=body.place.zone_id,
        what=_members(body),
        dwell=duration(body.dwell_s),
    ).rstrip()


def _time(event: CaseEvent, began_at: datetime | None) -> str:
    if began_at is not None:
        return position((event.occurred_at - began_at).total_seconds())
    if event.clock.state == "replay":
        return position(event.clock.monotonic_s)
    return f"{event.occurred_at:%H:%M:%S}"


def _members(body: CaseBody) -> str:
    labels = Counter(member.label for member in body.members)
    if not labels:
        return label_in_words("", body.count).strip() if body.count else say("case.nothing")
    return ", ".join(label_in_words(label, count) for label, count in sorted(labels.items()))
