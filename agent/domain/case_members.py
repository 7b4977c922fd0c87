"""Who is part of a case: members come and go while the case goes on, each with its own times.

Members are what the camera that opened the case sees of its place, in all zones of that place. They come and
go as the scenario says; one that is not named for a moment only has not gone. So that everybody can count how
long each of them stood, every member that has gone is told once, with when that was.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.domain.scene import Case, Finding, Member

LEFT_AFTER_S = 10.0
"""A member that no finding has named for so long has gone, as a place is in order after so long."""
MOST_GONE = 500
"""So many are told at once, however short ago something was told."""
MOST_STAYS = 1000
"""Of so many members, those that went last, it is known that they were there before."""


def begun(finding: Finding, now_s: float) -> tuple[Member, ...]:
    """The members of a case that opens."""
    return tuple(_named(member, finding, now_s) for member in finding.members)


def seen(case: Case, finding: Finding, now_s: float) -> Case:
    """A case, after its own camera has said what stands in one zone of its place."""
    known = {member.member_id: member for member in case.members}
    stays, gone, here = dict(case.stays), list(case.gone), []
    for member in finding.members:
        named = _named(member, finding, now_s)
        was = known.pop(member.member_id, None)
        if was is not None and _stands_anew(was, named):
            _leave(replace(was, last_present_s=min(was.until_s, named.since_s)), stays, gone)
            was = None
        if (last := stays.get(member.member_id)) is not None:
            number, until_s = last
            named = replace(named, since_s=max(named.since_s, until_s), stay=number + 1)
        here.append(named if was is None else _goes_on(was, named))
    own = [member for member in known.values() if member.zone_id in {None, finding.zone_id}]
    elsewhere = [member for member in known.values() if member not in own]
    for member in own:
        missed_s = now_s if member.missed_s is None else member.missed_s
        if now_s - missed_s >= LEFT_AFTER_S:
            _leave(member, stays, gone)
        else:
            here.append(replace(member, missed_s=missed_s))
    return _with(case, [*elsewhere, *here], stays, gone)


def _stands_anew(was: Member, named: Member) -> bool:
    """Whether a member's stay is over, and what a finding names is its next one.

    In its own zone it went and came back. In another zone of the place it is one thing all the same, with
    one name at a time: its stay there ends where the one here begins, and not before its own zone misses it.
    """
    if was.missed_s is None:
        return False
    if was.zone_id in {None, named.zone_id}:
        return named.since_s > was.until_s
    return named.since_s > was.since_s


def _goes_on(was: Member, named: Member) -> Member:
    """A member as a finding names it, in the same stay; a zone that names it keeps it."""
    named = replace(named, operator=was.operator, stay=was.stay, look=was.look)
    if was.missed_s is None and was.zone_id not in {None, named.zone_id}:
        return replace(named, since_s=was.since_s, zone_id=was.zone_id)
    return named


def in_order(case: Case, finding: Finding, present: Iterable[str]) -> Case:
    """A case that goes on though one zone of its place is in order.

    Args:
        case: The case.
        finding: That says so.
        present: The zones in which the problem still stands.
    """
    if {member.zone_id for member in case.members}.isdisjoint(present):
        return case  # another camera sees it: what stands there is what was seen here last
    stays, gone, here = dict(case.stays), list(case.gone), []
    for member in case.members:
        if member.zone_id == finding.zone_id:
            until_s = min(member.until_s, finding.since_s)
            _leave(replace(member, last_present_s=until_s), stays, gone)
        else:
            here.append(member)
    return _with(case, here, stays, gone)


def held(case: Case, present: Iterable[str], now_s: float) -> Case:
    """A case that another camera sees: the members stay, where their own camera sees nothing any more."""
    if not {member.zone_id for member in case.members}.isdisjoint(present):
        return case
    return replace(case, members=tuple(replace(m, last_present_s=now_s) for m in case.members))


def ended(case: Case, last_s: float) -> Case:
    """A case that is over: no member is claimed to have stood longer than the problem did."""
    members = (replace(m, last_present_s=min(m.until_s, last_s)) for m in case.members)
    return replace(case, members=tuple(members))


def differs(case: Case) -> bool:
    """Whether members have come or gone since the case's last event."""
    return bool(case.gone) or (case.told is not None and set(case.told) != _names(case))


def told(case: Case) -> Case:
    """A case whose members and what has gone are being told."""
    return replace(case, told=tuple(sorted(_names(case))), gone=())


def shifted(member: Member, shift_s: float) -> Member:
    """A member, with its times on another boot's clock."""
    return replace(
        member,
        since_s=member.since_s + shift_s,
        last_present_s=None if member.last_present_s is None else member.last_present_s + shift_s,
        missed_s=None if member.missed_s is None else member.missed_s + shift_s,
    )


def _names(case: Case) -> set[str]:
    return {member.name for member in case.members}


def _named(member: Member, finding: Finding, now_s: float) -> Member:
    last_s = now_s if member.last_present_s is None else member.last_present_s
    return replace(member, last_present_s=last_s, zone_id=finding.zone_id)


def _leave(member: Member, stays: dict[str, tuple[int, float]], gone: list[Member]) -> None:
    stays.pop(member.member_id, None)  # those that went last are kept
    stays[member.member_id] = member.stay, member.until_s
    gone.append(member)


def _with(
    case: Case, members: Iterable[Member], stays: dict[str, tuple[int, float]], gone: list[Member]
) -> Case:
    in_time = sorted(members, key=lambda member: member.since_s)
    kept = dict(list(stays.items())[-MOST_STAYS:])
    return dataclasses.replace(case, members=tuple(in_time), stays=kept, gone=tuple(gone))
