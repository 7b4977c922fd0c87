"""The commands on cases: ``ticket`` and ``verdict``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.config.reported_case import LastTold, retold
from agent.delivery.commands.table import AnyHandler, Change, Done, Handler, SignedHandler
from agent.protocol.base import ClockReading
from agent.protocol.case import Verdict
from agent.protocol.commands import JudgeCase, Refusal, TicketCase
from agent.protocol.events import Draft
from agent.storage import case_notes, day_counters, held_back_table
from agent.storage.case_table import case_of, has_case, last_body
from agent.storage.verdict_table import keep_verdict

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from agent.config.schema import Configuration
    from agent.domain.ids import Ids
    from agent.identity.authorities import Signature
    from agent.protocol.events import ToldType
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock


class CaseCommands:
    """Keeps with a case what the platform tells of it. For the uplink's thread.

    Args:
        configuration: The site: its cameras, its days, what the law asks of it.
        database: Where the cases are.
        outbox: Where it is confirmed what was told.
        clock: For when a verdict came.
        ids: For the events' ids.
    """

    def __init__(
        self,
        configuration: Configuration,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self.configuration = configuration
        self._database, self._outbox, self._clock, self._ids = database, outbox, clock, ids
        self._timezone = ZoneInfo(configuration.site.timezone)

    @property
    def handlers(self) -> tuple[AnyHandler, ...]:
        """For the table."""
        return (
            Handler(TicketCase, self._ticket),
            SignedHandler(JudgeCase, self._judge),
        )

    def _ticket(self, command: TicketCase) -> Done:
        self._refuse_unknown(command.case_id)
        now = self._clock.now()

        def write(connection: sqlite3.Connection) -> None:
            if case_notes.notes_on(connection, command.case_id).ticket != command.ticket:
                case_notes.note_ticket(connection, command.case_id, command.ticket)
                self._confirm(connection, "case.ticketed", command.case_id, now)

        self._database.write(write).result()
        facts = {"case_id": command.case_id, "ticket": command.ticket}
        return Done(change=Change("case.ticketed", facts))

    def _judge(self, command: JudgeCase, signature: Signature) -> Done:
        self._refuse_unknown(command.case_id)
        now = self._clock.now().astimezone(self._timezone)
        verdict = Verdict(
            verdict=command.verdict,
            duplicate_of=command.duplicate_of,
            reference=command.reference,
            at=now,
            key=signature.kid,
        )

        def write(connection: sqlite3.Connection) -> None:
            before = case_notes.notes_on(connection, command.case_id).verdict
            if before is None or before.model_copy(update={"at": now}) != verdict:
                case_notes.note_verdict(connection, command.case_id, verdict)
                self._count(connection, command, before)
                self._confirm(connection, "case.judged", command.case_id, now)

        self._database.write(write).result()
        facts = {
            "case_id": command.case_id,
            "verdict": command.verdict,
            "reference": command.reference,
        }
        return Done(change=Change("case.judged", facts))

    def _count(
        self, connection: sqlite3.Connection, command: JudgeCase, before: Verdict | None
    ) -> None:
        """Count a verdict that is another, and hold back a false alarm; of a test nothing is counted."""
        case = case_of(connection, command.case_id)
        if case is None or case.test or (before is not None and before.verdict == command.verdict):
            return
        day = day_counters.day_of(self._clock.now(), self._timezone)
        place = (case.zone_id, case.kind, day_counters.JUDGED + command.verdict)
        day_counters.count(connection, day, {place: 1.0})
        keep_verdict(connection, case, command.verdict)
        if command.verdict == "false":
            held_back_table.hold(connection, case)
        else:
            held_back_table.release(connection, [case.case_id])

    def _confirm(
        self, connection: sqlite3.Connection, type_: ToldType, case_id: str, now: datetime
    ) -> None:
        """Tell what was noted of a case; in the same transaction, so that there is never one without the other."""
        case = case_of(connection, case_id)
        if case is None:
            return
        told = LastTold(case, last_body(connection, case_id), now)
        noted = case_notes.notes_on(connection, case_id)
        body = retold(case, told, noted, self.configuration)
        draft = Draft(
            event_id=self._ids.new(now),
            type=type_,
            occurred_at=now,
            clock=ClockReading.of(self._clock),
            body=body,
            test=case.test,
        )
        self._outbox.add(connection, draft)

    def _refuse_unknown(self, case_id: str) -> None:
        with closing(self._database.read()) as connection:
            if not has_case(connection, case_id):
                raise Refusal("not_found", "nothing is kept of this case", field="case_id")
