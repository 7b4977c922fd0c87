"""For how long things have been kept, by no clock that can be set wrong.

Retention is measured in *lived* time: seconds on the monotonic clock, and between two boots the time by the
wall clock if a time source had set it both times, but never more than :data:`MAX_OFF_S`. A clock that jumps
by hours or years makes nothing older; a device without any time source still deletes what is old.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from drivers.clock import Clock

DAY_S = 86_400.0
MAX_OFF_S = 7 * DAY_S
"""A device that was off for longer, or whose clock says so, ages by this."""


class LivedTime(BaseModel):
    """The lived time, and the moment at which it was counted.

    ``wall_at`` is the wall clock when it was last trustworthy, ``wall_boot_id`` the boot of that moment, and
    ``since_wall_s`` the lived time since. A device without a battery clock gets the time minutes after its
    start: only then is it known how long it was off.
    """

    model_config = ConfigDict(frozen=True)

    lived_s: float = 0.0
    boot_id: str | None = None
    monotonic_s: float = 0.0
    wall_at: datetime | None = None
    wall_boot_id: str | None = None
    since_wall_s: float = 0.0

    def now(self, clock: Clock) -> Self:
        """Advance to now."""
        up_s = self._up_s(clock)
        passed_s = up_s + (self._off_s(clock, up_s) if clock.synchronised else 0.0)
        counted = self.model_copy(
            update={
                "lived_s": self.lived_s + passed_s,
                "boot_id": clock.boot_id,
                "monotonic_s": clock.monotonic_s(),
                "since_wall_s": self.since_wall_s + passed_s,
            }
        )
        if not clock.synchronised:
            return counted
        wall_at = clock.now().astimezone(UTC)
        return counted.model_copy(
            update={"wall_at": wall_at, "wall_boot_id": clock.boot_id, "since_wall_s": 0.0}
        )

    def _up_s(self, clock: Clock) -> float:
        """Seconds passed on the monotonic clock."""
        if self.boot_id is None:
            return 0.0
        if self.boot_id == clock.boot_id:
            return max(0.0, clock.monotonic_s() - self.monotonic_s)
        return min(clock.monotonic_s(), MAX_OFF_S)

    def _off_s(self, clock: Clock, up_s: float) -> float:
        """Seconds switched off, by a wall clock that is trustworthy now; once per boot."""
        if self.wall_at is None or (self.wall_boot_id or self.boot_id) == clock.boot_id:
            return 0.0
        passed_s = (clock.now() - self.wall_at).total_seconds() - self.since_wall_s - up_s
        return min(max(passed_s, 0.0), MAX_OFF_S)
