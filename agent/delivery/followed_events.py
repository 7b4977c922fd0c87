"""How far single events came on their way: of those that somebody waits for, as a technician for his test case.

Notes are taken by the uplink's thread; anybody may read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from drivers.clock import Clock

Step = Literal["sent", "acknowledged", "receipted", "refused"]
"""Published; the broker's PUBACK; the platform's receipt that it is stored, or that it never will be."""
MOST = 16
"""So many are followed, the newest: who asks for more has forgotten the first."""


class FollowedEvents:
    """The steps of the events that are followed, each with the time when it happened first.

    Args:
        clock: For the times.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: dict[int, dict[Step, datetime]] = {}

    def follow(self, sequence: int) -> None:
        """Take note of an event's steps from now on."""
        kept = [*self._steps.items(), (sequence, {})]
        self._steps = dict(kept[-MOST:])  # a new one: others read the one that was there

    def note(self, step: Step, sequences: Iterable[int]) -> None:
        """Take note that events have come so far; costs nothing while none is followed."""
        if not self._steps:
            return
        for sequence in sequences:
            if (steps := self._steps.get(sequence)) is not None:
                steps.setdefault(step, self._clock.now())

    def steps(self, sequence: int) -> dict[Step, datetime]:
        """When an event came how far; empty: not yet, or it is followed no more."""
        return dict(self._steps.get(sequence, {}))

    def forget(self) -> None:
        """Forget all: their numbers mean other events now."""
        self._steps = {}
