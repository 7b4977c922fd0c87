"""The command ``hold``: the platform holds a case, or lifts its hold."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from agent.delivery.commands.table import Change, Done, Handler
from agent.domain.ids import is_uuid
from agent.protocol.commands import HoldCase, Refusal
from agent.retention.legal_holds import (
    MAX_OF_PLATFORM,
    LegalHold,
    LegalHolds,
    TooManyHoldsError,
)
from agent.storage.case_table import has_case

if TYPE_CHECKING:
    from pathlib import Path

    from agent.storage.database import Database
    from drivers.clock import Clock


class HoldCommand:
    """Sets and lifts the platform's holds.

    Args:
        state_dir: Where the holds lie.
        evidence_dir: Where the pictures of cases are.
        database: Where the cases are.
        clock: For when a hold was set.
    """

    def __init__(
        self, state_dir: Path, evidence_dir: Path, database: Database, clock: Clock
    ) -> None:
        self._holds, self._evidence_dir = LegalHolds(state_dir), evidence_dir
        self._database, self._clock = database, clock

    @property
    def handler(self) -> Handler[HoldCase]:
        """For the table of commands."""
        return Handler(HoldCase, self._obey, self._refusal)

    def _refusal(self, command: HoldCase) -> Refusal | None:
        if not command.held and self._holds.is_held_by(command.case_id, "platform"):
            return None
        if not command.held and command.case_id in self._holds.names():
            return Refusal(
                "held_on_device", "it is held by a technician, and that is lifted on the device"
            )
        if self._is_kept(command.case_id):
            return None
        return Refusal("not_found", "nothing is kept of this case", field="case_id")

    def _obey(self, command: HoldCase) -> Done:
        what, order = ("hold.set", self._set) if command.held else ("hold.lifted", self._lift)
        order(command)
        # Recorded also where it was so already: the order may have come before, and the log not have taken it.
        return Done(change=Change(what, {"case_id": command.case_id, "reason": command.reason}))

    def _set(self, command: HoldCase) -> None:
        hold = LegalHold(
            case_id=command.case_id,
            reason=command.reason,
            by="platform",
            at=self._clock.now(),
            origin="platform",
        )
        try:
            self._holds.set(hold)
        except TooManyHoldsError as error:
            raise Refusal("too_many", str(error), most=MAX_OF_PLATFORM) from error

    def _lift(self, command: HoldCase) -> None:
        self._holds.lift(command.case_id, "platform")

    def _is_kept(self, case_id: str) -> bool:
        if is_uuid(case_id) and (self._evidence_dir / case_id).is_dir():
            return True
        with closing(self._database.read()) as connection:
            return has_case(connection, case_id)
