"""Dwell times of tracks in a zone, on the frames' monotonic clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.domain.scene import Stay, Track, Zone
from agent.domain.zones import inside

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


FOOT_SLACK = 0.15
"""How far, in parts of its height, the foot of a thing that stays may stray from the zone."""


@dataclass(slots=True)
class _Entry:
    entered_s: float
    last_in_s: float


class DwellTimer:
    """Measures the stays in one zone.

    A track stays while it stands still with its foot in the zone. It may be out of it, or out of
    sight, for ``grace_s`` without losing its stay; the time between counts. One that is seen to
    move stays no longer.

    Args:
        zone: The zone.
        grace_s: How long a stay outlives what it is known by.
        beside: Other zones of its kind. What has not moved and strays into one of them, as its box
            trembles or comes out from behind somebody, still stays here.
        labels: Of what; None: of everything.
    """

    def __init__(
        self,
        zone: Zone,
        grace_s: float = 3.0,
        beside: Sequence[Zone] = (),
        labels: Collection[str] | None = None,
    ) -> None:
        self.zone = zone
        self._grace_s = grace_s
        self._beside = tuple(other for other in beside if other is not zone)
        self._labels = labels
        self._entries: dict[int, _Entry] = {}
        self._now_s = float("-inf")

    def update(self, tracks: Sequence[Track], now_s: float) -> list[Stay]:
        """Take one frame's tracks and return the stays that go on.

        Args:
            tracks: Every confirmed track in the frame.
            now_s: The frame's ``monotonic_s``. Must not go back.

        Raises:
            ValueError: Time went back.
        """
        if now_s < self._now_s:
            raise ValueError(f"time went back from {self._now_s} s to {now_s} s")
        self._now_s = now_s
        for track in tracks:
            if self._labels is not None and track.label not in self._labels:
                continue
            if track.still_since_s is not None:
                self._stand(track, track.still_since_s)
            elif track.seen_now:
                self._entries.pop(track.track_id, None)
        self._entries = {
            track_id: entry
            for track_id, entry in self._entries.items()
            if now_s - entry.last_in_s <= self._grace_s
        }
        return [
            Stay(track_id, self.zone.zone_id, entry.entered_s, now_s - entry.entered_s)
            for track_id, entry in self._entries.items()
        ]

    def _stand(self, track: Track, since_s: float) -> None:
        """Take a track that stands; by its foot it is in the zone or not."""
        entry = self._entries.get(track.track_id)
        if entry is not None and since_s <= entry.last_in_s:
            if self._is_still_in(track):
                entry.last_in_s = self._now_s
        elif inside(track.box.foot, self.zone):
            self._entries[track.track_id] = _Entry(since_s, self._now_s)

    def _is_still_in(self, track: Track) -> bool:
        """One that stays already may have its foot a little outside, for boxes tremble."""
        x, y = track.box.foot
        slack = FOOT_SLACK * track.box.height
        return any(inside((x, y + dy), self.zone) for dy in (0.0, slack, -slack)) or any(
            inside((x, y), other) for other in self._beside
        )

    def resume(self, unseen_s: float) -> None:
        """Resume after the zone was not visible; that time adds to no stay."""
        for entry in self._entries.values():
            entry.entered_s += unseen_s
            entry.last_in_s += unseen_s

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON."""
        return {
            str(track_id): [entry.entered_s, entry.last_in_s]
            for track_id, entry in self._entries.items()
        }

    def restore(self, snapshot: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        self._entries = {
            int(track_id): _Entry(entered_s + shift_s, last_in_s + shift_s)
            for track_id, (entered_s, last_in_s) in snapshot.items()
        }
