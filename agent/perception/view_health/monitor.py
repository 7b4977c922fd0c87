"""Debounces the checks' results over time into the state of each zone's view. Pure.

A zone rests at the first sign. It abstains when the sign has lasted, and is judged again when there
has been none for a while. Nothing else ends it, and it needs nobody: the view returns by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.domain.scene import WHOLE_FRAME, Box, Unseen
from agent.perception.view_health.checks import WHOLE, Judge, Signs
from agent.perception.view_health.frozen_picture import Still
from agent.perception.view_health.settings import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.domain.scene import Zone
    from agent.perception.surroundings import View
    from agent.perception.view_health.features import Luma
    from agent.perception.view_health.settings import Problem, Settings

DOUBT_ENDS_AFTER_S = 1.5
"""A doubt that was not told ends when there has been no sign for so long."""


@dataclass(frozen=True, slots=True)
class ViewVerdict:
    """``resting``: zones that are not to be judged now, and since when; ``parts``: where."""

    resting: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[Box, ...] = ()


@dataclass(slots=True)
class OngoingProblem:
    """One problem of one zone over time."""

    since_s: float
    last_s: float
    told: bool = False

    def ends(self, now_s: float, return_after_s: float) -> bool:
        """Whether there has been no sign of it for long enough."""
        wait_s = return_after_s if self.told else min(return_after_s, DOUBT_ENDS_AFTER_S)
        return now_s - self.last_s > wait_s


class ViewMonitor:
    """Monitors one camera's view.

    Args:
        zones: The camera's zones.
        settings: Thresholds and times.
        reference: The luma of its reference image; None: there is none.
    """

    def __init__(
        self, zones: Sequence[Zone], settings: Settings, reference: Luma | None = None
    ) -> None:
        self._zones, self._settings, self._reference = tuple(zones), settings, reference
        self._judge: Judge | None = None
        self._shape: tuple[int, ...] = ()
        self._holds: dict[tuple[str, Problem], OngoingProblem] = {}
        self._parts: tuple[Box, ...] = ()
        self._measured_s: float | None = None
        self._still = Still()
        self._same_since_s = 0.0
        self._verdict = ViewVerdict()

    @property
    def commissioned(self) -> bool:
        """Whether there is a usable reference image."""
        return self._reference is not None and (self._judge is None or self._judge.referenced)

    @property
    def direction(self) -> View:
        """Whether the camera looks where it was commissioned; any sign that it does not counts, however short."""
        if any(problem == "moved" for _, problem in self._holds):
            return "moved"
        known = self.commissioned and "moved" not in self._settings.off
        return "steady" if known else "unknown"

    def commission(self, reference: Luma) -> None:
        """Use another reference image from now on; results from the old one are discarded."""
        self._reference, self._judge = reference, None
        self._holds, self._measured_s = {}, None

    def take(self, luma: Luma, now_s: float) -> ViewVerdict:
        """Take one frame; within ``every_s`` of the last one measured, say what was said of that.

        Args:
            luma: Brightness, uint8 (h, w).
            now_s: The frame's ``monotonic_s``.
        """
        if self._measured_s is not None and 0 <= now_s - self._measured_s < self._settings.every_s:
            return self._verdict
        if self._judge is None or luma.shape != self._shape:
            self._shape = luma.shape
            shape = (luma.shape[0], luma.shape[1])
            self._judge = Judge(self._zones, self._settings, self._reference, shape)
            self._still = Still(self._judge.masked)
        signs = self._judge.signs(luma)
        found = dict(signs.zones)
        if self._frozen(luma, now_s):
            found["frozen"] = self._judge.zone_ids
        self._follow(found, now_s, covered=signs.covered)
        self._verdict = self._conclude(signs, found)
        self._measured_s = now_s
        return self._verdict

    def _frozen(self, luma: Luma, now_s: float) -> bool:
        """Whether this is the same picture, without a living sensor's noise, for too long."""
        if "frozen" in self._settings.off:
            return False
        self._same_since_s = self._still.take(luma, now_s)
        return now_s - self._same_since_s >= self._settings.frozen_after_s

    def _follow(
        self, found: Mapping[Problem, frozenset[str]], now_s: float, *, covered: bool
    ) -> None:
        for problem, zones in found.items():
            after_s = self._settings.after_s(problem)
            if problem == "blocked" and covered:
                after_s = min(after_s, self._settings.covered_after_s)
            since_s = self._same_since_s if problem == "frozen" else now_s
            for zone_id in zones:
                hold = self._holds.setdefault((zone_id, problem), OngoingProblem(since_s, now_s))
                hold.last_s = now_s
                hold.told = hold.told or now_s - hold.since_s >= after_s
        wait_s = self._settings.return_after_s
        self._holds = {
            key: hold for key, hold in self._holds.items() if not hold.ends(now_s, wait_s)
        }

    def _conclude(self, signs: Signs, found: Mapping[Problem, frozenset[str]]) -> ViewVerdict:
        resting: dict[str, float] = {}
        for (zone_id, _), hold in self._holds.items():
            if zone_id != WHOLE:
                resting[zone_id] = min(hold.since_s, resting.get(zone_id, hold.since_s))
        if not self._holds:
            self._parts = ()
        elif "frozen" in found:
            self._parts = (WHOLE_FRAME,)
        elif signs.parts:
            self._parts = signs.parts
        # Where a sign has just ended, the parts stay unseen until its zones are judged again.
        return ViewVerdict(resting, self._parts)

    @property
    def abstaining(self) -> dict[str, Unseen]:
        """Zones of which nothing can be said, for long enough to be told; why and since when."""
        told: dict[str, Unseen] = {}
        for problem in PROBLEMS:
            for (zone_id, what), hold in self._holds.items():
                if what == problem and hold.told and zone_id != WHOLE:
                    told.setdefault(zone_id, Unseen(f"view_{problem}", hold.since_s))
        return told

    @property
    def state(self) -> str:
        """``good``, or what is the matter: with the frame, else with any of its zones."""
        for problem in PROBLEMS:
            if (hold := self._holds.get((WHOLE, problem))) is not None and hold.told:
                return f"view_{problem}"
        reasons = [unseen.because for unseen in self.abstaining.values()]
        return reasons[0] if reasons else "good"

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON."""
        return {
            "holds": [
                [zone_id, problem, hold.since_s, hold.last_s, hold.told]
                for (zone_id, problem), hold in sorted(self._holds.items())
            ]
        }

    def restore(self, saved: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        known = {zone.zone_id for zone in self._zones} | {WHOLE}
        for zone_id, problem, since_s, last_s, told in saved.get("holds", ()):
            if zone_id in known and problem in PROBLEMS:
                hold = OngoingProblem(since_s + shift_s, last_s + shift_s, bool(told))
                self._holds[zone_id, problem] = hold
