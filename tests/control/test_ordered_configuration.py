"""Promises of the platform's ``apply`` to a running agent: it proves itself or goes back, and both are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.protocol.events import HeartbeatEvent, InventoryEvent
from agent.protocol.heartbeat import AppliedHealth
from agent.protocol.signed import encoded
from agent.protocol.vectors import public_key, signed_by
from tests.support.broker import Broker
from tests.support.cursed_zones import let_zone_be_cursed
from tests.support.platform_client import Platform
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import as_toml, uplink_table, write_site, zone
from tests.support.topics import DEVICE, TENANT
from tests.support.waiting import wait_until

__all__ = ["corner_at"]

QUICK = (
    "import agent.control.configuration as one, drivers.clock as clock\n"
    "one.PROVED_AFTER_S = 2.0\n"
    "clock.SystemClock.synchronised = property(lambda self: True)\n"  # whatever this machine's is
)
CURSED = zone(zone_id="cursed", kind="bay", polygon=[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]])


def _order(corner: WatchedCorner, number: int, *zones: dict[str, Any]) -> str:
    site = {name: table for name, table in corner.tables.items() if name != "zones"}
    told = {
        "command": "apply",
        "command_id": f"apply-{number}",
        "tenant": TENANT,
        "device_id": DEVICE,
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "number": number,
        "site": encoded(as_toml(site).encode()),
        "zones": encoded(json.dumps({"zones": zones}).encode()),
    }
    return json.dumps({"contract": 2, "jws": signed_by("operator", told)})


def _told(platform: Platform) -> list[AppliedHealth]:
    beats = [each.body for each in list(platform.events) if isinstance(each, HeartbeatEvent)]
    health = [beat.configuration.applied for beat in beats if beat.configuration is not None]
    return [each for each in health if each is not None]


@pytest.mark.slow
def test_what_works_is_confirmed_by_itself_what_does_not_is_reverted_and_the_platform_is_told(
    corner_at: Callable[..., WatchedCorner],
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_zone_be_cursed(tmp_path, monkeypatch, "cursed", QUICK)
    key = {"x": public_key("operator").x}
    corner = corner_at(
        uplink=uplink_table(broker.settings(heartbeat_s=0.5)),
        authorities=[{"role": "operator", "key": key}],
    )
    write_site(corner.folder, corner.tables)
    with broker.platform(lasting=True) as platform:
        corner.start()

        def inventories() -> list[str]:
            found = [e for e in list(platform.events) if isinstance(e, InventoryEvent)]
            return [each.body.configuration_sha256 for each in found]

        wait_until(inventories)
        wider = zone(polygon=[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        platform.say("commands", _order(corner, 7, wider))
        wait_until(platform.answers)
        answer = platform.answers()[-1]
        assert (answer.status, answer.code) == ("done", None), answer
        wait_until(lambda: any(each.state == "in_force" for each in _told(platform)))
        assert (_told(platform)[-1].ordered, _told(platform)[-1].because) == (7, None)
        wait_until(lambda: len(set(inventories())) == 2)
        platform.say("commands", _order(corner, 8, wider, CURSED))
        wait_until(lambda: any(each.state == "reverted" for each in _told(platform)))
        last = next(each for each in _told(platform) if each.state == "reverted")
        assert last.ordered == 8
        assert "cannot be judged" in str(last.because)
        wait_until(lambda: inventories()[-1] == inventories()[1])
    assert corner.stop() == 0
