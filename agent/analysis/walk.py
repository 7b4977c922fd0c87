"""Where everybody and everything is now that is followed, and for how long in which zone: for a walk test.

Rules go by what stands still and may be somebody's; whoever tries a camera walks through the picture and wants to
see himself followed. So here everything counts whose foot is in a zone, from the moment that it is.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.domain.scene import MASK
from agent.domain.zones import inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from agent.analysis.camera_pipeline import Pipeline
    from agent.domain.scene import Track
    from drivers.cameras import Frame

ASKED_S = 15.0
"""After nobody has asked for so long nothing is followed here."""


@dataclass(frozen=True, slots=True)
class Walked:
    """One thing at one moment; zone → for how many seconds its foot has been in it."""

    track: Track
    zones: dict[str, float]


@dataclass(frozen=True, slots=True)
class Walk:
    """What one camera shows at one moment."""

    at: datetime
    now_s: float
    followed: tuple[Walked, ...]
    looked_share: float
    """Of the frame: how much the network looks at."""


class WalkWatch:
    """What all cameras show while somebody asks.

    Args:
        now_s: The monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._asked_s: dict[str, float] = {}
        self._entered_s: dict[tuple[str, int, str], float] = {}
        self._newest: dict[str, Walk] = {}

    def newest(self, camera_id: str) -> Walk | None:
        """What a camera shows; None: not yet. From any thread. Whoever asks keeps it coming."""
        with self._lock:
            now_s, before_s = self._now_s(), self._asked_s.get(camera_id)
            if before_s is None or now_s - before_s > ASKED_S:
                self._newest.pop(camera_id, None)
            self._asked_s[camera_id] = now_s
            return self._newest.get(camera_id)

    def take(self, frame: Frame, pipeline: Pipeline) -> None:
        """Take one judged frame. For the analysis: it costs nothing while nobody asks."""
        camera_id = frame.camera_id
        asked_s = self._asked_s.get(camera_id)
        if asked_s is None or self._now_s() - asked_s > ASKED_S:
            return
        zones = [zone for zone in pipeline.zones if zone.kind != MASK]
        entered: dict[tuple[str, int, str], float] = {}
        followed = []
        for track in pipeline.tracks:
            there: dict[str, float] = {}
            for zone in zones:
                if inside(track.box.foot, zone):
                    key = camera_id, track.track_id, zone.zone_id
                    since_s = entered[key] = self._entered_s.get(key, frame.monotonic_s)
                    there[zone.zone_id] = frame.monotonic_s - since_s
            followed.append(Walked(track, there))
        seen = () if pipeline.observation is None else pipeline.observation.regions_looked
        looked = min(1.0, sum(region.area for region in seen))
        walk = Walk(frame.captured_at, frame.monotonic_s, tuple(followed), looked)
        with self._lock:
            others = {key: s for key, s in self._entered_s.items() if key[0] != camera_id}
            self._entered_s = others | entered
            self._newest[camera_id] = walk
