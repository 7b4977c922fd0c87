"""The commands on what has been sent and what waits: ``resend`` and ``pace``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from agent.concurrency.token_bucket import TokenBucket
from agent.delivery.commands.table import Done, Handler
from agent.delivery.sequence_ranges import merged
from agent.protocol.commands import Pace, Refusal, Resend
from agent.storage.kept_table import Asked, counted

if TYPE_CHECKING:
    from agent.delivery.send_scheduler import SendScheduler
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

MAX_AT_ONCE = 100_000
"""One command names so many numbers at most."""
MIN_RESENDS, RESENDS_PERIOD_S = 1000, 3600.0
"""In an hour as many events may be asked for again as are kept, but never fewer than these."""


class BacklogCommands:
    """Brings back what is kept, and sets the pace of what waits. For the uplink's thread.

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

    def _may_not_resend(self, command: Resend) -> Refusal | None:
        asked, present = _asked(command), self._outbox.epoch
        if asked.epoch is not None and not self._outbox.knows(asked.epoch):
            reason = f"not an epoch of this device; the present one is {present}"
            return Refusal("wrong_epoch", reason, field="epoch", one_of=(present,))
        if _numbers(asked) > MAX_AT_ONCE:
            return Refusal("too_many", f"at most {MAX_AT_ONCE} at once", most=MAX_AT_ONCE)
        again, _ = self._counted(asked)
        left, most = self.resends.left, self.resends.most
        if again > left:
            return Refusal(
                "allowance_spent",
                f"{left} more may be asked for now; {most} in an hour",
                most=left,
                wait_s=(again - left) * RESENDS_PERIOD_S / most,
            )
        return None

    def _resend(self, command: Resend) -> Done:
        asked = _asked(command)
        again, waits = self._counted(asked)
        if again:
            again, numbers = self._outbox.resend(asked).result()
            self.resends.spend(again)
            self._scheduler.bring_back(numbers)
        missing = max(0, _numbers(asked) - again - waits)
        reason = f"{missing} of them are not kept under these numbers" if missing else None
        return Done(reason=reason, count=again + waits)

    def _counted(self, asked: Asked) -> tuple[int, int]:
        with closing(self._database.read()) as reader:
            return counted(reader, asked, self._outbox.epoch)


def _asked(command: Resend) -> Asked:
    if command.from_at is not None and command.to_at is not None:
        return Asked(None, (), command.from_at.timestamp(), command.to_at.timestamp())
    return Asked(command.epoch, merged(command.ranges or ()))


def _numbers(asked: Asked) -> int:
    """How many numbers are asked for; 0 if it is by time."""
    return sum(last - first + 1 for first, last in asked.spans)
