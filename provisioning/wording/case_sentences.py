"""One line in words for each event, for people watching a replay or the demo."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.protocol.events import CaseEvent
from provisioning.wording import say
from provisioning.wording.vocabulary import (
    LEGAL_FACTS,
    VERDICTS,
    WITHDRAWALS,
    kind_in_words,
    known_in_words,
    label_in_words,
    reason_in_words,
)
from provisioning.wording.width import padded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agent.protocol.case import CaseBody
    from agent.protocol.events import Event


def several_cases(begins: str, found: Sequence[str]) -> str:
    """What is answered where the beginning of an id is that of several cases: five of them, and what to do."""
    return say(
        "{case_id} begins {count} cases: {known}. Give more of the id.",
        case_id=begins,
        count=len(found),
        known=", ".join(found[:5]) + (" …" if len(found) > 5 else ""),
    )


def duration(seconds: float | None) -> str:
    """A length of time as people say it: ``42 s``, ``3 min 05 s``, ``2 h 05 min``; a dash if unknown."""
    if seconds is None:
        return "–"
    minutes, whole_s = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return say("{hours} h {minutes:02d} min", hours=hours, minutes=minutes_left)
    if minutes:
        return say("{minutes} min {seconds:02d} s", minutes=minutes, seconds=whole_s)
    return say("{seconds} s", seconds=whole_s)


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
    happened, known = _told(event)
    columns = (
        _time(event, began_at),
        padded(happened, 10),
        padded(kind_in_words(body.kind, body.count), 17),
        padded(say("zone {zone}", zone=body.place.zone_id), 19),
        known,
    )
    return "  ".join(columns)


def _told(event: CaseEvent) -> tuple[str, str]:
    """What happened to the case, and what is known of it."""
    what, dwell = _members(event.body), duration(event.body.dwell_s)
    match event.type:
        case "case.opened":
            return say("opened"), say("{what}, standing {dwell}", what=what, dwell=dwell)
        case "case.persisting":
            return say("persisting"), say("{what}, standing {dwell}", what=what, dwell=dwell)
        case "case.changed":
            return say("changed"), say(
                "{what}, standing {dwell}; gone: {count}",
                what=what,
                dwell=dwell,
                count=len(event.body.left),
            )
        case "case.cleared":
            return say("cleared"), say("after {dwell}", dwell=dwell)
        case "case.withdrawn":
            return say("withdrawn"), _withdrawn(event.body)
        case "case.abstained":
            because = "" if event.body.abstention is None else event.body.abstention.because
            return say("cannot see"), say(
                "{reason}; the case stays as it was", reason=reason_in_words(because)
            )
        case "case.ticketed":
            return say("numbered"), event.body.ticket or ""
        case "case.judged":
            return say("judged"), _judged(event.body)


def _judged(body: CaseBody) -> str:
    verdict = "" if body.verdict is None else known_in_words(VERDICTS, body.verdict.verdict)
    if not body.evidence_lacks:
        return verdict
    lacks = [known_in_words(LEGAL_FACTS, each) for each in body.evidence_lacks]
    return say("{verdict}; a lead all the same, for want of: {lacks}", verdict=verdict, lacks=lacks)


def _withdrawn(body: CaseBody) -> str:
    because = "" if body.withdrawn is None else body.withdrawn.reason
    return known_in_words(WITHDRAWALS, because)


def _time(event: CaseEvent, began_at: datetime | None) -> str:
    if began_at is not None:
        return position((event.occurred_at - began_at).total_seconds())
    if event.clock.state == "replay":
        return position(event.clock.monotonic_s)
    return f"{event.occurred_at:%H:%M:%S}"


def _members(body: CaseBody) -> str:
    labels = Counter(member.label for member in body.members)
    if not labels:
        return str(body.count) if body.count else say("nothing counted")
    counted = [label_in_words(label, count) for label, count in sorted(labels.items())]
    return say("{counted}", counted=counted)
