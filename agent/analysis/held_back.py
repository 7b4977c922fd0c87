"""What looks like a false alarm at the same place is held back for a while. No disk, no clock.

Which places are held back is told from outside, again and again; for how long each of them has been is counted here,
on the frames' clock. A thing that looks different opens a case all the same, and so does everything else that is
found beside what is held back.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.perception.likeness import SAME_PLACE_IOU, is_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from agent.domain.scene import Finding, HeldPlace, Member
    from drivers.cameras import Frame

LOOK_EVERY_S = 10.0
"""How often it is asked which places are held back: so long a verdict may take to have an effect."""
COMPARE_EVERY_S = 5.0
"""So often what stands at such a place is compared."""
UNLIKE_FOR_S = 30.0
"""It opens a case once it has looked different for so long: who walks past a false alarm is no other thing."""
FORGOTTEN_AFTER_S = 60.0
"""What no finding has named for so long has gone."""


class _Compared(NamedTuple):
    """When a thing was compared last, and since when it has looked different; None: it does not."""

    at_s: float
    unlike_since_s: float | None


class HeldBack:
    """The false alarms of one camera that are held back.

    Args:
        camera_id: The camera's.
        hold_s: For how long each is, in seconds; 0: nothing is.
        places: Asked which there are, of all cameras; None: nobody can say now.
    """

    def __init__(
        self, camera_id: str, hold_s: float, places: Callable[[], list[HeldPlace] | None]
    ) -> None:
        self._camera_id, self._hold_s, self._ask = camera_id, hold_s, places
        self._places: dict[str, HeldPlace] = {}
        self._until_s: dict[str, float] = {}
        self._asked_s: float | None = None
        self._compared: dict[tuple[str, str], _Compared] = {}
        self._told: set[tuple[str, str]] = set()
        self._now: Counter[tuple[str, str]] = Counter()
        self.places: Mapping[tuple[str, str], int] = {}
        """Zone and kind → how many places are held back. A new one is put in its place when it changes: it may be
        read from any thread."""

    @property
    def now(self) -> Counter[tuple[str, str]]:
        """Zone and kind → how many things were held back at the last frame."""
        return Counter(self._now)

    @property
    def case_ids(self) -> Collection[str]:
        """The false alarms that are held back now."""
        return self._places.keys()

    def refresh(self, now_s: float) -> tuple[str, ...]:
        """Ask which places there are, if it is time to, and return the cases of those that are over."""
        asked_s = self._asked_s
        if not self._hold_s or (asked_s is not None and 0.0 <= now_s - asked_s < LOOK_EVERY_S):
            return ()
        self._asked_s = now_s
        found = self._ask()
        if found is None:
            return ()
        own = {each.case_id: each for each in found if each.camera_id == self._camera_id}
        self._until_s = {
            case_id: self._until_s.get(case_id, now_s + self._hold_s) for case_id in own
        }
        over = tuple(case_id for case_id, until_s in self._until_s.items() if until_s <= now_s)
        self._places = {key: place for key, place in own.items() if key not in over}
        self.places = Counter((one.zone_id, one.kind) for one in self._places.values())
        return over

    def sift(
        self, findings: Iterable[Finding], open_places: Collection[tuple[str, str]], frame: Frame
    ) -> tuple[list[Finding], Counter[tuple[str, str]]]:
        """Take what is held back out of what would open a case.

        Args:
            findings: Of the scenarios at this frame.
            open_places: Place and kind of each open case: these go on as they are.
            frame: Now, with what nobody may see blacked out.

        Returns:
            What is left, and, by zone and kind, how many things are held back that were not before.
        """
        self._now = Counter()
        if not self._places:
            self._told.clear()
            return list(findings), Counter()
        left, told, new = [], set(), Counter[tuple[str, str]]()
        for finding in findings:
            if finding.state != "present" or (finding.place_id, finding.kind) in open_places:
                left.append(finding)
                continue
            held = {m.member_id for m in finding.members if self._holds(finding, m, frame)}
            names = {(finding.kind, member_id) for member_id in held}
            new[finding.zone_id, finding.kind] += len(names - self._told)
            told |= names
            self._now[finding.zone_id, finding.kind] += len(names)
            if len(held) < len(finding.members):
                left.append(_without(finding, held) if held else finding)
            elif not held:  # it names nothing
                left.append(finding)
        self._told = told
        self._compared = {
            key: one
            for key, one in self._compared.items()
            if frame.monotonic_s - one.at_s < FORGOTTEN_AFTER_S
        }
        return left, +new

    def _holds(self, finding: Finding, member: Member, frame: Frame) -> bool:
        """Whether a thing is at the place of a false alarm of its kind, and looks like that."""
        looks = [
            look
            for place in self._places.values()
            if (place.kind, place.zone_id) == (finding.kind, finding.zone_id)
            for look in place.looks
            if look.box.iou(member.box) >= SAME_PLACE_IOU
        ]
        if not looks:
            return False
        key, now_s = (finding.kind, member.member_id), frame.monotonic_s
        last = self._compared.get(key)
        if last is None or now_s - last.at_s >= COMPARE_EVERY_S:
            unlike_since_s = now_s if last is None else last.unlike_since_s or now_s
            alike = any(is_alike(look, frame) for look in looks)
            last = self._compared[key] = _Compared(now_s, None if alike else unlike_since_s)
        return last.unlike_since_s is None or now_s - last.unlike_since_s < UNLIKE_FOR_S

    def snapshot(self) -> dict[str, float]:
        """Until when each is held back: to keep over a restart, as JSON."""
        return dict(self._until_s)

    def restore(self, saved: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        self._until_s = {case_id: until_s + shift_s for case_id, until_s in saved.items()}


def _without(finding: Finding, held: Collection[str]) -> Finding:
    """What is left of a finding, and that it names fewer than stand there."""
    members = tuple(m for m in finding.members if m.member_id not in held)
    return dataclasses.replace(
        finding,
        members=members,
        since_s=min(member.since_s for member in members),
        reason={**finding.reason, "held_back": len(held)},
    )
