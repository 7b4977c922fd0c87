"""What the scenarios say of one camera's zones at one moment: for a live frame, and for stored tracks. Pure.

The pipeline gives it what a frame shows; a dry run gives it what was noted of frames of before. Nothing here
knows which of them it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.domain.scene import MASK
from agent.perception.dwell import DwellTimer
from agent.scenarios import Judgement, Moment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, tzinfo

    from agent.domain.scene import Box, Finding, Observation, Track, Zone
    from agent.perception.background_model import Novelty
    from agent.scenarios import Needs, Scenario, Scores

SURE_AGAIN_S = 5.0
"""Of a zone that is seen again nothing is said before it was looked at: what stood there may be gone."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one moment shows, whatever zones are drawn.

    Attributes:
        now_s: On the frames' clock.
        at: The same moment in UTC.
        observation: What was looked at and seen.
        tracks: Every track that goes on.
        novelty: What is new on the ground.
        changed: Regions whose picture has changed since the network last saw them.
    """

    now_s: float
    at: datetime
    observation: Observation
    tracks: Sequence[Track]
    novelty: Novelty | None
    changed: Sequence[Box]


class ZoneJudging:
    """The stays in one camera's zones, and what its scenarios make of them.

    Args:
        zones: The camera's zones.
        scenarios: By their names.
        needs: What must be prepared for them.
        timezone: The site's, for schedules.
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        scenarios: Mapping[str, Scenario],
        needs: Needs,
        timezone: tzinfo,
    ) -> None:
        self._timers = [
            DwellTimer(
                zone,
                beside=[other for other in zones if other.kind == zone.kind],
                labels=needs.dwell[zone.kind],
            )
            for zone in zones
            if zone.kind in needs.dwell
        ]
        self._scenarios, self._timezone = dict(scenarios), timezone
        self.judges_novelty = needs.background_s > 0
        self._judged = frozenset(zone.zone_id for zone in zones if zone.kind != MASK)
        self._resumed_s: dict[str, float] = {}
        self.judgements: dict[str, Judgement] = {}
        """Scenario → what it said last; of a moment that shows no zone, that things wait on."""

    def is_blind(self, unseen: frozenset[str]) -> bool:
        """Whether no zone can be seen while these cannot."""
        return bool(self._judged) and self._judged <= unseen

    def wait(self) -> None:
        """Nothing can be seen: what waits waits on."""
        self.judgements = {
            name: Judgement(pending=one.pending, measures=one.measures)
            for name, one in self.judgements.items()
        }

    def judge(self, shown: Shown, scores: Scores, unseen: frozenset[str]) -> list[Finding]:
        """What every scenario has to say of its places.

        Args:
            shown: The moment. Its time must not go back.
            scores: What classifiers say.
            unseen: Zones of which nothing can be said now, because the view does not show them.
        """
        seen_timers = [timer for timer in self._timers if timer.zone.zone_id not in unseen]
        stays = [stay for timer in seen_timers for stay in timer.update(shown.tracks, shown.now_s)]
        moment = Moment(
            now_s=shown.now_s,
            local=shown.at.astimezone(self._timezone),
            observation=shown.observation,
            tracks=shown.tracks,
            stays=stays,
            novelty=shown.novelty if self.judges_novelty else None,
            scores=scores,
            changed=shown.changed,
            unseen=unseen,
        )
        self.judgements = {name: one.judge(moment) for name, one in self._scenarios.items()}
        findings = [each for one in self.judgements.values() for each in one.findings]
        return self._sure(findings, shown.now_s) if self._resumed_s else findings

    def wait_as(self, other: ZoneJudging, zone_ids: Collection[str]) -> None:
        """Say nothing of zones that are seen again since a moment, where another one says nothing of them."""
        self._resumed_s = {
            name: since_s for name, since_s in other._resumed_s.items() if name in zone_ids
        }

    def resume(self, zone_id: str, unseen_s: float, now_s: float) -> None:
        """A zone is seen again after ``unseen_s``; that time adds to no stay."""
        self._resumed_s[zone_id] = now_s
        for timer in self._timers:
            if timer.zone.zone_id == zone_id:
                timer.resume(unseen_s)
        for scenario in self._scenarios.values():
            scenario.resume(zone_id, unseen_s)

    def _sure(self, findings: list[Finding], now_s: float) -> list[Finding]:
        """Leave out what is said of zones that are seen again only since a moment."""
        self._resumed_s = {
            zone_id: since_s
            for zone_id, since_s in self._resumed_s.items()
            if now_s - since_s < SURE_AGAIN_S
        }
        return [each for each in findings if each.zone_id not in self._resumed_s]

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON."""
        return {
            "dwell": {timer.zone.zone_id: timer.snapshot() for timer in self._timers},
            "scenarios": {name: one.snapshot() for name, one in self._scenarios.items()},
        }

    def restore(self, snapshot: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        for timer in self._timers:
            timer.restore(snapshot["dwell"].get(timer.zone.zone_id, {}), shift_s)
        for name, scenario in self._scenarios.items():
            if name in snapshot["scenarios"]:
                scenario.restore(snapshot["scenarios"][name], shift_s)
