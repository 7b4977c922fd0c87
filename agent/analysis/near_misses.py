"""What came near to a case and was none, with the figures that its rule went by. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from agent.domain.measure import Measure
    from agent.scenarios import Judgement

NEAR = 0.5
"""What has stood for less than this share of what is needed was near to nothing."""
OVER_AFTER_S = 10.0
"""What its rule says nothing of for so long is over."""
MOST = 5
"""Of one zone and kind; the nearest are told."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Something that was no case.

    ``measures`` are those of the moment at which it was nearest; ``goes_on`` says whether it still stood at
    the end.
    """

    zone_id: str
    kind: str
    at: datetime
    measures: tuple[Measure, ...]
    goes_on: bool = False

    @property
    def missing(self) -> tuple[Measure, ...]:
        """What was not as it must be."""
        return tuple(each for each in self.measures if not each.fulfilled)

    @property
    def nearness(self) -> tuple[int, float]:
        """The greater, the nearer."""
        first = self.measures[0]
        return -len(self.missing), first.value / first.threshold if first.threshold else 1.0


@dataclass(slots=True)
class _Going:
    """What may become a case and goes on."""

    nearest: NearMiss
    last_at: datetime
    was_case: bool = False


class NearMisses:
    """Those of a site.

    Args:
        kinds: Scenario → its kind of case.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = dict(kinds)
        self._going: dict[tuple[str, str], _Going] = {}
        self._over: dict[tuple[str, str], list[NearMiss]] = {}

    def take(
        self,
        judgements: Mapping[str, Judgement],
        at: datetime,
        cases: Collection[tuple[str, str]],
    ) -> None:
        """Take what the scenarios of one camera said at one moment.

        Args:
            judgements: By the scenarios' names.
            at: Now.
            cases: Zone and kind of what is a case already.
        """
        for name, judgement in judgements.items():
            for zone_id, measures in judgement.measures.items():
                if measures:
                    key = zone_id, self._kinds[name]
                    self._note(NearMiss(*key, at, measures), is_case=key in cases)
        for key, going in list(self._going.items()):
            if (at - going.last_at).total_seconds() > OVER_AFTER_S:
                self._end(key)

    def _note(self, now: NearMiss, *, is_case: bool) -> None:
        going = self._going.setdefault((now.zone_id, now.kind), _Going(now, now.at))
        going.last_at = now.at
        going.was_case = going.was_case or is_case
        if now.nearness > going.nearest.nearness:
            going.nearest = now

    def _end(self, key: tuple[str, str], *, goes_on: bool = False) -> None:
        going = self._going.pop(key)
        near, first = going.nearest, going.nearest.measures[0]
        if going.was_case or first.value < NEAR * first.threshold:
            return
        told = NearMiss(near.zone_id, near.kind, near.at, near.measures, goes_on)
        kept = sorted([*self._over.get(key, ()), told], key=lambda each: each.nearness)
        self._over[key] = kept[-MOST:]

    def end(self) -> list[NearMiss]:
        """All of them, by their times; nothing comes after."""
        for key in list(self._going):
            self._end(key, goes_on=True)
        return sorted(
            (each for one in self._over.values() for each in one), key=lambda each: each.at
        )
