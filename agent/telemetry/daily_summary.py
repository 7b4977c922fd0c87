"""The daily summary (日报) of one device, for people and for the platform."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.config.reported_place import city_facts, code_of, place_id_of
from agent.domain.scene import MASK
from agent.protocol.events import Draft
from agent.protocol.summary import DeviceDay, KindDay, Reviewed, SummaryBody, ZoneDay
from agent.storage import day_counters, lived_time_counter
from agent.storage.case_table import open_case_ids
from agent.storage.day_counters import DEVICE, Place
from agent.storage.loss_table import lost_between
from agent.storage.state_table import load_state, save_state
from agent.storage.verdict_table import judged_if_kept

if TYPE_CHECKING:
    import sqlite3

    from agent.config.schema import Configuration
    from agent.domain.ids import Ids
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from agent.storage.verdict_table import Judged
    from drivers.clock import Clock

MAX_AT_ONCE = 7
"""Days reported in one transaction; the next follow minutes later."""
_SENT_UNTIL = "summary.sent"


class DailySummaries:
    """Sends the summary of each day once, when the day is over.

    Args:
        configuration: The site.
        database: Where the day counters are.
        outbox: Where the summaries go.
        clock: For the current day.
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
        self.configuration, self._database, self._outbox = configuration, database, outbox
        self._clock, self._ids = clock, ids
        self._timezone = ZoneInfo(configuration.site.timezone)

    def send_due(self) -> list[str]:
        """Queue the summaries of days that are over; none while the clock cannot be trusted.

        Returns:
            Which pages of the counters they are of, the oldest first.

        Raises:
            StorageError: It could not be written.
        """
        if not self._clock.synchronised:
            return []
        today = day_counters.day_of(self._clock.now(), self._timezone)
        with closing(self._database.read()) as connection:
            self._take_over(connection, today)
            due = day_counters.due(
                connection, today, lived_time_counter.known(connection).now(self._clock).lived_s
            )
        due = due[:MAX_AT_ONCE]
        if due:
            self._database.write(lambda connection: self._tell(connection, due, today)).result()
        return due if self.configuration.uplink.daily_summary else []

    def _tell(self, connection: sqlite3.Connection, due: list[str], today: str) -> None:
        for page in due:
            body = summary_of(
                connection, self.configuration, page, complete=day_counters.day_on(page) < today
            )
            if self.configuration.uplink.daily_summary:
                self._queue(connection, body)
            day_counters.note(connection, page, day_counters.LOST, body.device.lost)
            day_counters.note(connection, page, day_counters.TOLD)

    def _queue(self, connection: sqlite3.Connection, body: SummaryBody) -> None:
        self._outbox.add(connection, Draft.of_device(body, self._clock, self._ids))

    def _take_over(self, reader: sqlite3.Connection, today: str) -> None:
        """Take over the note of an older version: the newest day reported, and nothing else."""
        newest = load_state(reader, _SENT_UNTIL)
        if not newest:
            return
        told = [day for day in day_counters.known(reader) if day <= newest and day != today]

        def work(connection: sqlite3.Connection) -> None:
            for day in told:
                day_counters.note(connection, day, day_counters.TOLD)
            save_state(connection, _SENT_UNTIL, "")

        self._database.write(work).result()


def summary_of(
    connection: sqlite3.Connection, configuration: Configuration, page: str, *, complete: bool
) -> SummaryBody:
    """Build the summary of a day.

    Args:
        connection: To read with.
        configuration: The site.
        page: Of the counters: a local day, as ``2026-03-01``, or a further page of one.
        complete: Whether the day is over. A summary of a day in which the clock was not always
            trustworthy is never complete.
    """
    counters = day_counters.read(connection, page)
    found = {(one.zone_id, one.kind): _reviewed(one) for one in judged_if_kept(connection)}
    drawn = [zone.zone_id for zone in configuration.zones if zone.kind != MASK.name]
    counted = sorted({zone_id for zone_id, _, _ in counters if zone_id} - set(drawn))
    return SummaryBody(
        day=day_counters.day_on(page),
        timezone=configuration.site.timezone,
        complete=complete and day_counters.can_be_trusted(counters),
        configuration_sha256=configuration.sha256(),
        zones=tuple(
            _zone(configuration, zone_id, counters, found) for zone_id in (*drawn, *counted)
        ),
        device=_device(connection, configuration, page, counters),
        open_cases=open_case_ids(connection),
    )


def _reviewed(found: Judged) -> Reviewed:
    return Reviewed(
        valid=found.valid,
        false=found.false,
        duplicate=found.duplicate,
        precision=found.precision,
    )


def _zone(
    configuration: Configuration,
    zone_id: str,
    counters: dict[Place, float],
    found: dict[tuple[str, str], Reviewed],
) -> ZoneDay:
    own = {(kind, name): n for (zone, kind, name), n in counters.items() if zone == zone_id}
    site = configuration.site
    zone = next((each for each in configuration.zones if each.zone_id == zone_id), None)
    facts = city_facts(site, zone)
    return ZoneDay(
        zone_id=zone_id,
        camera_id=None if zone is None else zone.camera_id,
        zone_kind=None if zone is None else zone.kind,
        place_id=None if zone is None else place_id_of(site, zone),
        responsible_unit=facts.responsible_unit,
        responsible_unit_id=facts.responsible_unit_id,
        sensing_s=round(own.get((DEVICE, "sensing_s"), 0.0), 1),
        abstained_s=round(own.get((DEVICE, "abstained_s"), 0.0), 1),
        blind_s=round(own.get((DEVICE, "blind_s"), 0.0), 1),
        cases=tuple(
            KindDay(
                kind=kind,
                code=code_of(site, zone, kind),
                opened=int(own.get((kind, "opened"), 0)),
                cleared=int(own.get((kind, "cleared"), 0)),
                abstained=int(own.get((kind, "abstained"), 0)),
                stood_s=round(own.get((kind, "stood_s"), 0.0), 1),
                withdrawn=int(own.get((kind, "withdrawn"), 0)),
                suppressed=_named(own, kind, day_counters.SUPPRESSED),
                judged=_named(own, kind, day_counters.JUDGED),
                reviewed=found.get((zone_id, kind)),
                held_back=int(own.get((kind, day_counters.HELD_BACK), 0)),
                warned=int(own.get((kind, day_counters.WARNED), 0)),
                warned_left=int(own.get((kind, day_counters.WARNED_LEFT), 0)),
            )
            for kind in sorted({kind for kind, _ in own} - {DEVICE})
        ),
    )


def _named(own: dict[tuple[str, str], float], kind: str, mark: str) -> dict[str, int]:
    """One zone's counters of a kind of case whose names begin with a mark, by the rest of the name."""
    return {
        name.removeprefix(mark): int(n)
        for (of, name), n in sorted(own.items())
        if of == kind and name.startswith(mark)
    }


def _device(
    connection: sqlite3.Connection,
    configuration: Configuration,
    page: str,
    counters: dict[Place, float],
) -> DeviceDay:
    own = {name: n for (zone, _, name), n in counters.items() if zone == DEVICE}
    began = {
        name.removeprefix("began."): int(n) for name, n in own.items() if name.startswith("began.")
    }
    written, waited_s = own.get("written_bytes"), own.get("waiting_s_max")
    rows = own.get("waiting_rows_max")
    return DeviceDay(
        uptime_s=round(own.get("uptime_s", 0.0), 1),
        unsynchronised_s=round(own.get("unsynchronised_s", 0.0), 1),
        began_after=began,
        lost=_lost(connection, page, ZoneInfo(configuration.site.timezone)),
        temperature_c_max=own.get("temperature_c_max"),
        throttled_s=own.get("throttled_s"),
        under_voltage_s=own.get("under_voltage_s"),
        waiting_rows_max=None if rows is None else int(rows),
        waiting_s_max=None if waited_s is None else round(waited_s, 1),
        written_bytes=None if written is None else int(written),
    )


def _lost(connection: sqlite3.Connection, page: str, timezone: ZoneInfo) -> int:
    """How many numbers were lost on the day, less those reported with earlier pages of it."""
    day = day_counters.day_on(page)
    begin = datetime.combine(date.fromisoformat(day), time(), timezone)
    end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), timezone)
    lost = lost_between(
        connection, begin.astimezone(UTC).timestamp(), end.astimezone(UTC).timestamp()
    )
    return lost - day_counters.told_as_lost(connection, page)
