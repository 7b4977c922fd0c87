"""The commands on cases: ``ticket`` and ``verdict``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from agent.delivery.commands import AnyHandler, Change, Done, Handler, SignedHandler
from agent.protocol.case import Verdict
from agent.protocol.commands import JudgeCase, Refusal, TicketCase
from agent.storage import case_notes, day_counters
from agent.storage.case_table import case_of, has_case

if TYPE_CHECKING:
    import sqlite3
    from zoneinfo import ZoneInfo

    from agent.identity.authorities import Signature
    from agent.storage.database import Database
    from drivers.clock import Clock


class CaseCommands:
    """Keeps with a case what the platform tells of it. For the uplink's thread.

    Args:
        database: Where the cases are.
        clock: For when a verdict came.
        timezone: The site's, in which days are counted.
    """

    def __init__(self, database: Database, clock: Clock, timezone: ZoneInfo) -> None:
        self._database, self._clock, self._timezone = database, clock, timezone

    @property
    def handlers(self) -> tuple[AnyHandler, ...]:
        """For the table."""
        return (
            Handler(TicketCase, self._ticket),
            SignedHandler(JudgeCase, self._judge),
        )

    def _ticket(self, command: TicketCase) -> Done:
        self._refuse_unknown(command.case_id)
        self._database.write(
            lambda connection: case_notes.note_ticket(connection, command.case_id, command.ticket)
        ).result()
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
            case_notes.note_verdict(connection, command.case_id, verdict)
            case = case_of(connection, command.case_id)
            if case is not None and (before is None or before.verdict != verdict.verdict):
                day = day_counters.day_of(now, self._timezone)
                place = (case.zone_id, case.kind, day_counters.JUDGED + verdict.verdict)
                day_counters.count(connection, day, {place: 1.0})

        self._database.write(write).result()
        facts = {
            "case_id": command.case_id,
            "verdict": command.verdict,
            "reference": command.reference,
        }
        return Done(change=Change("case.judged", facts))

    def _refuse_unknown(self, case_id: str) -> None:
        with closing(self._database.read()) as connection:
            if not has_case(connection, case_id):
                raise Refusal("not_found", "nothing is kept of this case", field="case_id")
