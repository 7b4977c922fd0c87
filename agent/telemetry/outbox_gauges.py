"""How much waits in the outbox, for the heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.protocol.heartbeat import Waiting
from agent.telemetry.gauges import gauge

if TYPE_CHECKING:
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock


class OutboxGauges:
    """Counts what waits. From any thread.

    Args:
        outbox: What is counted.
        clock: Tells the age of what waits.

    Every gauge raises StorageError where the outbox cannot be read.
    """

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox, self._clock = outbox, clock

    @gauge
    def outbox_rows(self) -> int:
        """How many events wait."""
        return self._outbox.figures().rows

    @gauge
    def outbox_oldest_s(self) -> float:
        """For how long the oldest has waited."""
        return round(self._outbox.figures().oldest_s(self._clock), 3)

    @gauge
    def waiting(self) -> dict[str, Waiting]:
        """Both, for each lane that is not empty."""
        return {
            lane.name.lower(): Waiting(
                rows=figures.rows, oldest_s=round(figures.oldest_s(self._clock), 3)
            )
            for lane, figures in self._outbox.lanes().items()
        }
