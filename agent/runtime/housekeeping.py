"""Starts and joins the housekeeping: retention, the audit log, day counters, maintenance gauges.

Nothing here may stop or delay the analysis: a fault costs a log line and a null in a heartbeat.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.analysis.sample_collection import FOLDER as COLLECTION
from agent.audit import (
    FOLDER,
    OF_PLATFORM,
    ORDERS_RECORDED,
    PLATFORM_SEGMENTS_KEPT,
    Audit,
    Head,
    Noticing,
)
from agent.domain.ids import is_uuid
from agent.domain.scene import MASK
from agent.identity.certificate_expiry import CertificateFile
from agent.protocol.heartbeat import AuditHead, CardHealth, CertificateHealth, KeptHealth, Upkeep
from agent.retention import Crops, Hold, Holds, Retention, TooManyHoldsError
from agent.storage import day_counters
from agent.storage.errors import StorageError
from agent.telemetry.daily_summary import Summaries
from agent.telemetry.day_sampler import Daybook, Gauges
from drivers.card import read_card
from drivers.disk import life_used_percent, written_bytes
from drivers.power import read_power
from drivers.temperature import processor_c
from wording.known_errors import reason_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agent.concurrency.threads import Workers
    from agent.config.schema import Configuration
    from agent.domain.ids import Ids
    from agent.protocol.downlink import HoldCase
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from agent.telemetry.heartbeat import Activity
    from drivers.clock import Clock

NOTICE_EVERY_S = 60.0
DAY_S = 86_400.0
_UNKNOWN = "nothing is kept of this case"
NO_CLOCK = "the clock is not set by any time source"

_log = logging.getLogger(__name__)


class Keeping:
    """The housekeeping parts of one device, joined.

    Args:
        configuration: The site.
        base: The folder that relative paths in it start from.
        database: Where cases and events are.
        state_dir: The folder of the state.
        clock: The device's.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        base: Path,
        database: Database,
        state_dir: Path,
        clock: Clock,
    ) -> None:
        self._configuration, self._database = configuration, database
        self._state_dir, self._clock = state_dir, clock
        self.audit = Audit(state_dir / FOLDER, clock)
        self.orders = Audit(
            state_dir / FOLDER / OF_PLATFORM,
            clock,
            by="platform",
            segments_kept=PLATFORM_SEGMENTS_KEPT,
        )
        """What the platform ordered: apart, so that who may only command cannot push out the rest."""
        self._named: tuple[Head, float] | None = None
        self._certificate = CertificateFile(configuration.uplink.located(base).certificate_file)
        self._noticing = Noticing(self.audit, state_dir / FOLDER, clock, self._certificate)
        self.retention = Retention(
            database,
            state_dir=state_dir,
            evidence_dir=state_dir / "evidence",
            settings=configuration.retention,
            clock=clock,
            audit=self.audit,
            crops=Crops(state_dir / COLLECTION, configuration.collection.keep_days),
        )

    def start(self, workers: Workers, *, after: str, facts: Mapping[str, str]) -> None:
        """Record that a run begins, and start the housekeeping threads.

        Args:
            workers: The run's threads.
            after: Why the run begins.
            facts: See :meth:`agent.audit.Noticing.start`.
        """
        self._noticing.start(
            after=after, configuration=self._configuration.shown(by_alias=False), facts=facts
        )
        workers.keep("retention", lambda: self.retention.run(workers.stop))
        workers.keep("noticing", lambda: self._notice(workers.stop))

    def hold(self, command: HoldCase) -> str | None:
        """Hold a case, or lift its hold, by the platform's order.

        Returns:
            Why it was not done; None if it is so now.
        """
        try:
            return self._set_hold(command) if command.held else self._lift_hold(command)
        except TooManyHoldsError as error:
            return str(error)
        except OSError as error:
            return f"the disk refused: {reason_of(error)}"

    def _set_hold(self, command: HoldCase) -> str | None:
        if not self._is_kept(command.case_id):
            return _UNKNOWN
        hold = Hold(
            case_id=command.case_id,
            reason=command.reason,
            by="platform",
            at=self._clock.now(),
            origin="platform",
        )
        if Holds(self._state_dir).set(hold):
            self._record("hold.set", command)
        return None

    def _lift_hold(self, command: HoldCase) -> str | None:
        holds = Holds(self._state_dir)
        if holds.lift(command.case_id, "platform"):
            self._record("hold.lifted", command)
            return None
        if command.case_id in holds.names():
            return "it is held by a technician, and that is lifted on the device"
        return None if self._is_kept(command.case_id) else _UNKNOWN

    def _record(self, what: str, command: HoldCase) -> None:
        self.orders.append(
            what, case_id=command.case_id, reason=command.reason, order=command.command_id
        )

    def _is_kept(self, case_id: str) -> bool:
        if is_uuid(case_id) and (self._state_dir / "evidence" / case_id).is_dir():
            return True
        with closing(self._database.read()) as connection:
            query = "SELECT 1 FROM cases WHERE case_id = ?"
            return connection.execute(query, (case_id,)).fetchone() is not None

    def watch_days(
        self,
        workers: Workers,
        *,
        after: str,
        activity: Callable[[], Activity],
        outbox: Outbox,
        ids: Ids,
    ) -> None:
        """Keep the day's counters, and queue the summary of each day when it is over.

        Args:
            workers: The run's threads.
            after: Why the run began.
            activity: The heartbeat's figures of analysis and delivery.
            outbox: Where the summaries go; how much waits in it is counted.
            ids: For the events' ids.
        """
        zones: dict[str, list[str]] = {each.camera_id: [] for each in self._configuration.cameras}
        for zone in self._configuration.zones:
            if zone.kind != MASK.name:
                zones[zone.camera_id].append(zone.zone_id)
        sensor = self._configuration.cooling.sensor

        def waiting() -> tuple[int, float]:
            figures = outbox.figures()
            return figures.rows, figures.oldest_s(self._clock)

        daybook = Daybook(
            self._database,
            self._clock,
            ZoneInfo(self._configuration.site.timezone),
            zones,
            Gauges(activity, lambda: processor_c(sensor), read_power, waiting, written_bytes),
            after,
        )
        summaries = Summaries(self._configuration, self._database, outbox, self._clock, ids)
        workers.keep("days", lambda: daybook.run(workers.stop, summaries.send_due))

    def _notice(self, stop: threading.Event) -> None:
        while not stop.wait(NOTICE_EVERY_S):
            self._noticing.look()
            self.name_newest_order()

    def name_newest_order(self) -> None:
        """Record the newest platform order in the device's own log, at most once a day."""
        try:
            head, now_s = self.orders.head(), self._clock.monotonic_s()
            named, at_s = self._named or (Head(0, ""), -math.inf)
            if head.number and head != named and now_s - at_s >= DAY_S:
                self.audit.append(ORDERS_RECORDED, number=head.number, hash=head.hash)
                self._named = head, now_s
        except OSError as error:
            _log.warning("%s", error)

    def upkeep(self) -> Upkeep:
        """The maintenance part of the heartbeat.

        Raises:
            StorageError: The database cannot be read.
        """
        unknown: dict[str, str] = {}
        outcome = self.retention.outcome
        if outcome is None:
            unknown["kept"] = "retention has not looked yet"
        self._gauges(unknown)
        dead_letters, unreported = self._counts()
        written = self._written()
        if None in written:
            unknown["written"] = "nothing was counted on this day"
        return Upkeep(
            written_today_bytes=written[0],
            written_yesterday_bytes=written[1],
            certificate=self._certificate_health(unknown),
            card=self._card(unknown),
            kept=None
            if outcome is None
            else KeptHealth(
                cases=outcome.cases,
                size_bytes=outcome.size_bytes,
                held=outcome.held,
                short_bytes=outcome.short_bytes,
            ),
            audit=self._head(unknown),
            dead_letters=dead_letters,
            losses_unreported=unreported,
            unknown=unknown,
        )

    def _gauges(self, unknown: dict[str, str]) -> None:
        """Why parts of the heartbeat are null on this machine."""
        sensor = self._configuration.cooling.sensor
        if processor_c(sensor) is None:
            unknown["temperature_c"] = f"nothing can be read from {sensor}"
        if read_power() is None:
            unknown["power"] = "no firmware of a Raspberry Pi tells of it"
        if life_used_percent(self._state_dir) is None:
            unknown["disk.life_used_percent"] = "the disk of the state does not say"

    def _certificate_health(self, unknown: dict[str, str]) -> CertificateHealth:
        certificate = self._certificate.read()
        days_left = None
        if certificate.unknown is not None:
            unknown["certificate"] = certificate.unknown
        elif certificate.not_after is not None and self._clock.synchronised:
            left_s = (certificate.not_after - self._clock.now()).total_seconds()
            days_left = round(left_s / DAY_S, 2)
        else:
            unknown["certificate.days_left"] = NO_CLOCK
        return CertificateHealth(not_after=certificate.not_after, days_left=days_left)

    def _card(self, unknown: dict[str, str]) -> CardHealth | None:
        try:
            card = CardHealth(**dataclasses.asdict(read_card(self._state_dir)))
        except OSError as error:
            unknown["card"] = reason_of(error)
            return None
        if card.name is None:
            unknown["card.name"] = "the disk of the state is no SD card or eMMC"
        elif card.end_of_life is None:
            unknown["card.end_of_life"] = "the card does not say"
        if card.file_system_errors is None:
            unknown["card.file_system_errors"] = "the file system of the state counts none"
        return card

    def _head(self, unknown: dict[str, str]) -> AuditHead | None:
        try:
            head = self.audit.head()
        except OSError as error:
            unknown["audit"] = reason_of(error)
            return None
        return AuditHead(number=head.number, hash=head.hash)

    def _written(self) -> tuple[int | None, int | None]:
        """Bytes that the agent wrote today and yesterday, as far as counted."""
        timezone = ZoneInfo(self._configuration.site.timezone)
        now = self._clock.now()
        found = []
        with closing(self._database.read()) as connection:
            for at in (now, now - timedelta(days=1)):
                page = day_counters.page_of(connection, day_counters.day_of(at, timezone))
                counters = day_counters.read(connection, page)
                value = counters.get((day_counters.DEVICE, day_counters.DEVICE, "written_bytes"))
                found.append(None if value is None else int(value))
        return found[0], found[1]

    def _counts(self) -> tuple[int, int]:
        """Number of dead letters kept, and of losses not yet reported."""
        try:
            with closing(self._database.read()) as connection:
                [dead_letters] = connection.execute("SELECT count(*) FROM dead_letters").fetchone()
                [unreported] = connection.execute(
                    "SELECT count(*) FROM losses WHERE reported IS NULL"
                ).fetchone()
        except sqlite3.Error as error:
            raise StorageError(self._database.path, reason_of(error)) from error
        return dead_letters, unreported
