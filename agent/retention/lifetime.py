"""For how long things have been kept, by no clock that can be set wrong. Pure.

What is kept ages in *lived* time: seconds that passed on the steady clock, and between two boots the
time by the wall clock if a time source had set it both times, but never more than :data:`MOST_OFF_S`. A
clock that steps by hours or years makes nothing older; a device without any time source still forgets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from drivers.clock import Clock

MOST_OFF_S = 7 * 86_400.0
"""A device that was off for longer, or whose clock says so, ages by this."""


class Lifetime(BaseModel):
    """How long the device has lived, and at which moment that was counted.

    ``wall_at`` is the wall clock then, if it could be trusted.
    """

    model_config = ConfigDict(frozen=True)

    lived_s: float = 0.0
    boot_id: str | None = None
    monotonic_s: float = 0.0
    wall_at: datetime | None = None

    def now(self, clock: Clock) -> Self:
        """Count on to this moment."""
        return self.model_copy(
            update={
                "lived_s": self.lived_s + self._passed_s(clock),
                "boot_id": clock.boot_id,
                "monotonic_s": clock.monotonic_s(),
                "wall_at": clock.now().astimezone(UTC) if clock.synchronised else None,
            }
        )

    def _passed_s(self, clock: Clock) -> float:
        if self.boot_id is None:
            return 0.0
        if self.boot_id == clock.boot_id:
            return max(0.0, clock.monotonic_s() - self.monotonic_s)
        up_s = min(clock.monotonic_s(), MOST_OFF_S)
        if self.wall_at is None or not clock.synchronised:
            return up_s
        off_s = (clock.now() - self.wall_at).total_seconds()
        return min(max(off_s, up_s), MOST_OFF_S)
