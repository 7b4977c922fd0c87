"""What a case consists of, as the platform is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.domain.labels import BIKES
from agent.protocol.case import Departed, Fraction, Thing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from agent.domain.scene import Member


def things(members: Iterable[Member], at: Callable[[float], datetime]) -> tuple[Thing, ...]:
    """Members that are there.

    Args:
        members: Which.
        at: Gives the wall time of a moment of the frames' clock.
    """
    return tuple(Thing(**_facts(member, at)) for member in members)


def departed(members: Iterable[Member], at: Callable[[float], datetime]) -> tuple[Departed, ...]:
    """Members that have gone, as above."""
    return tuple(Departed(**_facts(member, at), until=at(member.until_s)) for member in members)


def _facts(member: Member, at: Callable[[float], datetime]) -> dict[str, Any]:
    box, is_bike = member.box, member.label in BIKES
    return {
        "member_id": member.name,
        "label": member.label,
        "box": Fraction(
            left=round(box.left, 5),
            top=round(box.top, 5),
            right=round(box.right, 5),
            bottom=round(box.bottom, 5),
        ),
        "since": at(member.since_s),
        "last_present_at": None if member.last_present_s is None else at(member.until_s),
        "operator": member.operator if is_bike else None,
        "plate": "plate_unreadable" if is_bike else None,
    }
