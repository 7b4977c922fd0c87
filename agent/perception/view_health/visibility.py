"""The visibility of one camera's zones, and what is reported where they cannot be seen. Pure.

A zone cannot be seen if the view is bad (:mod:`agent.perception.view_health.monitor`) or the camera gives no
frames. A zone *rests* at the first doubt: it is not judged, and no time is counted. It *abstains*, which is
reported to the platform, once the doubt has lasted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.domain.scene import WHOLE_FRAME, Box, Unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.perception.view_health import Luma, ViewMonitor

BACK_AFTER_S = 2.0
"""A camera that was lost is back when it has given frames for so long,"""
BACK_GAP_S = 2.0
"""none of them further apart than this."""


@dataclass(frozen=True, slots=True)
class VisibleZones:
    """What can be seen at one frame.

    ``unseen`` are the zones that rest, ``parts`` where in the frame nothing can be seen, and
    ``resumed`` the zones that are seen again, with the seconds for which they were not.
    """

    unseen: frozenset[str] = frozenset()
    parts: tuple[Box, ...] = ()
    resumed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is told of a camera's view: ``good``, or what is the matter with most of it.

    ``since_s`` is on the frames' clock, and never before this run's first one; None until there was one.
    """

    state: str
    since_s: float | None
    commissioned: bool
    abstaining: Mapping[str, Unseen]


class Visibility:
    """The visibility of one camera's zones.

    Args:
        zone_ids: Its zones, masks apart.
        guard: Judges its pictures.
    """

    def __init__(self, zone_ids: Iterable[str], guard: ViewMonitor) -> None:
        self.zone_ids = frozenset(zone_ids)
        self.guard = guard
        self._since_s: dict[str, float] = {}
        self._lost: Unseen | None = None
        self._back_since_s: float | None = None
        self._last_s: float | None = None
        self.view = ViewState("good", None, guard.commissioned, {})

    def take(self, luma: Luma, now_s: float) -> VisibleZones:
        """Take one frame.

        Args:
            luma: Brightness, uint8 (h, w).
            now_s: The frame's ``monotonic_s``.
        """
        self._come_back(now_s)
        verdict = self.guard.take(luma, now_s)
        if self._lost is not None:
            unseen = dict.fromkeys(self.zone_ids, self._lost.since_s)
            parts: tuple[Box, ...] = (WHOLE_FRAME,)
        else:
            unseen, parts = dict(verdict.resting), verdict.parts
        for zone_id, since_s in unseen.items():
            self._since_s.setdefault(zone_id, since_s)
        resumed = {
            zone_id: max(0.0, now_s - self._since_s.pop(zone_id))
            for zone_id in sorted(self._since_s.keys() - unseen.keys())
        }
        self._tell(now_s)
        return VisibleZones(frozenset(unseen), parts, resumed)

    def lose(self, because: str, since_s: float) -> bool:
        """Note that the camera has given no frame since ``since_s``.

        Returns:
            Whether that is new.
        """
        if self._lost is not None and self._lost.because == because:
            return False
        self._lost = Unseen(because, since_s if self._lost is None else self._lost.since_s)
        self._back_since_s = self._last_s = None
        for zone_id in self.zone_ids:
            self._since_s.setdefault(zone_id, since_s)
        self._tell(since_s)
        return True

    def _come_back(self, now_s: float) -> None:
        """Accept a lost camera again once its frames keep coming."""
        steady = self._last_s is not None and now_s - self._last_s <= BACK_GAP_S
        self._last_s = now_s
        if self._lost is None:
            return
        if self._back_since_s is None or not steady:
            self._back_since_s = now_s
        elif now_s - self._back_since_s >= BACK_AFTER_S:
            self._lost = self._back_since_s = None

    @property
    def blind(self) -> bool:
        """Whether nothing at all could be seen when the last frame was taken."""
        return bool(self.zone_ids) and self.zone_ids <= self._since_s.keys()

    def postpone(self, by_s: float) -> None:
        """Let time pass without adding to what the zones were not seen for."""
        self._since_s = {zone_id: since_s + by_s for zone_id, since_s in self._since_s.items()}

    def _tell(self, now_s: float) -> None:
        abstaining = dict(self.guard.abstaining)
        state = self.guard.state
        if self._lost is not None:
            abstaining, state = dict.fromkeys(self.zone_ids, self._lost), self._lost.because
        old = self.view
        since_s = now_s if state != old.state or old.since_s is None else old.since_s
        self.view = ViewState(state, since_s, self.guard.commissioned, abstaining)

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON."""
        return {"since_s": dict(self._since_s), "guard": self.guard.snapshot()}

    def restore(self, saved: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        self._since_s = {
            zone_id: since_s + shift_s
            for zone_id, since_s in saved["since_s"].items()
            if zone_id in self.zone_ids
        }
        self.guard.restore(saved["guard"], shift_s)
