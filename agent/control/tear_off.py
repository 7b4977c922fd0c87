"""The tear-off test: a case that nobody saw goes the whole way to the platform, and its ticket number comes home.

It is marked as a test in the contract, and nothing that is counted counts it. On the device it is over as soon as
it is begun: opened and cleared are queued in one transaction, so that no power cut leaves one open, and it can
stand beside a real case at the same place.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from agent.config.reported_case import code_of, facts_of
from agent.config.reported_place import allowed_s, place_of
from agent.control.errors import RefusedError
from agent.control.messages.base import Words
from agent.control.messages.service import TearOffReply
from agent.domain.scene import Case
from agent.protocol.base import ClockReading
from agent.protocol.case import CaseBody
from agent.protocol.events import Draft
from agent.scenarios import judges
from agent.storage.case_notes import CaseNotes, notes_on
from agent.storage.case_table import case_of, last_body, save_case, save_trace
from agent.storage.errors import StorageError
from wording.harmless import harmless
from wording.known_errors import reason_of, words_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.config.schema import Configuration, ZoneSection
    from agent.control.messages.service import AskTestCase, AskTestCaseState
    from agent.control.verbs import Caller
    from agent.delivery.followed_events import FollowedEvents
    from agent.domain.ids import Ids
    from agent.protocol.base import ModelUsed
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

AGAIN_AFTER_S = 3.0
"""Test cases that are asked for faster than this are refused: each is two events on the wire."""
WAITS_S, TOLD_S = 60.0, 10.0
"""So long the light says that a number is waited for, and that it has come."""
OPENED, CLEARED = "case.opened", "case.cleared"


@dataclass(frozen=True, slots=True)
class Link:
    """What the uplink says of itself: whether it is connected, and what it last complained of, and when."""

    connected: bool
    trouble: str | None = None
    trouble_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Started:
    """A test case of this run."""

    sequence: int
    at: datetime
    ticket_at: datetime | None = None


class TearOffTests:
    """Makes test cases, and says how far each came.

    Args:
        configuration: Asked for the site as it is in force.
        models: Those that judge, which are told with every case.
        database: Where cases are.
        outbox: Takes its events.
        clock: Now.
        ids: For the case and its events.
        followed: Knows how far its first event came.
        link: Asked how the uplink is; None: no broker is configured.
    """

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        models: Sequence[ModelUsed],
        database: Database,
        outbox: Outbox,
        clock: Clock,
        ids: Ids,
        followed: FollowedEvents,
        link: Callable[[], Link] | None,
    ) -> None:
        self._configuration, self._models = configuration, tuple(models)
        self._database, self._outbox = database, outbox
        self._clock, self._ids, self._followed, self._link = clock, ids, followed, link
        self._started: dict[str, _Started] = {}
        self._last_s = float("-inf")

    def start(self, _asked: AskTestCase, _caller: Caller) -> TearOffReply:
        """Make one.

        Raises:
            RefusedError: Nothing is judged here, the last one was just made, or the disk did not take it.
        """
        zone, kind = self._place()
        now_s = self._clock.monotonic_s()
        if now_s - self._last_s < AGAIN_AFTER_S:
            raise RefusedError(
                "too_soon",
                said("a test case was made just now; wait {seconds:g} s", seconds=AGAIN_AFTER_S),
            )
        self._last_s = now_s
        at = self._clock.now()
        case = self._case(zone, kind, at, now_s)
        try:
            sequence = self._keep(case, zone, at)
        except StorageError as error:
            raise RefusedError("not_stored", words_of(error)) from error
        self._started[case.case_id] = _Started(sequence, at)
        return self._state(case, self._started[case.case_id])

    def state(self, asked: AskTestCaseState, _caller: Caller) -> TearOffReply:
        """How far one came; of an earlier run's, as far as it is known.

        Raises:
            RefusedError: There is none of this id.
        """
        return self.of(asked.case_id)

    def of(self, case_id: str) -> TearOffReply:
        """The same, by its id."""
        try:
            with closing(self._database.read()) as connection:
                case = case_of(connection, case_id)
                body = None if case is None else last_body(connection, case.case_id)
        except sqlite3.Error as error:
            raise RefusedError("not_readable", reason_of(error)) from error
        if case is None or not case.test:
            raise RefusedError("not_found", said("there is no such test case"))
        started = self._started.get(case.case_id)
        if started is None:
            at = self._clock.now() if body is None else CaseBody.model_validate_json(body).opened_at
            started = _Started(0, at)
        return self._state(case, started)

    def phase(self) -> Literal["testing", "tested"] | None:
        """For the light: whether somebody waits for a number, or it has just come; None: neither."""
        if not self._started:
            return None
        case_id, newest = next(reversed(self._started.items()))
        since_s = self._clock.monotonic_s() - self._last_s
        if since_s > WAITS_S:
            return None
        if newest.ticket_at is None:
            try:
                newest = self._noticed(case_id, newest)
            except sqlite3.Error:
                return "testing"
        if newest.ticket_at is None:
            return "testing"
        told_s = (self._clock.now() - newest.ticket_at).total_seconds()
        return "tested" if told_s < TOLD_S else None

    def _noticed(self, case_id: str, started: _Started) -> _Started:
        """The same, with when its number was seen first."""
        with closing(self._database.read()) as connection:
            ticket = notes_on(connection, case_id).ticket
        if ticket is not None and started.sequence:
            started = replace(started, ticket_at=self._clock.now())
            self._started[case_id] = started
        return started

    def _place(self) -> tuple[ZoneSection, str]:
        """The first zone in which something is judged, and as what."""
        for zone in self._configuration().zones:
            for module, _ in self._configuration().chosen_scenarios.values():
                if judges(module, zone.zone.kind):
                    return zone, module.KIND
        raise RefusedError(
            "nothing_judged",
            said("nothing is judged here: draw a zone and configure a scenario for it first"),
        )

    def _case(self, zone: ZoneSection, kind: str, at: datetime, now_s: float) -> Case:
        return Case(
            case_id=self._ids.new(at),
            kind=kind,
            zone_id=zone.zone_id,
            place_id=zone.place_id or zone.zone_id,
            camera_id=zone.camera_id,
            state="open",
            began_s=now_s,
            opened_s=now_s,
            last_present_s=now_s,
            last_reported_s=now_s,
            members=(),
            confidence=1.0,
            told=(),
            test=True,
            legal_gaps=self._configuration().legal.gaps,
        )

    def _keep(self, case: Case, zone: ZoneSection, at: datetime) -> int:
        """Queue both of its events; gives the number of the first.

        Raises:
            StorageError: The disk did not take it.
        """
        over = replace(case, state="cleared", cleared_s=case.opened_s)
        opened, cleared = (
            self._draft(type_, each, zone, at) for type_, each in ((OPENED, case), (CLEARED, over))
        )

        def write(connection: sqlite3.Connection) -> int:
            save_case(connection, over)
            sequence = self._outbox.add(connection, opened)
            self._followed.follow(sequence)  # before anybody can send it
            self._outbox.add(connection, cleared)
            # Without an opened one: `kerbwatch explain` explains what a rule saw, and none saw this.
            body = cleared.body.model_dump_json(exclude_none=True)
            save_trace(connection, case.case_id, CLEARED, body, "{}")
            return sequence

        return self._database.write(write).result()

    def _draft(self, type_: str, case: Case, zone: ZoneSection, at: datetime) -> Draft:
        configuration = self._configuration()
        body = CaseBody(
            **facts_of(case, lambda _: at, (), CaseNotes(), configuration.legal),
            code=code_of(case, configuration.site),
            place=place_of(configuration.site, zone),
            allowed_s=allowed_s(configuration)[zone.zone_id][case.kind],
            models=self._models,
            configuration_sha256=configuration.sha256(),
        )
        return Draft(
            event_id=self._ids.new(at),
            type=type_,
            occurred_at=at,
            clock=ClockReading.of(self._clock),
            body=body,
            test=True,
        )

    def _state(self, case: Case, started: _Started) -> TearOffReply:
        with closing(self._database.read()) as connection:
            ticket = notes_on(connection, case.case_id).ticket
        if ticket is not None and started.ticket_at is None and started.sequence:
            started = replace(started, ticket_at=self._clock.now())
            self._started[case.case_id] = started
        steps = self._followed.steps(started.sequence)
        link = Link(connected=False) if self._link is None else self._link()
        late = link.trouble_at is not None and link.trouble_at >= started.at
        blocked = "acknowledged" not in steps and (late or not link.connected)
        return TearOffReply(
            case_id=case.case_id,
            kind=case.kind,
            zone_id=case.zone_id,
            stored_at=started.at,
            connected=link.connected,
            with_receipts=self._configuration().uplink.confirm == "platform",
            sent_at=steps.get("sent"),
            acknowledged_at=steps.get("acknowledged"),
            receipted_at=steps.get("receipted"),
            refused_at=steps.get("refused"),
            ticket=ticket,
            ticket_at=started.ticket_at,
            trouble=Words.of(harmless(link.trouble)) if blocked and link.trouble else None,
        )
