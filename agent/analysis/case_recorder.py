"""What happened to a case becomes an event: pictures first, then one transaction."""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent.config.reported_case import LastTold, code_of, facts_of, retold
from agent.config.reported_place import allowed_s, place_of
from agent.domain.labels import BIKES
from agent.evidence.packets import job_of
from agent.evidence.picture_files import EvidenceError
from agent.perception.operator_colour import UNKNOWN, Palette
from agent.protocol.base import ClockReading, ModelUsed
from agent.protocol.case import CaseBody, Withdrawn
from agent.protocol.event_codes import told_as
from agent.protocol.events import Draft
from agent.protocol.evidence import STAGES
from agent.storage import day_counters, held_back_table
from agent.storage.case_notes import notes_in, notes_on
from agent.storage.case_table import last_body, last_body_in, save_case, save_trace
from agent.storage.errors import StorageError
from agent.storage.evidence_job_table import add_job
from agent.storage.minute_table import keep_minutes
from agent.storage.state_table import ANALYSIS_SNAPSHOT, delete_state, load_state, save_state

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agent.analysis.decision_trace import Traces
    from agent.analysis.warn_first import Happened
    from agent.config.schema import Configuration
    from agent.domain.case_lifecycle import Change
    from agent.domain.ids import Ids
    from agent.domain.scene import Case, HeldPlace, Member
    from agent.evidence.pictures import Evidence
    from agent.perception.best_shot import BestShots, Shown
    from agent.perception.surroundings import Surroundings
    from agent.protocol.case import Picture
    from agent.protocol.place import Place
    from agent.storage.database import Database
    from agent.storage.minute_table import ZoneMinute
    from agent.storage.outbox import Outbox
    from drivers.cameras import Frame

MISPARKED_BIKE = "misparked_bike"
QUIET_TIMES = 6
"""Factor by which snapshots are written less often while no case is pending."""
MAX_WAITING = 500
"""Maximum number of case changes waiting in memory for a full disk; beyond that the oldest are lost."""
TRY_AGAIN_S = 10.0

_log = logging.getLogger(__name__)


class CaseRecorder:
    """Writes cases, their events and what must outlive a restart into the database.

    Args:
        configuration: For the site's facts and the zones'.
        models: The models that judge.
        database: Where everything is kept.
        outbox: The queue in that database.
        evidence: Takes the pictures.
        ids: Where event ids come from.
        clock: How far the time of a frame can be trusted.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        models: Sequence[ModelUsed],
        database: Database,
        outbox: Outbox,
        evidence: Evidence,
        ids: Ids,
        clock: Callable[[Frame], ClockReading],
    ) -> None:
        self.go_on_with(configuration)
        self._timezone = ZoneInfo(configuration.site.timezone)
        operators = {each.name: each.colours for each in configuration.operators}
        self._palette = Palette.of(operators) if operators else None
        self._models = tuple(models)
        self._database = database
        self._outbox = outbox
        self._evidence = evidence
        self._ids = ids
        self._clock = clock
        self._snapshot_s: dict[str, float] = {}
        self._unwritten: deque[tuple[int, Callable[[sqlite3.Connection], None]]] = deque()
        self._tried_s = 0.0
        self.changes_waiting = 0
        """Number of case changes waiting in memory for a full disk."""
        self.events_without_pictures = 0
        """Of this run: events for which the disk did not take every picture."""

    def go_on_with(self, configuration: Configuration) -> None:
        """Say of cases what another configuration says, from now on; only zones, scenarios and analysis are others."""
        self._configuration = configuration
        self._configuration_sha256 = configuration.sha256()
        self._allowed_s = allowed_s(configuration)
        self._zones = {zone.zone_id: zone for zone in configuration.zones}

    def record(
        self,
        changes: Sequence[Change],
        frame: Frame,
        snapshot: Callable[[], dict[str, Any]] | None,
        traces: Traces,
        views: BestShots,
        around: Surroundings,
    ) -> None:
        """Make events of one frame's changes; they are on the disk when this returns.

        On a full disk they wait in memory until there is room, :data:`MAX_WAITING` at most.

        Args:
            changes: What happened.
            frame: When it did.
            snapshot: The state of the analysis, to be written with them; None: none.
            traces: What the rules went by.
            views: The best views of what stands there.
            around: What else there is in the frame.

        Raises:
            StorageError: The database did not take it, and not for want of room.
        """
        drafts = [(change.case, self._draft(change, frame, views, around)) for change in changes]
        told = {change.case.case_id: self._trace(change, traces, frame) for change in changes}
        # Now, for the traces were closed just before; without one, what is written down stays.
        text = None if snapshot is None else _dump(snapshot())

        day = day_counters.day_of(frame.captured_at, self._timezone)

        def write(connection: sqlite3.Connection) -> None:
            for change in changes:
                day_counters.count_case(connection, day, change)
            for case, draft in drafts:
                save_case(connection, case)
                self._outbox.add(connection, draft)
                body = draft.body.model_dump_json(exclude_none=True)
                save_trace(connection, case.case_id, draft.type, body, told[case.case_id])
                _have_packed(connection, case, draft)
            if text is not None:
                save_state(connection, ANALYSIS_SNAPSHOT + frame.camera_id, text)

        self._unwritten.append((len(changes), write))
        self.changes_waiting += len(changes)
        self._write_all(frame)
        self._snapshot_s[frame.camera_id] = frame.monotonic_s

    def withdraw(self, changes: Sequence[Change], frame: Frame) -> None:
        """Make events of cases that are withdrawn; they are on the disk when this returns.

        Args:
            changes: Each of the type ``case.withdrawn``.
            frame: A moment, now; its picture tells nothing of them.

        Raises:
            StorageError: The database did not take it.
        """
        day = day_counters.day_of(frame.captured_at, self._timezone)

        def write(connection: sqlite3.Connection) -> None:
            for change in changes:
                case = change.case
                told = LastTold(case, last_body(connection, case.case_id), frame.captured_at)
                body = retold(
                    case,
                    told,
                    notes_on(connection, case.case_id),
                    self._configuration,
                    left=change.left,
                    models=self._models,
                    withdrawn=Withdrawn.model_validate(
                        {"reason": case.withdrawn_because, "at": frame.captured_at}
                    ),
                )
                draft = self._drafted(change, body, frame)
                day_counters.count_case(connection, day, change)
                save_case(connection, case)
                self._outbox.add(connection, draft)
                text = body.model_dump_json(exclude_none=True)
                save_trace(connection, case.case_id, draft.type, text, "{}")
                _have_packed(connection, case, draft)

        self._database.write(write).result()

    def _write_all(self, frame: Frame) -> None:
        """Write what is new and what a full disk did not take before, in order."""
        self._tried_s = frame.monotonic_s

        def write(connection: sqlite3.Connection) -> None:
            for _, each in self._unwritten:
                each(connection)

        try:
            self._database.write(write).result()
        except StorageError as error:
            if not error.full:
                raise
            _log.error("%d changes of cases wait: %s", self.changes_waiting, error)
            while self.changes_waiting > MAX_WAITING:
                count, _ = self._unwritten.popleft()  # it has no number yet, and leaves no gap
                self.changes_waiting -= count
        else:
            self._unwritten.clear()
            self.changes_waiting = 0

    def keep(
        self,
        frame: Frame,
        snapshot: Callable[[], dict[str, Any]],
        cases: Sequence[Case] = (),
        *,
        pending: bool,
    ) -> None:
        """Write the snapshot down if its time has come; does not wait for the disk.

        Args:
            frame: Now.
            snapshot: Asked only if it is written.
            cases: The camera's open cases, whose members may have come and gone meanwhile.
            pending: Whether something may become a case. Where nothing may, an older snapshot costs
                nothing, and a card wears by what is written.
        """
        if self._unwritten and abs(frame.monotonic_s - self._tried_s) >= TRY_AGAIN_S:
            self._write_all(frame)
        last_s = self._snapshot_s.setdefault(frame.camera_id, frame.monotonic_s)
        every_s = self._configuration.analysis.snapshot_every_s
        if frame.monotonic_s - last_s >= every_s * (1 if pending else QUIET_TIMES):
            self.save(frame, snapshot(), cases)

    def save(self, frame: Frame, snapshot: dict[str, Any], cases: Sequence[Case] = ()) -> None:
        """Write the snapshot and the camera's open cases down now; does not wait for the disk."""
        text = _dump(snapshot)
        name = ANALYSIS_SNAPSHOT + frame.camera_id
        if self._unwritten:  # these cases may have begun with a change that waits
            cases = ()

        def write(connection: sqlite3.Connection) -> None:
            save_state(connection, name, text)
            for case in cases:
                save_case(connection, case)

        self._database.write(write)
        self._snapshot_s[frame.camera_id] = frame.monotonic_s

    def suppress(self, frame: Frame, found: Mapping[day_counters.Place, int]) -> None:
        """Count candidates that were no case by the verifier's word; does not wait for the disk.

        Args:
            frame: Now.
            found: Zone, kind of case, and what they were seen as → how many.
        """
        at = frame.captured_at
        day = day_counters.day_of(at, self._timezone)
        self._database.write(
            lambda connection: day_counters.count_suppressed(connection, day, at, found)
        )

    def count_held_back(self, frame: Frame, found: Mapping[tuple[str, str], int]) -> None:
        """Count candidates that were held back after a false alarm; does not wait for the disk.

        Args:
            frame: Now.
            found: Zone and kind of case → how many.
        """
        at, day = frame.captured_at, day_counters.day_of(frame.captured_at, self._timezone)
        self._database.write(
            lambda connection: day_counters.count_held_back(connection, day, at, found)
        )

    def count_warned(self, frame: Frame, happened: Happened) -> None:
        """Count who was warned, and who left after it; does not wait for the disk."""
        day = day_counters.day_of(frame.captured_at, self._timezone)
        found = {(*key, day_counters.WARNED): float(n) for key, n in happened.warned.items()}
        found |= {(*key, day_counters.WARNED_LEFT): float(n) for key, n in happened.left.items()}
        if found:
            self._database.write(lambda connection: day_counters.count(connection, day, found))

    def keep_minutes(self, minutes: Sequence[ZoneMinute]) -> None:
        """Keep what was made of zones in minutes that are over; does not wait for the disk."""
        if minutes:
            self._database.write(lambda connection: keep_minutes(connection, minutes))

    def held_places(self) -> list[HeldPlace] | None:
        """Every false alarm that is held back; None if that cannot be read now."""
        return held_back_table.held_in(self._database)

    def release(self, case_ids: Sequence[str]) -> None:
        """False alarms are held back no more: their time is over; does not wait for the disk."""
        self._database.write(lambda connection: held_back_table.release(connection, case_ids))

    def forget(self, camera_ids: Sequence[str]) -> None:
        """Forget where the analysis of these cameras stands; on the disk when this returns.

        Raises:
            StorageError: The database did not take it.
        """

        def write(connection: sqlite3.Connection) -> None:
            for camera_id in camera_ids:
                delete_state(connection, ANALYSIS_SNAPSHOT + camera_id)

        self._database.write(write).result()

    def last_snapshot(self, camera_id: str) -> dict[str, Any] | None:
        """What was last written down of a camera."""
        text = self._database.write(
            lambda connection: load_state(connection, ANALYSIS_SNAPSHOT + camera_id)
        ).result()
        return None if text is None else dict(json.loads(text))

    def _trace(self, change: Change, traces: Traces, frame: Frame) -> str:
        """What the rule went by up to now, for `kerbwatch explain`; empty if nothing was noted."""
        case = change.case
        trace, zone = traces.of(case.kind, case.zone_id), self._zones.get(case.zone_id)
        if trace is None or zone is None:
            return "{}"
        trace.close(frame.monotonic_s)
        if change.type == "case.opened":
            trace.freeze()
        document = {
            "at": frame.captured_at.isoformat(),
            "timezone": self._configuration.site.timezone,
            "polygon": zone.polygon,
            **trace.document(frame.monotonic_s),
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False)

    def _draft(self, change: Change, frame: Frame, views: BestShots, around: Surroundings) -> Draft:
        return self._drafted(change, self._body(change, frame, views, around), frame)

    def _drafted(self, change: Change, body: CaseBody, frame: Frame) -> Draft:
        return Draft(
            event_id=self._ids.new(frame.captured_at),
            type=change.type,
            occurred_at=frame.captured_at,
            clock=self._clock(frame),
            body=body,
            test=change.case.test,
        )

    def _body(
        self, change: Change, frame: Frame, views: BestShots, around: Surroundings
    ) -> CaseBody:
        case = change.case
        place, may_stay_s = self._rule(case, frame)
        pictures, fault = self._pictures(change, frame, views.shown_of(case.members, around))
        told = notes_in(self._database, case.case_id)
        return CaseBody(
            **facts_of(case, frame.time_of, change.left, told, self._configuration.legal),
            code=code_of(case, self._configuration.site),
            place=place,
            allowed_s=may_stay_s,
            reason={} if change.finding is None else dict(change.finding.reason),
            models=self._models,
            configuration_sha256=self._configuration_sha256,
            pictures=pictures,
            evidence_fault=fault,
        )

    def _rule(self, case: Case, frame: Frame) -> tuple[Place, float]:
        """Where a case is and for how long a thing may stay there.

        A case may outlive its zone or its rule, where a full disk took no withdrawal: then as it was told last.
        """
        site, zone = self._configuration.site, self._zones.get(case.zone_id)
        seconds = self._allowed_s.get(case.zone_id, {}).get(case.kind)
        if zone is not None and zone.zone.place_id == case.place_id and seconds is not None:
            return place_of(site, zone), seconds
        told = LastTold(case, last_body_in(self._database, case.case_id), frame.captured_at)
        return told.place(site.device_id, site.address), told.allowed_s

    def matter_of(self, case: Case) -> str:
        """As what the city is told of a case that opens: its kind, or what the site or the zone asks for instead.

        Args:
            case: The case, with its members' operators.
        """
        site, zone = self._configuration.site, self._zones.get(case.zone_id)
        if case.kind == MISPARKED_BIKE != site.shared_bikes_as and case.members:
            operators = {member.operator for member in case.members}
            if not {None, UNKNOWN} & operators:
                return site.shared_bikes_as
        return told_as(site.codes_profile, case.kind, None if zone is None else zone.code)

    def _pictures(
        self, change: Change, frame: Frame, shown: Shown
    ) -> tuple[tuple[Picture, ...], str | None]:
        """Take the pictures; a disk that refuses costs them, and never the case."""
        try:
            return self._evidence.pictures_of(change, frame, shown), None
        except EvidenceError as error:
            _log.error("%s", error)
            self.events_without_pictures += 1
            return error.kept, error.reason

    def operators_of(self, members: Iterable[Member], views: BestShots) -> dict[str, str]:
        """Whose shared bikes members of a case are, by their ids; of those of which there is a picture.

        Args:
            members: Which.
            views: The best picture of each thing so far.
        """
        if self._palette is None:
            return {}
        return {
            member.member_id: self._palette.operator_of(view.bgr, view.box)
            for member in members
            if member.label in BIKES and (view := views.of(member.member_id)) is not None
        }


def _have_packed(connection: sqlite3.Connection, case: Case, draft: Draft) -> None:
    """Have the packet of a stage of a case made, in the transaction that tells the stage."""
    if (stage := STAGES.get(draft.type)) is not None:
        add_job(connection, case.case_id, stage, job_of(draft))


def _dump(snapshot: dict[str, Any]) -> str:
    """For the next run alone, which takes infinity for what it is: a time that has not come."""
    return json.dumps(snapshot, separators=(",", ":"), allow_nan=True)
