"""The keeping of a state folder, and the platform's holds on its cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.config.loading import from_tables
from agent.delivery.uplink import Uplink
from agent.domain.ids import RandomIds
from agent.evidence.snapshots import Snapshots
from agent.protocol.commands import HoldCase
from agent.runtime.housekeeping import Housekeeping
from tests.support.broker import Broker
from tests.support.delivering_device import uplink_of
from tests.support.sites import site_of
from tests.support.state_folder import StateFolder


def housekeeping_of(
    device: StateFolder,
    base: Path,
    legal: Mapping[str, Any] | None = None,
    upload_hosts: tuple[str, ...] = (),
    **uplink: str,
) -> Housekeeping:
    site = site_of(
        cooling={"sensor": "/nowhere/temp"},
        uplink=uplink,
        evidence={"upload_hosts": upload_hosts},
        legal=dict(legal or {}),
    )
    housekeeping = Housekeeping(
        from_tables(site),
        base=base,
        database=device.database,
        outbox=device.outbox,
        state_dir=device.folder,
        clock=device.clock,
        ids=(ids := RandomIds()),
        snapshots=Snapshots(
            device.database, device.outbox, device.folder / "evidence", device.clock, ids
        ),
    )
    housekeeping.retention = device.retention
    return housekeeping


def hold(case_id: str, *, held: bool = True, command_id: str = "h-1") -> HoldCase:
    return HoldCase(
        command="hold", command_id=command_id, case_id=case_id, held=held, reason="复议"
    )


def uplink_under(broker: Broker, device: StateFolder, housekeeping: Housekeeping) -> Uplink:
    """The uplink of a state folder, whose commands its keeping obeys."""
    return uplink_of(
        broker.settings(),
        device.database,
        device.outbox,
        device.clock,
        handlers=housekeeping.handlers,
        record=housekeeping.record_order,
    )
