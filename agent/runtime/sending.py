"""Starts what sends: the uplink, and pictures by HTTPS."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

from agent.delivery.picture_upload import PictureUploads
from agent.delivery.uplink import Uplink
from agent.delivery.uplink_supervisor import UplinkSupervisor
from agent.identity.authorities import authorities_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.delivery.followed_events import FollowedEvents
    from agent.protocol.events import PublicKey
    from agent.runtime.housekeeping import Housekeeping
    from agent.runtime.run_context import RunContext
    from drivers.clock import Clock

_log = logging.getLogger(__name__)


def start_uplink(
    run: RunContext,
    housekeeping: Housekeeping,
    signing_key: PublicKey,
    followed: FollowedEvents,
    orders_clock: Clock,
) -> UplinkSupervisor | None:
    """Start delivering, to the broker and to hosts of pictures; None: the site names no broker.

    Args:
        run: What delivers.
        housekeeping: Obeys commands, and records orders.
        signing_key: For births.
        followed: Takes note of how far single events came.
        orders_clock: By which orders expire.
    """
    configuration = run.configuration
    if configuration.uplink.broker is None:
        _log.warning("no broker is configured: events stay in the outbox")
        return None

    def make(alive: Callable[[], None]) -> Uplink:
        return Uplink(
            configuration.uplink.located(run.base),
            database=run.parts.database,
            outbox=run.parts.outbox,
            tenant=configuration.site.tenant,
            device_id=configuration.site.device_id,
            clock=run.clock,
            orders_clock=orders_clock,
            ids=run.ids,
            agent_version=version("kerbwatch"),
            configuration_sha256=run.parts.configuration.sha256(),
            signing_key=signing_key,
            alive=alive,
            handlers=housekeeping.handlers,
            record=housekeeping.record_order,
            authorities=authorities_of(configuration.authorities, run.base),
            pictures=run.evidence_dir,
            followed=followed,
        )

    progress = run.workers.progress
    progress.mark("uplink")
    uplink = UplinkSupervisor(make, lambda: progress.mark("uplink"))
    uplink.start()
    _start_uploads(run, uplink)
    return uplink


def _start_uploads(run: RunContext, uplink: UplinkSupervisor) -> None:
    """Put pictures by HTTPS, where the site names a host for them."""
    settings = run.configuration.evidence
    if not settings.upload_hosts:
        return
    ca_file = settings.upload_ca_file
    uploads = PictureUploads(
        run.parts.database,
        run.parts.outbox,
        run.evidence_dir,
        hosts=settings.upload_hosts,
        ca_file=None if ca_file is None else run.base / ca_file,
        clock=run.clock,
        ids=run.ids,
        budget=lambda: uplink.budget,
    )
    run.workers.keep("uploads", lambda: uploads.run(run.workers.stop))
