"""Signed loss reports: which sequence numbers will never be delivered, and why.

A gap in the sequence numbers is either still to be delivered or named here; there is no third kind. The
note of a loss is written in the transaction that loses it, and the report in the one that marks it as
reported.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, cast

from agent.protocol.base import MAX_RANGES, ClockReading
from agent.protocol.events import DEVICE_EVENTS, Draft, Loss, LossBody, LossReport
from agent.storage.loss_table import LossRow, joined, mark_reported, unreported
from agent.storage.outbox_queries import Lane

if TYPE_CHECKING:
    import sqlite3

    from agent.domain.ids import Ids
    from agent.identity.signing_key import Signer
    from agent.protocol.base import LaneName
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock


_log = logging.getLogger(__name__)


class LossReports:
    """Reports the losses that were noted.

    Args:
        database: Where losses are noted.
        outbox: Where the reports go.
        signer: Signs them.
        clock: For their times.
        ids: For their ids.
        tenant: As on the wire; the reports are bound to it.
        device_id: Likewise.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        signer: Signer,
        clock: Clock,
        ids: Ids,
        *,
        tenant: str,
        device_id: str,
    ) -> None:
        self._database, self._outbox, self._signer = database, outbox, signer
        self._clock, self._ids = clock, ids
        self._tenant, self._device_id = tenant, device_id

    def report(self) -> int:
        """Queue a report of all losses not yet reported.

        Returns:
            Number of ranges it names; 0: nothing to report.

        Raises:
            StorageError: It could not be written.
        """
        return self._database.write(self._report).result()

    def _report(self, connection: sqlite3.Connection) -> int:
        rows = unreported(connection, MAX_RANGES)
        if not rows:
            return 0
        losses = tuple(self._loss(key, list(each)) for key, each in groupby(rows, _kind))
        sequence = self._outbox.add(connection, self._draft(losses))
        mark_reported(connection, rows, sequence)
        _log.error("%d ranges of events are lost and reported", len(rows))
        return len(rows)

    def _draft(self, losses: tuple[Loss, ...]) -> Draft:
        """An event whose body is bound to its id by the signature."""
        at = self._clock.now()
        event_id = self._ids.new(at)
        report = LossReport(
            tenant=self._tenant, device_id=self._device_id, event_id=event_id, losses=losses
        )
        return Draft(
            event_id=event_id,
            type=DEVICE_EVENTS[LossBody][0],
            occurred_at=at,
            clock=ClockReading.of(self._clock),
            body=LossBody(jws=self._signer.sign(report.model_dump(mode="json"))),
        )

    def _loss(self, key: tuple[str, int, str], rows: list[LossRow]) -> Loss:
        epoch, lane, reason = key
        times = [datetime.fromtimestamp(row.at_s, UTC) for row in rows]
        return Loss(
            epoch=epoch,
            lane=cast("LaneName", Lane(lane).name.lower()),
            reason=reason,
            ranges=tuple(joined([(row.first, row.last) for row in rows])),
            from_at=min(times),
            to_at=max(times),
        )


def _kind(row: LossRow) -> tuple[str, int, str]:
    return row.epoch, row.lane, row.reason
