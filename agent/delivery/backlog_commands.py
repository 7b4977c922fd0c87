"""The commands on what has been sent and what waits: ``resend`` and ``pace``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from agent.concurrency.token_bucket import TokenBucket
from agent.delivery.commands import Done, Handler
from agent.protocol.commands import Pace, Resend
from agent.storage.outbox_queries import counted

if TYPE_CHECKING:
    from agent.delivery.send_scheduler import SendScheduler
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

MAX_AT_ONCE = 100_000
"""One command names so many events at most."""
MIN_RESENDS, RESENDS_PERIOD_S = 1000, 3600.0
"""In an hour as many events may be asked for again as are kept, but never fewer than these."""


class BacklogCommands:
    """Brings back what has arrived, and sets the pace of what waits. For the uplink's thread.

    Args:
        database: The outbox's.
        outbox: What is brought back.
        scheduler: What is under way.
        clock: Its steady time counts.
        keep_arrived: So many events are kept after they have arrived; as many may be asked for in an hour.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        scheduler: SendScheduler,
        clock: Clock,
        keep_arrived: int,
    ) -> None:
        self._database, self._outbox, self._scheduler = database, outbox, scheduler
        self.resends = TokenBucket(max(keep_arrived, MIN_RESENDS), RESENDS_PERIOD_S, clock)

    @property
    def handlers(self) -> tuple[Handler[Any], ...]:
        """For the table."""
        return Handler(Resend, self._resend, self._may_not_resend), Handler(Pace, self._pace)

    def _pace(self, command: Pace) -> Done:
        self._scheduler.pace.set(command.backlog_events_per_s, "platform")
        return Done()

    def _may_not_resend(self, command: Resend) -> str | None:
        first, last = command.first, command.last
        if command.epoch != self._outbox.epoch:
            return f"the epoch is {self._outbox.epoch}"
        if last < first:
            return "last is below first"
        if last - first >= MAX_AT_ONCE:
            return f"at most {MAX_AT_ONCE} at once"
        arrived, _ = self._counted(command)
        if arrived > self.resends.left:
            return f"{self.resends.left} more may be asked for now; {self.resends.most} in an hour"
        return None

    def _resend(self, command: Resend) -> Done:
        first, last = command.first, command.last
        arrived, waits = self._counted(command)
        if arrived:
            again = self._outbox.resend(first, last).result()
            self.resends.spend(again)
            self._scheduler.bring_back(first, last)
            waits += again
        missing = max(0, last - first + 1 - waits)
        reason = f"{missing} of them are kept no more" if missing else None
        return Done(reason=reason, count=waits)

    def _counted(self, command: Resend) -> tuple[int, int]:
        with closing(self._database.read()) as reader:
            return counted(reader, command.first, command.last)
