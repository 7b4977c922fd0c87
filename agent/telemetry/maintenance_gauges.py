"""What whoever looks after many devices wants to know of one: certificate, card, what is kept and written."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent.protocol.heartbeat import (
    MAX_JUDGED,
    MAX_SET_ASIDE,
    AuditHead,
    CardHealth,
    CertificateHealth,
    JudgedHere,
    KeptHealth,
    SetAside,
    Upkeep,
)
from agent.storage import day_counters
from agent.storage.errors import StorageError
from agent.storage.evidence_job_table import jobs_waiting
from agent.storage.kept_table import set_aside_count, set_aside_spans
from agent.storage.lived_time import DAY_S
from agent.storage.loss_table import unreported_count
from agent.storage.picture_table import pictures_waiting
from agent.storage.verdict_table import judged
from agent.telemetry.gauges import gauge
from drivers.card import read_card
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.identity.certificate_expiry import CertificateFile
    from agent.storage.database import Database
    from agent.telemetry.machine_gauges import MachineGauges
    from drivers.clock import Clock

NO_CLOCK = "the clock is not set by any time source"
_WRITTEN = (day_counters.DEVICE, day_counters.DEVICE, "written_bytes")


class MaintenanceGauges:
    """Looks at what is kept on the device, and says of what it cannot tell why not. For one thread.

    Args:
        database: Where days, losses and dead letters are counted.
        state_dir: The folder of the state: the card is its.
        clock: Counts the certificate's days, and says which day it is.
        timezone: The site's.
        certificate: The one that is shown to the broker.
        machine: Says what this machine does not measure.
        kept: What retention has found; None as long as it has not looked.
        audit_head: The newest record of the audit log; raises OSError.
    """

    def __init__(
        self,
        *,
        database: Database,
        state_dir: Path,
        clock: Clock,
        timezone: ZoneInfo,
        certificate: CertificateFile,
        machine: MachineGauges,
        kept: Callable[[], KeptHealth | None],
        audit_head: Callable[[], AuditHead],
    ) -> None:
        self._database, self._state_dir, self._clock = database, state_dir, clock
        self._timezone, self._certificate, self._machine = timezone, certificate, machine
        self._kept, self._audit_head = kept, audit_head

    @gauge
    def upkeep(self) -> Upkeep:
        """What is so now.

        Raises:
            StorageError: The database cannot be read.
        """
        unknown: dict[str, str] = {}
        if (kept := self._kept()) is None:
            unknown["kept"] = "retention has not looked yet"
        unknown |= self._machine.unknown()
        today, yesterday = self._written(unknown)
        return Upkeep(
            certificate=self._certificate_health(unknown),
            card=self._card(unknown),
            kept=kept,
            audit=self._head(unknown),
            **self._counts(),
            written_today_bytes=today,
            written_yesterday_bytes=yesterday,
            unknown=unknown,
        )

    @gauge
    def judged(self) -> tuple[JudgedHere, ...]:
        """What reviewers found, by zone and kind of case.

        Raises:
            StorageError: The database cannot be read.
        """
        try:
            with closing(self._database.read()) as connection:
                found = judged(connection)[:MAX_JUDGED]
        except sqlite3.Error as error:
            raise StorageError(self._database.path, reason_of(error)) from error
        return tuple(JudgedHere(**one._asdict(), precision=one.precision) for one in found)

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
            return self._audit_head()
        except OSError as error:
            unknown["audit"] = reason_of(error)
            return None

    def _written(self, unknown: dict[str, str]) -> tuple[int | None, int | None]:
        """What the agent wrote today and yesterday, as far as that is counted."""
        now = self._clock.now()
        with closing(self._database.read()) as connection:
            today, yesterday = (
                self._written_on(connection, day_counters.day_of(at, self._timezone))
                for at in (now, now - timedelta(days=1))
            )
        if today is None or yesterday is None:
            unknown["written"] = "nothing was counted on this day"
        return today, yesterday

    def _written_on(self, connection: sqlite3.Connection, day: str) -> int | None:
        counters = day_counters.read(connection, day_counters.page_of(connection, day))
        value = counters.get(_WRITTEN)
        return None if value is None else int(value)

    def _counts(self) -> dict[str, Any]:
        """What the database says, by the heartbeat's names."""
        try:
            with closing(self._database.read()) as connection:
                spans = set_aside_spans(connection, MAX_SET_ASIDE)
                aside = tuple(
                    SetAside(
                        epoch=epoch, ranges=tuple((each.first, each.last) for each in each_epoch)
                    )
                    for epoch, each_epoch in groupby(spans, lambda each: each.epoch)
                )
                return {
                    "dead_letters": set_aside_count(connection),
                    "set_aside": aside,
                    "losses_unreported": unreported_count(connection),
                    "packets_waiting": jobs_waiting(connection),
                    "pictures_waiting": pictures_waiting(connection),
                }
        except sqlite3.Error as error:
            raise StorageError(self._database.path, reason_of(error)) from error
