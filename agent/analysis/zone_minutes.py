"""What was made of each zone in each minute, in figures: by which ``kerbwatch explain`` says why no case opened.

Of a minute that is over stays how often the zone was judged and looked at, why it could not be seen, whether its rule
held, what heat left of the rate, and, for each kind of case, the figures of what was nearest to one. No picture, and
nothing by which anybody could be recognised.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.domain.finite import finite
from agent.domain.zones import in_force
from agent.storage.minute_table import ZoneMinute

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, tzinfo

    from agent.analysis.camera_pipeline import Pipeline
    from agent.domain.measure import Measure
    from agent.domain.scene import Unseen
    from agent.scenarios import Judgement
    from drivers.cameras import Frame

WRITE_EVERY_S = 300.0
"""A card wears by what is written: minutes are written together, and a power cut costs the last of them."""


@dataclass(slots=True)
class _Kind:
    """One kind of case in one zone: the figures of what was nearest to a case."""

    frames: int = 0
    nearest: tuple[Measure, ...] = ()
    open: bool = False
    suppressed: Counter[str] = field(default_factory=Counter)
    held_back: int = 0

    def take(self, measures: tuple[Measure, ...]) -> None:
        """Something may become a case; kept is what has come furthest, by the time that it stands."""
        self.frames += 1
        if not self.nearest or measures[0].value >= self.nearest[0].value:
            self.nearest = measures

    def document(self) -> dict[str, Any]:
        """For the table."""
        return {
            "frames": self.frames,
            "measures": [
                [each.name, finite(each.value, 4), each.needs, finite(each.threshold)]
                for each in self.nearest
            ],
            "open": self.open,
            "suppressed": dict(self.suppressed),
            "held_back": self.held_back,
        }


@dataclass(slots=True)
class _Zone:
    """One zone in one minute."""

    frames: int = 0
    looks: int = 0
    ruled: int = 0
    rate: float = 1.0
    unseen: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, _Kind] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """For the table."""
        return {
            "frames": self.frames,
            "looks": self.looks,
            "ruled": self.ruled,
            "rate": round(self.rate, 3),
            "unseen": dict(self.unseen),
            "kinds": {kind: one.document() for kind, one in sorted(self.kinds.items())},
        }


class ZoneMinutes:
    """The zones of one camera, minute by minute.

    Args:
        timezone: The site's, for schedules, and for who reads the minutes without the site.
    """

    def __init__(self, timezone: tzinfo) -> None:
        self._timezone = timezone
        self._began: datetime | None = None
        self._zones: dict[str, _Zone] = {}
        self._over: list[ZoneMinute] = []
        self._written_s: float | None = None

    def note(
        self,
        frame: Frame,
        pipeline: Pipeline,
        kinds: Mapping[str, str],
        unseen: Mapping[str, Unseen],
        open_zones: Collection[tuple[str, str]],
        held_back: Mapping[tuple[str, str], int],
    ) -> None:
        """Take one frame.

        Args:
            frame: Now.
            pipeline: What was made of it.
            kinds: Scenario → its kind of case.
            unseen: Why zones cannot be seen.
            open_zones: Zone and kind of the open cases.
            held_back: Zone and kind → how many things are held back at this frame.
        """
        minute = frame.captured_at.replace(second=0, microsecond=0)
        if minute != self._began:
            self._end()
            self._began = minute
        local, looked = frame.captured_at.astimezone(self._timezone), pipeline.looked_zones()
        for zone in pipeline.zones:
            if zone.kind.judged:
                here = self._zones.setdefault(zone.zone_id, _Zone())
                here.frames += 1
                here.looks += zone.zone_id in looked
                here.ruled += in_force(zone, local)
                here.rate = min(here.rate, pipeline.pace())
                if zone.zone_id in unseen:
                    here.unseen[unseen[zone.zone_id].because] += 1
        for name, judgement in pipeline.judgements.items():
            self._judged(kinds[name], judgement, open_zones)
        for (zone_id, kind), count in held_back.items():
            one = self._kind(zone_id, kind)
            one.held_back = max(one.held_back, count)

    def _judged(
        self, kind: str, judgement: Judgement, open_zones: Collection[tuple[str, str]]
    ) -> None:
        for zone_id, measures in judgement.measures.items():
            if measures:
                self._kind(zone_id, kind).take(measures)
        for each in judgement.suppressed:
            self._kind(each.zone_id, kind).suppressed[each.seen_as] += 1
        for zone_id in self._zones:
            if (zone_id, kind) in open_zones:
                self._kind(zone_id, kind).open = True

    def _kind(self, zone_id: str, kind: str) -> _Kind:
        return self._zones.setdefault(zone_id, _Zone()).kinds.setdefault(kind, _Kind())

    def _end(self) -> None:
        if self._began is not None:
            at = self._began
            there = {"timezone": str(self._timezone)}
            self._over += [
                ZoneMinute(key, at, there | zone.document()) for key, zone in self._zones.items()
            ]
        self._zones = {}

    def due(self, frame: Frame) -> list[ZoneMinute]:
        """The minutes that are to be written now; they are given once."""
        now_s = frame.monotonic_s
        if self._written_s is None:
            self._written_s = now_s
        if not self._over or 0.0 <= now_s - self._written_s < WRITE_EVERY_S:
            return []
        self._written_s = now_s
        over, self._over = self._over, []
        return over

    def rest(self) -> list[ZoneMinute]:
        """All that is not written yet, the minute that goes on included."""
        self._end()
        self._began = None
        over, self._over = self._over, []
        return over
