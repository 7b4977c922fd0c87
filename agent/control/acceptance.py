"""The acceptance (验收) of a device: recorded with all that was checked, signed, kept, sent; completed after a night.

People propose: what they checked and walked through. The agent adds what it knows itself and says what comes of it:
a check that failed makes it refused, whatever anybody wants. It is *provisional* until the first night has passed,
which nobody at the pole can see; then the agent completes the record by itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.analysis import reference_image
from agent.control.acceptance_folder import AcceptanceFolder, Record
from agent.control.errors import RefusedError
from agent.control.first_night import NEEDED_MIN
from agent.control.messages.service import AcceptanceReply, CheckRow
from agent.protocol.events import Draft
from agent.protocol.service import AcceptanceBody, Actor, Check, Exhibit
from agent.storage.errors import StorageError
from agent.telemetry.status_file import AcceptanceStatus
from wording.known_errors import words_of

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from agent.config.schema import Configuration
    from agent.control.acceptance_folder import Kept
    from agent.control.first_night import Sample
    from agent.control.messages.service import AskAcceptance, RecordAcceptance, TearOffReply
    from agent.control.verbs import Caller
    from agent.domain.ids import Ids
    from agent.identity.signing_key import Signer
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

LOOK_EVERY_S, FRESH_S = 60.0, 30.0
KEEP_EVERY = 10
"""Looks between two writes of the night: a card wears by what is written."""
_ORDER = {"failed": 0, "remark": 1, "not_done": 2, "passed": 3}
Result = Literal["accepted", "accepted_with_remarks", "refused"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    """What an acceptance is about, and what it is made with.

    Attributes:
        configuration: Asked for the site as it is in force.
        agent_version: Of what runs.
        state_dir: Where records and commissioning pictures lie.
        database: Where the outbox is.
        outbox: Takes the events.
        signer: Signs with the device's key.
        clock: Now.
        ids: For the events.
        timezone: The site's.
    """

    configuration: Callable[[], Configuration]
    agent_version: str
    state_dir: Path
    database: Database
    outbox: Outbox
    signer: Signer
    clock: Clock
    ids: Ids
    timezone: ZoneInfo


class Acceptance:
    """The acceptance of one device.

    Args:
        device: What it is about.
        test_case: Asked how far a test case of this id came; raises RefusedError if there is none.
        samples: Asked for every camera of now.
    """

    def __init__(
        self,
        device: Device,
        test_case: Callable[[str], TearOffReply],
        samples: Callable[[], Mapping[str, Sample]],
    ) -> None:
        self._device, self._test_case, self._samples = device, test_case, samples
        self._folder = AcceptanceFolder(device.state_dir)
        self._newest = self._folder.newest()
        self._night = self._folder.night()
        self._unkept = 0
        self._recorded_s = float("-inf")

    @property
    def is_fresh(self) -> bool:
        """Whether it was accepted a moment ago; for the light."""
        newest = self._newest
        accepted = newest is not None and _state(newest) != "refused"
        return accepted and self._device.clock.monotonic_s() - self._recorded_s < FRESH_S

    def status(self) -> AcceptanceStatus:
        """For the status file; from any thread."""
        reply = self._reply()
        return AcceptanceStatus.model_validate(reply, from_attributes=True)

    def ask(self, _asked: AskAcceptance, _caller: Caller) -> AcceptanceReply:
        """The acceptance as it stands."""
        return self._reply()

    def record(self, asked: RecordAcceptance, _caller: Caller) -> AcceptanceReply:
        """Take the device over, as far as the checks allow it.

        Raises:
            RefusedError: There is no such test case, or the disk did not take the record.
        """
        checks = self._checks(asked)
        body = AcceptanceBody(
            result=_result(checks),
            by=Actor(role=asked.role, id=asked.person_id),
            at=self._device.clock.now(),
            configuration_sha256=self._device.configuration().sha256(),
            checks=checks,
            numbers=self._numbers(asked),
            evidence=tuple(self._exhibits()),
            provisional=True,
        )
        self._folder.forget_night()
        self._night = self._folder.night()
        self._keep(body)
        self._recorded_s = self._device.clock.monotonic_s()
        return self._reply()

    def run(self, stop: threading.Event) -> None:
        """Judge the first night until stopped."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except (OSError, StorageError, RefusedError) as error:
                _log.error("the first night: %s", words_of(error))

    def look(self) -> None:
        """Take one look, once a minute; complete the record when the night is over.

        Raises:
            OSError, RefusedError: The disk did not take it.
        """
        kept = self._newest
        if kept is None or _state(kept) != "provisional":
            return
        hour = self._device.clock.now().astimezone(self._device.timezone).hour
        seen = self._night.minutes
        self._night.add(hour, self._samples())
        self._unkept += self._night.minutes - seen
        if self._unkept >= KEEP_EVERY:
            self._folder.keep_night(self._night)
            self._unkept = 0
        if self._night.is_over(hour):
            self._complete(kept)

    def _complete(self, kept: Kept) -> None:
        before = kept.record.body
        checks = _ordered((*before.checks, *self._night.checks()))
        update = {
            "result": _result(checks, most="accepted_with_remarks"),
            "at": self._device.clock.now(),
            "checks": checks,
            "numbers": {**before.numbers, "night_minutes": float(self._night.minutes)},
            "provisional": False,
        }
        self._keep(before.model_copy(update=update))
        self._folder.forget_night()

    def _checks(self, asked: RecordAcceptance) -> tuple[Check, ...]:
        told = [Check(**dict(each)) for each in asked.checks]
        return _ordered((*self._own_checks(asked), *told))

    def _own_checks(self, asked: RecordAcceptance) -> Sequence[Check]:
        """What the agent knows itself."""
        configuration = self._device.configuration()
        found = []
        for camera in configuration.cameras:
            has = reference_image.load(self._device.state_dir, camera.camera_id) is not None
            state: Literal["passed", "failed"] = "passed" if has else "failed"
            found.append(Check(code="commissioning_picture", state=state, subject=camera.camera_id))
        for zone in configuration.zones:
            walked = asked.walked.get(zone.zone_id, "not_done")
            if zone.zone.kind.judged:
                found.append(Check(code="walk_test", state=walked, subject=zone.zone_id))
        return [*found, self._of_test_case(asked)]

    def _of_test_case(self, asked: RecordAcceptance) -> Check:
        if asked.case_id is None:
            return Check(code="test_ticket", state="not_done")
        reached = self._test_case(asked.case_id).reached
        if reached == "ticket":
            return Check(code="test_ticket", state="passed")
        # A platform that answers no test cases is no fault of the device that reached it.
        arrived = reached in {"acknowledged", "receipted"}
        return Check(code="test_ticket", state="remark" if arrived else "failed")

    def _numbers(self, asked: RecordAcceptance) -> dict[str, float]:
        if asked.case_id is None:
            return {}
        case = self._test_case(asked.case_id)
        steps = {
            "acknowledged_s": case.acknowledged_at,
            "receipted_s": case.receipted_at,
            "ticket_s": case.ticket_at,
        }
        return {
            name: round((at - case.stored_at).total_seconds(), 3)
            for name, at in steps.items()
            if at is not None
        }

    def _exhibits(self) -> Sequence[Exhibit]:
        found = []
        for camera in self._device.configuration().cameras:
            kept = reference_image.load(self._device.state_dir, camera.camera_id)
            if kept is not None:
                name = f"commissioning-{camera.camera_id}.png"
                found.append(Exhibit(name=name, sha256=kept.sha256))
        return found

    def _keep(self, body: AcceptanceBody) -> None:
        """Sign, keep and send a record.

        Raises:
            RefusedError: The disk did not take it.
        """
        device = self._device
        site = device.configuration().site
        number = self._folder.next_number()
        record = Record(
            number=number,
            tenant=site.tenant,
            device_id=site.device_id,
            agent_version=device.agent_version,
            body=body,
        )
        try:
            jws = device.signer.sign(record.model_dump(mode="json"))
            self._folder.keep(number, jws)
            newest = self._folder.newest()
            exhibit = Exhibit(name=f"acceptance-{number:04d}.jws", sha256=_digest(newest))
            told = body.model_copy(update={"evidence": (*body.evidence, exhibit)})
            draft = Draft.of_device(told, device.clock, device.ids)

            def write(connection: sqlite3.Connection) -> None:
                device.outbox.add(connection, draft)

            device.database.write(write).result()
        except (OSError, StorageError) as error:
            raise RefusedError("not_stored", words_of(error)) from error
        self._newest = newest
        _log.warning("acceptance %d: %s", number, body.result)

    def _reply(self) -> AcceptanceReply:
        kept = self._newest
        if kept is None:
            return AcceptanceReply(state="none", numbers={})
        body = kept.record.body
        return AcceptanceReply(
            state=_state(kept),
            number=kept.record.number,
            result=body.result,
            at=body.at,
            role=body.by.role,
            person_id=body.by.id,
            configuration_sha256=body.configuration_sha256,
            as_configured=body.configuration_sha256 == self._device.configuration().sha256(),
            checks=tuple(CheckRow(**each.model_dump()) for each in body.checks),
            numbers=dict(body.numbers),
            night_minutes=self._night.minutes,
            night_needed=NEEDED_MIN,
            jws=kept.jws,
            sha256=kept.sha256,
            kid=kept.kid,
        )


def _digest(kept: Kept | None) -> str:
    assert kept is not None, "it was written just now"
    return kept.sha256


def _state(kept: Kept) -> Literal["refused", "provisional", "complete"]:
    if kept.record.body.result == "refused":
        return "refused"
    return "provisional" if kept.record.body.provisional else "complete"


def _ordered(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Each thing once, with the worst that was said of it; the worst first."""
    worst: dict[tuple[str, str | None], Check] = {}
    for each in sorted(checks, key=lambda check: _ORDER[check.state]):
        worst.setdefault((each.code, each.subject), each)
    return tuple(worst.values())


def _result(checks: Sequence[Check], most: Result = "refused") -> Result:
    """What comes of the checks; ``most`` is the worst that may: a night takes back no acceptance."""
    states = {each.state for each in checks}
    if "failed" in states:
        return most
    return "accepted" if states <= {"passed"} else "accepted_with_remarks"
