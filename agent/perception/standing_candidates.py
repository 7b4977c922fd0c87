"""Candidates: what is new and stands in a zone, followed until it is a case or has gone. Pure.

Where zones of a kind overlap, a thing belongs to one of them: to the one it belongs to already, else to the
first that was drawn, of those whose rule holds. A scenario makes its own candidates of :class:`Candidate` and
adds what it counts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from agent.domain.labels import PEOPLE
from agent.domain.scene import Box, Finding, middle
from agent.domain.zones import in_force, inside
from agent.perception.standing_things import is_near, is_same_place
from agent.perception.verifier_answers import VerifierAnswers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from agent.domain.scene import CaseKind, Observation, Track, Zone
    from agent.perception.background_model import NewThing

C = TypeVar("C", bound="Candidate")

NEAR_S = 2.0
"""Somebody who is near for less than this is passing by."""
GRACE_S = 2.0
"""A thing out of sight for less than this is still there."""
HIDDEN_FOR_S = 60.0
"""A thing whose place nobody looks at is given up after this time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something new that stands at this moment: new cells, or something with a name (no cells)."""

    box: Box
    since_s: float
    last_s: float
    missed_s: float | None = None
    cells: int = 0
    structure: float = 1.0
    """How much there is to see for what the bare ground shows."""

    @classmethod
    def of(cls, thing: NewThing) -> Seen:
        """What the background model found."""
        return cls(
            thing.box, thing.since_s, thing.last_s, cells=thing.cells, structure=thing.structure
        )


@dataclass(slots=True)
class Candidate:
    """Something new that stands, while it may become a case or is one."""

    name: str
    box: Box
    since_s: float
    last_s: float
    missed_s: float | None = None
    is_case: bool = False
    near_since_s: dict[int, float] = field(default_factory=dict)
    """Track → since when this person is near."""
    verification: VerifierAnswers = field(default_factory=VerifierAnswers)
    zone_id: str = ""
    """The zone that it belongs to."""

    TIMES: ClassVar[tuple[str, ...]] = ("since_s", "last_s")
    """Its times on the frames' clock that outlive a restart."""

    @property
    def until_s(self) -> float:
        """When it was last there, as well as that is known."""
        return middle(self.last_s, self.missed_s)

    def begin(self, now_s: float) -> None:
        """It is met for the first time."""

    def is_shown_by(self, seen: Seen) -> bool:
        """Whether something that is seen now is this."""
        return is_same_place(self.box, seen.box)

    def is_left_behind(self, seen: Seen, now_s: float) -> bool:  # noqa: ARG002 - for who can tell
        """Whether what is seen in its place is only what it left there."""
        return False

    def take(self, seen: Seen) -> None:
        """It is seen."""
        self.box, self.missed_s = seen.box, seen.missed_s
        self.last_s = max(self.last_s, seen.last_s)

    def staying(self, tracks: Iterable[Track], now_s: float) -> list[Track]:
        """Who is with it, and not only passing by."""
        near = {
            track.track_id: track
            for track in tracks
            if track.label in PEOPLE and track.seen_now and is_near(track, self.box)
        }
        self.near_since_s = {track_id: self.near_since_s.get(track_id, now_s) for track_id in near}
        return [
            near[track_id]
            for track_id, since_s in self.near_since_s.items()
            if now_s - since_s >= NEAR_S or near[track_id].still_since_s is not None
        ]

    def still_there(self, observation: Observation, now_s: float) -> bool:
        """Whether what is not seen now may be there; notes when it was first missed."""
        if self.missed_s is None and observation.looked_at(self.box.centre):
            self.missed_s = now_s
        if self.missed_s is not None:
            return now_s - self.missed_s <= GRACE_S
        return now_s - self.last_s < HIDDEN_FOR_S

    def resume(self, unseen_s: float) -> None:
        """Its place is seen again: it is none the older, and who was near may have gone."""
        for name in self.TIMES:
            setattr(self, name, getattr(self, name) + unseen_s)
        self.missed_s, self.near_since_s = None, {}
        self.verification.resume(unseen_s)


class ZoneCandidates(Generic[C]):
    """The candidates in the zones of one camera, and since when each zone has been in order.

    Args:
        zones: Those of one kind, in the order in which they were drawn.
        made: The scenario's own kind of candidate.
    """

    def __init__(self, zones: Sequence[Zone], made: type[C]) -> None:
        self.zones = tuple(zones)
        self.by_zone: dict[str, list[C]] = {zone.zone_id: [] for zone in zones}
        self._made = made
        self._count = 0
        self._last_present_s: dict[str, float] = {}
        self._clear_since_s: dict[str, float] = {}
        self._taken_back: dict[str, dict[str, Any]] = {}

    def belonging(
        self,
        things: Iterable[Seen],
        local: datetime,
        may_begin: Callable[[Seen], bool] = lambda _: True,
    ) -> dict[str, list[Seen]]:
        """Zone → what stands now and belongs to it.

        Args:
            things: What is seen.
            local: The site's wall clock.
            may_begin: Whether something that is not followed yet may be.
        """
        found: dict[str, list[Seen]] = {zone.zone_id: [] for zone in self.zones}
        ruling = [zone for zone in self.zones if in_force(zone, local)]
        for seen in things:
            held = [zone for zone in self.zones if self._holds(zone, seen)]
            around = [zone for zone in self.zones if inside(seen.box.foot, zone)]
            if held or (around and may_begin(seen)):
                choice = sorted((held + around), key=lambda zone: zone not in ruling)
                found[choice[0].zone_id].append(seen)
        return found

    def _holds(self, zone: Zone, seen: Seen) -> bool:
        """Whether something seen is followed in a zone already."""
        return any(one.is_shown_by(seen) for one in self.by_zone[zone.zone_id])

    def follow(
        self, zone: Zone, things: Sequence[Seen], observation: Observation, now_s: float
    ) -> list[C]:
        """Match what stands in a zone now to its candidates, and keep those that may still be there."""
        left, kept = self.by_zone[zone.zone_id], []
        for seen in things:
            same = [one for one in left if one.is_shown_by(seen)]
            if not same:
                kept.append(self._begun(zone, seen, now_s))
                continue
            first = min(same, key=lambda one: one.since_s)
            if first.is_left_behind(seen, now_s):
                continue
            left = [one for one in left if one not in same]
            first.take(seen)
            kept.append(first)
        self.by_zone[zone.zone_id] = kept + self._unseen(zone, left, observation, now_s)
        return self.by_zone[zone.zone_id]

    def _begun(self, zone: Zone, seen: Seen, now_s: float) -> C:
        self._count += 1
        name = f"{zone.zone_id}-{self._count}"
        one = self._made(name, seen.box, seen.since_s, seen.last_s, seen.missed_s)
        one.zone_id = zone.zone_id
        one.begin(now_s)
        return one

    def _unseen(
        self, zone: Zone, left: Sequence[C], observation: Observation, now_s: float
    ) -> list[C]:
        """Of the candidates not seen now, those that are still there; note when the others went."""
        kept = []
        for one in left:
            if one.still_there(observation, now_s):
                kept.append(one)
            elif one.is_case:
                self._last_present_s[zone.zone_id] = one.until_s
                self._taken_back.pop(zone.zone_id, None)
        return kept

    def present(self, zone: Zone, there: Iterable[C]) -> None:
        """The problem stands in a zone."""
        self._last_present_s[zone.zone_id] = max(one.until_s for one in there)
        self._clear_since_s.pop(zone.zone_id, None)
        self._taken_back.pop(zone.zone_id, None)

    def take_back(self, zone: Zone, one: C, reason: Mapping[str, Any]) -> None:
        """What was a case is none by the verifier's word, since its answers turned."""
        one.is_case, one.verification.took_back = False, True
        turned_s = one.verification.turned_s
        self._last_present_s[zone.zone_id] = one.until_s if turned_s is None else turned_s
        self._taken_back[zone.zone_id] = dict(reason)

    def absent(
        self,
        kind: CaseKind,
        zone: Zone,
        observation: Observation,
        now_s: float,
        clear_after_s: float,
    ) -> Finding | None:
        """That the zone is in order, since the problem was last there (or now, if that is unknown).

        None: that has not been seen for long enough.
        """
        if not observation.looked_at(zone.box.centre):
            return None
        clear_since_s = self._clear_since_s.setdefault(zone.zone_id, now_s)
        if now_s - clear_since_s < clear_after_s:
            return None
        return Finding(
            kind,
            zone.zone_id,
            zone.place_id,
            "absent",
            since_s=self._last_present_s.pop(zone.zone_id, now_s),
            reason=self._taken_back.pop(zone.zone_id, {}),
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again: its candidates are none the older."""
        for one in self.by_zone.get(zone_id, ()):
            one.resume(unseen_s)
        self._clear_since_s.pop(zone_id, None)

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON: the candidates of each zone."""
        return {
            "count": self._count,
            "last_present_s": dict(self._last_present_s),
            "taken_back": dict(self._taken_back),
            "candidates": {
                zone_id: [
                    {
                        **dataclasses.asdict(one),
                        "box": dataclasses.astuple(one.box),
                        "near_since_s": {},
                    }
                    for one in found
                ]
                for zone_id, found in self.by_zone.items()
            },
        }

    def restore(self, snapshot: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times."""
        self._count = snapshot["count"]
        self._last_present_s = {
            zone_id: last_s + shift_s
            for zone_id, last_s in snapshot.get("last_present_s", {}).items()
        }
        self._taken_back = dict(snapshot.get("taken_back", {}))
        for zone_id, found in snapshot.get("candidates", {}).items():
            if zone_id in self.by_zone:
                self.by_zone[zone_id] = [self._restored(zone_id, saved, shift_s) for saved in found]

    def _restored(self, zone_id: str, saved: Mapping[str, Any], shift_s: float) -> C:
        verified = saved.get("verification")
        told = {
            **saved,
            "zone_id": zone_id,
            "box": Box(*saved["box"]),
            "verification": VerifierAnswers.restored(verified) if verified else VerifierAnswers(),
        }
        if "vending" in told:  # an older agent called it so
            told["is_case"] = told.pop("vending")
        one = self._made(**told)
        one.resume(shift_s)
        return one
