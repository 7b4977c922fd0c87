"""Watches the wall clock and reports each correction; events already reported are not rewritten.

Dwell and order never depend on the wall clock, so a device whose clock starts in 1970 or jumps by years
judges like any other. Its events have times, though. An event keeps the time that it was given, says how
good the clock was then, and also has its time on the monotonic clock; the ``device.clock`` event that
follows a correction maps monotonic time to the corrected clock.
"""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

from agent.protocol.base import ClockReading, ClockState
from agent.protocol.events import ClockBody, Concerned, Draft
from agent.storage.errors import StorageError
from agent.storage.outbox_queries import last_sequence
from agent.storage.state_table import load_state, save_state
from drivers.clock import wall_zero_s, was_set

if TYPE_CHECKING:
    import sqlite3
    import threading

    from agent.domain.ids import Ids
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.cameras import Frame
    from drivers.clock import Clock

LOOK_EVERY_S = 1.0
APART_S = 60.0
"""Corrections are told this far apart at least: two time sources may quarrel."""
STEP_S = 0.5
"""Half of the second to which people read an event's time: whoever reads events is told of all that is more."""
FRESH_S = 30.0
"""A live camera's frame is no older; one that is has the time of a recording."""
_KNOWN = "clock.known"

_log = logging.getLogger(__name__)


def reading_of(frame: Frame, clock: Clock) -> ClockReading:
    """How trustworthy a frame's time is: the state of the clock when the picture was taken.

    A recording that a running agent is shown has times of its own, for which no clock of the device vouches.
    """
    now = ClockReading.of(clock)
    age_s = now.monotonic_s - frame.monotonic_s
    zero_then_s = frame.captured_at.timestamp() - frame.monotonic_s
    otherwise_set = was_set(zero_then_s, wall_zero_s(clock), STEP_S)
    if not 0 <= age_s <= FRESH_S:
        return now.model_copy(update={"state": "replay", "error_s": None}) if otherwise_set else now
    taken = {"monotonic_s": frame.monotonic_s}
    if otherwise_set:  # what is so now says nothing of that time
        return now.model_copy(update={**taken, "state": "unsynchronised", "error_s": None})
    return now.model_copy(update=taken)


class _Known(BaseModel):
    """The clock mapping for events of this boot, as last reported to the platform.

    ``zero_s``: see :func:`drivers.clock.wall_zero_s`; ``first`` is the first number of the boot in ``epoch``.
    """

    model_config = ConfigDict(frozen=True)

    boot_id: str
    zero_s: float
    state: ClockState
    epoch: str
    first: int

    @classmethod
    def of(cls, clock: Clock, epoch: str, first: int) -> Self:
        return cls(
            boot_id=clock.boot_id,
            zero_s=wall_zero_s(clock),
            state="synchronised" if clock.synchronised else "unsynchronised",
            epoch=epoch,
            first=first,
        )

    def is_corrected_by(self, seen: _Known) -> bool:
        return self.state != seen.state or was_set(self.zero_s, seen.zero_s, STEP_S)


class ClockMonitor:
    """Reports the state of the clock, and each correction.

    Args:
        database: Where the last report is kept.
        outbox: Where corrections go.
        clock: The clock to watch.
        ids: For the events' ids.
    """

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, ids: Ids) -> None:
        self._database, self._outbox = database, outbox
        self._clock, self._ids = clock, ids
        self._known: _Known | None = None
        self._told_s = -math.inf

    def run(self, stop: threading.Event) -> None:
        """Check the clock at intervals until stopped; a failed write is tried again."""
        while not stop.is_set():
            try:
                self.look()
            except StorageError as error:
                _log.warning("the clock's correction waits: %s", error)
            stop.wait(LOOK_EVERY_S)

    def look(self) -> int | None:
        """Check the clock and queue a correction if there is one.

        Returns:
            Its sequence number; None if there is nothing to report, or it is too soon.

        Raises:
            StorageError: It could not be written; the next check tries again.
        """
        seen = _Known.of(self._clock, self._outbox.epoch, 0)
        known = self._known
        now_s = self._clock.monotonic_s()
        if known is not None and (
            not known.is_corrected_by(seen) or now_s - self._told_s < APART_S
        ):
            return None
        self._known, sequence = self._database.write(
            lambda connection: self._settle(connection, seen)
        ).result()
        if sequence is not None:
            self._told_s = now_s
        return sequence

    def _settle(self, connection: sqlite3.Connection, seen: _Known) -> tuple[_Known, int | None]:
        """Compare with the last report, also of an earlier run, and report what differs."""
        text = load_state(connection, _KNOWN)
        known = None if text is None else _Known.model_validate_json(text)
        last, epoch = last_sequence(connection), self._outbox.epoch
        if known is None or known.boot_id != seen.boot_id:
            first, sequence = last + 1, None
        else:
            first = known.first if known.epoch == epoch else 1  # numbered anew, from 1 on
            sequence = None
            if known.is_corrected_by(seen):
                told = last >= first
                concerned = Concerned(epoch=epoch, first=first, last=last) if told else None
                sequence = self._tell(connection, known, seen, concerned)
        seen = seen.model_copy(update={"epoch": epoch, "first": first})
        save_state(connection, _KNOWN, seen.model_dump_json())
        return seen, sequence

    def _tell(
        self,
        connection: sqlite3.Connection,
        known: _Known,
        seen: _Known,
        concerned: Concerned | None,
    ) -> int:
        body = ClockBody(
            boot_id=seen.boot_id,
            zero_at=datetime.fromtimestamp(seen.zero_s, UTC),
            offset_s=round(seen.zero_s - known.zero_s, 3),
            from_state=known.state,
            to_state=seen.state,
            concerned=concerned,
        )
        _log.warning(
            "the clock was set by %+.3f s; it was %s and is %s",
            body.offset_s,
            body.from_state,
            body.to_state,
        )
        return self._outbox.add(connection, Draft.of_device(body, self._clock, self._ids))
