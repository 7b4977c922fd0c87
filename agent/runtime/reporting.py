"""Who reports of a run: heartbeats, the inventory, losses, manifests and tombstones."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

from agent.evidence.manifest import ManifestWriter
from agent.protocol.commands import COMMANDS, name_of
from agent.telemetry.gauges import table_of
from agent.telemetry.heartbeat import HeartbeatSender, Intervals
from agent.telemetry.inventory import InventorySender, Known
from agent.telemetry.loss_reports import LossReports
from agent.telemetry.outbox_gauges import OutboxGauges
from wording.known_errors import words_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from agent.identity.signing_key import Signer
    from agent.runtime.housekeeping import Housekeeping
    from agent.runtime.metrics import Metrics
    from agent.runtime.run_context import RunContext

LOSSES_EVERY_S = 5.0

_log = logging.getLogger(__name__)


def heartbeats_of(
    run: RunContext,
    metrics: Metrics,
    housekeeping: Housekeeping,
    session: Callable[[], datetime | None],
) -> HeartbeatSender:
    """Who writes the heartbeats, with all gauges of this machine.

    Args:
        run: Whose.
        metrics: Has gauges …
        housekeeping: … as well.
        session: Since when the broker has been connected.
    """
    outbox, uplink = run.parts.outbox, run.configuration.uplink
    return HeartbeatSender(
        run.parts.database,
        outbox,
        clock=run.clock,
        ids=run.ids,
        gauges=table_of(
            metrics,
            housekeeping.machine,
            housekeeping.gauges,
            OutboxGauges(outbox, run.clock),
        ),
        session=session,
        intervals=Intervals(
            look_s=uplink.heartbeat_s,
            full_s=uplink.heartbeat_full_s,
            silence_s=uplink.heartbeat_silence_s,
        ),
    )


def inventory_of(run: RunContext) -> InventorySender:
    """Who says what the device is made of."""
    parts = run.parts
    known = Known(
        run.configuration,
        agent_version=version("kerbwatch"),
        models=parts.networks.used,
        commands=tuple(sorted(name_of(each) for each in COMMANDS)),
        views=parts.views,
    )
    return InventorySender(
        known,
        parts.database,
        parts.outbox,
        clock=run.clock,
        ids=run.ids,
        sizes_px=lambda: parts.analysis.sizes_px,
    )


def manifests_of(run: RunContext, signer: Signer) -> ManifestWriter:
    """Who signs what was packed, and what was deleted of it."""
    return ManifestWriter(
        run.configuration,
        database=run.parts.database,
        outbox=run.parts.outbox,
        signer=signer,
        clock=run.clock,
        ids=run.ids,
        evidence_dir=run.evidence_dir,
    )


def losses_of(run: RunContext, signer: Signer) -> LossReports:
    """Who reports what will never be delivered."""
    site = run.configuration.site
    return LossReports(
        run.parts.database,
        run.parts.outbox,
        signer,
        run.clock,
        run.ids,
        tenant=site.tenant,
        device_id=site.device_id,
    )


def report_what_is_gone(
    losses: LossReports, manifests: ManifestWriter, stop: threading.Event
) -> None:
    """Report soon what is lost and what was deleted; on a full disk it is tried again later."""
    while not stop.wait(LOSSES_EVERY_S):
        for report in (losses.report, manifests.bury):
            try:
                while report() and not stop.is_set():
                    pass
            except OSError as error:
                _log.warning("not reported yet: %s", words_of(error))
